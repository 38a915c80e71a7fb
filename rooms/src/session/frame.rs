//! What crosses the data channel between two peers.

use bytes::{Bytes, BytesMut};
use ortc::RTCDataChannelMessage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, Result};
use super::payload::{MAX_PAYLOAD, Payload};
use crate::signalling::UserId;

/// The channel of small messages.
pub(super) const LABEL: &str = "rooms";
/// A channel for one large message.
pub(super) const LARGE: &str = "rooms.large";
/// A channel for what may be lost: neither ordered nor sent again.
pub(super) const LOSSY: &str = "rooms.lossy";
/// The protocol of both.
pub(super) const PROTOCOL: &str = "ortc-rooms";
/// Text and JSON up to this go as they are; the rest goes in pieces of this many bytes.
const PIECE: usize = 16 * 1024;
/// What is longer goes over a channel of its own.
const OWN_CHANNEL: usize = 64 * 1024;

/// A frame of the wire: JSON with one of these members, and `at`, the sender's clock.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping: Option<Ping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pong: Option<Pong>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<Got>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<f64>,
    /// The sender's number of what went by a hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    /// Of what goes to a hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<UserId>,
    /// Of what comes from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<UserId>,
}

/// By a hub: for whom it is, and of whom.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Way {
    /// Of what a person says: for one alone.
    pub(super) to: Option<UserId>,
    /// Of what a hub says.
    pub(super) from: Option<UserId>,
    /// Its number, of those that the sender has said by hubs.
    pub(super) n: Option<u64>,
}

/// JSON's null is a value like others.
fn present<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

/// A message that follows in pieces.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    kind: PartKind,
    size: usize,
    #[serde(default)]
    id: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum PartKind {
    Text,
    Json,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) name: String,
    #[serde(default)]
    pub(super) body: Value,
    /// An answer is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) id: String,
    #[serde(default)]
    pub(super) body: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// Milliseconds of the sender's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Ping {
    pub(super) at: f64,
}

/// The answer: what the ping had, and the clock of who answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Pong {
    pub(super) at: f64,
    pub(super) here: f64,
}

/// All of a peer's frames up to this number have come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) n: u64,
}

/// So many frames have come over the channels of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Got {
    pub(super) n: u64,
}

/// What came or goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    Payload(Payload),
    Action(Action),
    Reply(Reply),
    Ping(Ping),
    Pong(Pong),
    Seen(Seen),
    Got(Got),
}

/// A frame as messages of a channel.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) messages: Vec<RTCDataChannelMessage>,
    pub(super) bytes: usize,
    /// It wants a channel of its own.
    pub(super) large: bool,
    /// It is in order with others, and is not about the way itself.
    pub(super) counts: bool,
    pub(super) n: Option<u64>,
}

impl Frame {
    /// Whether it is something that is said, and not about the way itself.
    pub(super) fn counts(&self) -> bool {
        matches!(self, Self::Payload(_) | Self::Action(_) | Self::Reply(_))
    }

    /// # Errors
    ///
    /// [`Error::TooLarge`] if it has more than [`MAX_PAYLOAD`] bytes.
    pub(super) fn write(self, at: f64) -> Result<Written> {
        self.write_on(at, Way::default())
    }

    /// The same by a hub.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub(super) fn write_on(self, at: f64, way: Way) -> Result<Written> {
        let mut wire = Wire {
            at: Some(at),
            to: way.to,
            from: way.from,
            n: way.n,
            ..Wire::default()
        };
        let counts = self.counts();
        match self {
            Self::Payload(Payload::Text(text)) if text.len() <= PIECE => wire.text = Some(text),
            Self::Payload(Payload::Text(text)) => {
                return pieces(PartKind::Text, text.into(), wire);
            }
            Self::Payload(Payload::Json(json)) => {
                let text = json.to_string();
                if text.len() > PIECE {
                    return pieces(PartKind::Json, text.into(), wire);
                }
                wire.json = Some(json);
            }
            Self::Payload(Payload::Bytes(bytes)) => return pieces(PartKind::Bytes, bytes, wire),
            Self::Action(action) => wire.action = Some(action),
            Self::Reply(reply) => wire.reply = Some(reply),
            Self::Ping(ping) => wire.ping = Some(ping),
            Self::Pong(pong) => wire.pong = Some(pong),
            Self::Seen(seen) => wire.seen = Some(seen),
            Self::Got(got) => wire.got = Some(got),
        }
        let text = serde_json::to_string(&wire).map_err(|e| Error::Form(e.to_string()))?;
        if text.len() > OWN_CHANNEL {
            return Err(Error::TooLarge(text.len(), OWN_CHANNEL));
        }
        Ok(Written {
            bytes: text.len(),
            messages: vec![text.into()],
            large: false,
            counts,
            n: wire.n,
        })
    }
}

fn pieces(kind: PartKind, data: Bytes, wire: Wire) -> Result<Written> {
    let size = data.len();
    if size > MAX_PAYLOAD {
        return Err(Error::TooLarge(size, MAX_PAYLOAD));
    }
    let n = wire.n;
    let large = size > OWN_CHANNEL;
    let head = Wire {
        part: Some(Part {
            kind,
            size,
            id: crate::random::id(),
        }),
        ..wire
    };
    let head = serde_json::to_string(&head).map_err(|e| Error::Form(e.to_string()))?;
    let mut messages = vec![head.into()];
    let mut rest = data;
    while !rest.is_empty() {
        let piece = rest.split_to(PIECE.min(rest.len()));
        messages.push(piece.into());
    }
    Ok(Written {
        messages,
        bytes: size,
        large,
        counts: !large,
        n,
    })
}

impl Written {
    /// The same, for one of those whom a hub passes it on to. Pieces are not copied.
    pub(super) fn addressed(&self, to: &UserId) -> Self {
        let mut addressed = self.clone();
        if let Ok(name) = serde_json::to_string(to) {
            addressed.add("to", &name);
        }
        addressed
    }

    /// Gives it its sender's number.
    pub(super) fn number(&mut self, n: u64) {
        self.n = Some(n);
        self.add("n", &n.to_string());
    }

    fn add(&mut self, name: &str, json: &str) {
        // A frame begins with a JSON object.
        if let Some(RTCDataChannelMessage::Text(text)) = self.messages.first_mut()
            && let Some(open) = text.strip_suffix('}')
        {
            *text = format!("{open},\"{name}\":{json}}}");
        }
    }
}

/// Puts together what comes over one channel.
#[derive(Default)]
pub(super) struct Reader {
    open: Option<Open>,
}

/// A message in pieces of which not all have come.
struct Open {
    kind: PartKind,
    size: usize,
    buffer: BytesMut,
    at: Option<f64>,
    way: Way,
}

/// A frame that came.
#[derive(Debug, PartialEq)]
pub(super) struct Came {
    pub(super) frame: Frame,
    /// The sender's clock.
    pub(super) at: Option<f64>,
    pub(super) way: Way,
}

impl Reader {
    /// `None` while a message is not complete.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::Form`]: the channel cannot be understood any longer.
    pub(super) fn read(&mut self, message: RTCDataChannelMessage) -> Result<Option<Came>> {
        match message {
            RTCDataChannelMessage::Text(text) => self.text(&text),
            RTCDataChannelMessage::Binary(piece) => self.piece(&piece),
        }
    }

    fn text(&mut self, text: &str) -> Result<Option<Came>> {
        if self.open.is_some() {
            return Err(Error::Form("text within a message in pieces".into()));
        }
        let wire: Wire =
            serde_json::from_str(text).map_err(|error| Error::Form(error.to_string()))?;
        let at = wire.at;
        let way = Way {
            to: wire.to,
            from: wire.from,
            n: wire.n,
        };
        if let Some(part) = wire.part {
            if part.size > MAX_PAYLOAD {
                return Err(Error::TooLarge(part.size, MAX_PAYLOAD));
            }
            // Not the whole at once: that nothing more comes costs nothing.
            let buffer = BytesMut::with_capacity(part.size.min(PIECE));
            self.open = Some(Open {
                kind: part.kind,
                size: part.size,
                buffer,
                at,
                way,
            });
            return self.complete();
        }
        let payload = wire
            .text
            .map(Payload::Text)
            .or(wire.json.map(Payload::Json));
        let frame = payload
            .map(Frame::Payload)
            .or(wire.action.map(Frame::Action))
            .or(wire.reply.map(Frame::Reply))
            .or(wire.ping.map(Frame::Ping))
            .or(wire.pong.map(Frame::Pong))
            .or(wire.seen.map(Frame::Seen))
            .or(wire.got.map(Frame::Got));
        // One of a newer peer is passed over.
        Ok(frame.map(|frame| Came { frame, at, way }))
    }

    fn piece(&mut self, piece: &[u8]) -> Result<Option<Came>> {
        let Some(open) = &mut self.open else {
            return Err(Error::Form("bytes that belong to no message".into()));
        };
        if open.buffer.len().saturating_add(piece.len()) > open.size {
            return Err(Error::Form("more bytes than were announced".into()));
        }
        open.buffer.extend_from_slice(piece);
        self.complete()
    }

    fn complete(&mut self) -> Result<Option<Came>> {
        let complete = |open: &mut Open| open.buffer.len() == open.size;
        let Some(open) = self.open.take_if(complete) else {
            return Ok(None);
        };
        let (kind, buffer) = (open.kind, open.buffer);
        let text = |buffer: BytesMut| {
            String::from_utf8(buffer.to_vec()).map_err(|error| Error::Form(error.to_string()))
        };
        let payload = match kind {
            PartKind::Bytes => Payload::Bytes(buffer.freeze()),
            PartKind::Text => Payload::Text(text(buffer)?),
            PartKind::Json => Payload::Json(
                serde_json::from_slice(&buffer).map_err(|error| Error::Form(error.to_string()))?,
            ),
        };
        Ok(Some(Came {
            frame: Frame::Payload(payload),
            at: open.at,
            way: open.way,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cross(payload: Payload) -> (Payload, usize, bool) {
        let written = Frame::Payload(payload).write(7.0).unwrap();
        let (count, large) = (written.messages.len(), written.large);
        let mut reader = Reader::default();
        let came: Vec<_> = written
            .messages
            .into_iter()
            .filter_map(|message| reader.read(message).unwrap())
            .collect();
        assert_eq!(came.len(), 1);
        match came.into_iter().next() {
            Some(Came {
                frame: Frame::Payload(payload),
                at: Some(7.0),
                ..
            }) => (payload, count, large),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn c44_c53_e04_what_is_sent_keeps_its_type_and_size() {
        let long = "ü".repeat(40_000);
        for (payload, count, large) in [
            (Payload::from(""), 1, false),
            (Payload::from("hello"), 1, false),
            (Payload::from(long.as_str()), 6, true),
            (Payload::from("x".repeat(20_000)), 3, false),
            (Payload::from(serde_json::json!(null)), 1, false),
            (Payload::from(serde_json::json!([long])), 6, true),
            (Payload::from(Vec::new()), 1, false),
            (Payload::from(vec![7; 100]), 2, false),
            (Payload::from(vec![7; 1 << 20]), 65, true),
        ] {
            assert_eq!(cross(payload.clone()), (payload, count, large));
        }
        let huge = Frame::Payload(Payload::from(vec![0; MAX_PAYLOAD + 1])).write(0.0);
        assert!(matches!(huge, Err(Error::TooLarge(..))));
    }

    #[test]
    fn e05_what_goes_by_a_hub_says_for_whom_it_is() {
        let bob = UserId::new("b\"ob").unwrap();
        for payload in [Payload::from("hello"), Payload::from(vec![7; 100])] {
            let written = Frame::Payload(payload).write(7.0).unwrap();
            let mut reader = Reader::default();
            let came = written.addressed(&bob).messages.into_iter();
            let came = came.filter_map(|message| reader.read(message).unwrap());
            let ways: Vec<_> = came.map(|came| (came.way.to, came.way.from)).collect();
            assert_eq!(ways, [(Some(bob.clone()), None)]);
        }
    }

    #[test]
    fn e05_the_first_member_says_what_a_frame_is() {
        let ping = Ping { at: 1.0 };
        let pong = Pong { at: 1.0, here: 2.0 };
        for frame in [
            Frame::Seen(Seen { n: 7 }),
            Frame::Got(Got { n: 7 }),
            Frame::Ping(ping),
            Frame::Pong(pong),
        ] {
            let written = frame.write(7.0).unwrap();
            let [RTCDataChannelMessage::Text(text)] = &written.messages[..] else {
                panic!("{written:?}");
            };
            let at = text.find("\"at\":7").unwrap();
            let name = text.find(['s', 'p', 'g']).unwrap();
            assert!(name == 2 && name < at, "{text}");
        }
    }

    #[test]
    fn c52_a_channel_that_makes_no_sense_is_an_error() {
        let mut reader = Reader::default();
        let read = |reader: &mut Reader, text: &str| reader.read(text.into());
        assert!(read(&mut reader, "{\"new\":1}").unwrap().is_none());
        assert!(read(&mut reader, "no JSON").is_err());
        assert!(reader.read(vec![1].into()).is_err(), "bytes of nothing");
        let huge = "{\"part\":{\"kind\":\"bytes\",\"size\":99999999999}}";
        assert!(matches!(read(&mut reader, huge), Err(Error::TooLarge(..))));
        let two = "{\"part\":{\"kind\":\"bytes\",\"size\":2}}";
        assert!(read(&mut reader, two).unwrap().is_none());
        assert!(read(&mut reader, "{\"text\":\"x\"}").is_err());
        assert!(reader.read(vec![1, 2, 3].into()).is_err());
    }
}
