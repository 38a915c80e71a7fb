//! What crosses the data channel between two peers.

use bytes::{Bytes, BytesMut};
use ortc::RTCDataChannelMessage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, Result};
use super::payload::{MAX_PAYLOAD, Payload};

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
    at: Option<f64>,
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

/// What came or goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    Payload(Payload),
    Action(Action),
    Reply(Reply),
    Ping(Ping),
    Pong(Pong),
}

/// A frame as messages of a channel.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) messages: Vec<RTCDataChannelMessage>,
    pub(super) bytes: usize,
    /// It wants a channel of its own.
    pub(super) large: bool,
}

impl Frame {
    /// # Errors
    ///
    /// [`Error::TooLarge`] if it has more than [`MAX_PAYLOAD`] bytes.
    pub(super) fn write(self, at: f64) -> Result<Written> {
        let mut wire = Wire {
            at: Some(at),
            ..Wire::default()
        };
        match self {
            Self::Payload(Payload::Text(text)) if text.len() <= PIECE => wire.text = Some(text),
            Self::Payload(Payload::Text(text)) => {
                return pieces(PartKind::Text, text.into(), at);
            }
            Self::Payload(Payload::Json(json)) => {
                let text = json.to_string();
                if text.len() > PIECE {
                    return pieces(PartKind::Json, text.into(), at);
                }
                wire.json = Some(json);
            }
            Self::Payload(Payload::Bytes(bytes)) => return pieces(PartKind::Bytes, bytes, at),
            Self::Action(action) => wire.action = Some(action),
            Self::Reply(reply) => wire.reply = Some(reply),
            Self::Ping(ping) => wire.ping = Some(ping),
            Self::Pong(pong) => wire.pong = Some(pong),
        }
        let text = serde_json::to_string(&wire).map_err(|e| Error::Form(e.to_string()))?;
        if text.len() > OWN_CHANNEL {
            return Err(Error::TooLarge(text.len(), OWN_CHANNEL));
        }
        Ok(Written {
            bytes: text.len(),
            messages: vec![text.into()],
            large: false,
        })
    }
}

fn pieces(kind: PartKind, data: Bytes, at: f64) -> Result<Written> {
    let size = data.len();
    if size > MAX_PAYLOAD {
        return Err(Error::TooLarge(size, MAX_PAYLOAD));
    }
    let head = Wire {
        part: Some(Part {
            kind,
            size,
            id: crate::random::id(),
        }),
        at: Some(at),
        ..Wire::default()
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
        large: size > OWN_CHANNEL,
    })
}

/// Puts together what comes over one channel.
#[derive(Default)]
pub(super) struct Reader {
    open: Option<(PartKind, usize, BytesMut, Option<f64>)>,
}

/// A frame with the sender's clock.
pub(super) type Timed = (Frame, Option<f64>);

impl Reader {
    /// `None` while a message is not complete.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::Form`]: the channel cannot be understood any longer.
    pub(super) fn read(&mut self, message: RTCDataChannelMessage) -> Result<Option<Timed>> {
        match message {
            RTCDataChannelMessage::Text(text) => self.text(&text),
            RTCDataChannelMessage::Binary(piece) => self.piece(&piece),
        }
    }

    fn text(&mut self, text: &str) -> Result<Option<Timed>> {
        if self.open.is_some() {
            return Err(Error::Form("text within a message in pieces".into()));
        }
        let wire: Wire =
            serde_json::from_str(text).map_err(|error| Error::Form(error.to_string()))?;
        let at = wire.at;
        if let Some(part) = wire.part {
            if part.size > MAX_PAYLOAD {
                return Err(Error::TooLarge(part.size, MAX_PAYLOAD));
            }
            // Not the whole at once: that nothing more comes costs nothing.
            let buffer = BytesMut::with_capacity(part.size.min(PIECE));
            self.open = Some((part.kind, part.size, buffer, at));
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
            .or(wire.pong.map(Frame::Pong));
        // One of a newer peer is passed over.
        Ok(frame.map(|frame| (frame, at)))
    }

    fn piece(&mut self, piece: &[u8]) -> Result<Option<Timed>> {
        let Some((_, size, buffer, _)) = &mut self.open else {
            return Err(Error::Form("bytes that belong to no message".into()));
        };
        if buffer.len().saturating_add(piece.len()) > *size {
            return Err(Error::Form("more bytes than were announced".into()));
        }
        buffer.extend_from_slice(piece);
        self.complete()
    }

    fn complete(&mut self) -> Result<Option<Timed>> {
        let complete = |(_, size, buffer, _): &mut (_, usize, BytesMut, _)| buffer.len() == *size;
        let Some((kind, _, buffer, at)) = self.open.take_if(complete) else {
            return Ok(None);
        };
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
        Ok(Some((Frame::Payload(payload), at)))
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
            Some((Frame::Payload(payload), Some(7.0))) => (payload, count, large),
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
