//! One call from a browser. Signalling is a WebSocket that carries one JSON object a message:
//! `iceInfo`, `candidate`, `track`, and `gone` with the SSRC of a track that is no longer sent.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket};
use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack};
use ortc::{
    DisconnectReason, Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent,
    RTCCandidatePolicy, RTCCodec, RTCConnection, RTCConnectionEvent, RTCConnectionOptions,
    RTCConnectionSide, RTCDataChannel, RTCDataChannelOptions, RTCHeaderExtension, RTCTrack,
    RTCTrackDescription,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::media;
use crate::support::Result;

/// Tracks of a caller that are sent back; more are received only.
const MAX_ECHOES: usize = 8;
/// Channels of a caller that are answered.
const MAX_CHANNELS: usize = 16;
/// A call that is silent for so long is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Header extensions under the ids that Chromium has for them: feedback on the last one tells its
/// encoder how much it may send.
const EXTENSIONS: [(&str, u8); 3] = [
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", 1),
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        2,
    ),
    (
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        3,
    ),
];

/// What a call was.
pub(crate) struct Report {
    connected: Option<Duration>,
    /// Why the caller was not reached.
    lost: Option<DisconnectReason>,
    audio: u64,
    video: u64,
    /// Packets that came in others again.
    redundant: u64,
}

impl Report {
    /// Whether media came from the caller.
    pub(crate) fn check(&self) -> Result<()> {
        if self.connected.is_none() {
            return Err(match self.lost {
                Some(reason) => format!("nobody was reached: {reason}").into(),
                None => "the caller did not connect".into(),
            });
        }
        if self.audio + self.video == 0 {
            return Err("nothing came from the caller".into());
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.connected {
            Some(setup) => write!(f, "connected after {} ms", setup.as_millis())?,
            None => match self.lost {
                Some(reason) => write!(f, "nobody was reached: {reason}")?,
                None => f.write_str("not connected")?,
            },
        }
        write!(
            f,
            ", {} audio and {} video packets came",
            self.audio, self.video
        )?;
        if self.redundant > 0 {
            write!(f, ", {} came again in others", self.redundant)?;
        }
        Ok(())
    }
}

/// Answers a call: sends a picture and a tone, and the caller's own media back.
pub(crate) async fn answer(
    mut socket: WebSocket,
    wishes: &HashMap<String, String>,
) -> Result<Report> {
    let begin = Instant::now();
    let wish = |name: &str, default| wishes.get(name).map_or(default, String::as_str);
    let picture = media::video(wish("video", "vp8"))?;
    let tone = media::audio(wish("audio", "opus"))?;

    // Loopback as well: most callers are on this machine.
    let wished = |name| wishes.contains_key(name);
    let policy = RTCCandidatePolicy::default()
        .tcp(wished("tcp"))
        .host_names(wished("names"));
    let options = RTCConnectionOptions::default()
        .include_loopback(true)
        .candidate_policy(policy)
        .header_extensions(EXTENSIONS.map(|(uri, id)| RTCHeaderExtension::new(uri, id)));
    let (connection, mut events) = RTCConnection::new(options)?;
    let (signal, mut outgoing) = mpsc::channel(256);
    // The draft's example reads the credentials from `iceInfo` itself.
    let local = connection.local();
    let mut side = json!(local);
    side["usernameFrag"] = json!(local.ice.username_frag);
    side["password"] = json!(local.ice.password);
    send(&mut socket, json!({ "iceInfo": side })).await?;

    let stream = MediaStream::new();
    let mut media = JoinSet::new();
    let mut sources = Vec::new();
    for (kind, recording) in [(Kind::Video, picture), (Kind::Audio, tone)] {
        let track = match kind {
            Kind::Video => MediaStreamTrack::video(),
            _ => MediaStreamTrack::audio(),
        };
        let track = stream.add_track(&track);
        sources.push((track, recording));
    }
    // Digits are answered with the same digits.
    let keys = DTMFMediaStreamTrack::new();
    stream.add_track(&keys);
    let keys = stream.dtmf_tracks().pop().unwrap_or(keys);
    connection.add_stream(&stream)?;
    for (track, recording) in &sources {
        let sending = connection.track(track).ok_or("the track is not sent")?;
        sending.set_codecs(recording.codecs())?;
        send(&mut socket, json!({ "track": sending.description()? })).await?;
    }

    // One stream back for each that comes.
    let mut back = HashMap::<Vec<String>, MediaStream>::new();
    let came = Arc::new(Came::default());
    let mut echoes = HashSet::new();
    let mut stranger = None;
    let notes = connection.create_data_channel("notes", RTCDataChannelOptions::default())?;
    let mut channels = 0;
    let mut listening = HashSet::new();
    let mut connected = None;
    let mut lost = None;
    loop {
        tokio::select! {
            message = tokio::time::timeout(PATIENCE, socket.recv()) => {
                let text = match message {
                    Ok(Some(Ok(Message::Text(text)))) => text,
                    Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                    Err(_) if connection.state() == ortc::RTCConnectionState::Connected => continue,
                    _ => break,
                };
                if let Some(description) = hear(&connection, &text, &mut stranger)? {
                    let received = connection.receive_track(description.clone())?;
                    // A description may come again, with digits in it for instance.
                    if echoes.len() < MAX_ECHOES && echoes.insert(description.ssrc) {
                        let echo = Echo {
                            stream: back.entry(description.msid.clone()).or_default().clone(),
                            signal: signal.clone(),
                            came: came.clone(),
                        };
                        media.spawn(echo.run(connection.clone(), received, description));
                    }
                    let streams = connection.receiving_streams();
                    for heard in streams.iter().flat_map(MediaStream::dtmf_tracks) {
                        if listening.insert(heard.id().to_owned()) {
                            media.spawn(listen(heard, keys.clone(), notes.clone()));
                        }
                    }
                }
            }
            Some(message) = outgoing.recv() => send(&mut socket, message).await?,
            event = events.next() => match event {
                Some(RTCConnectionEvent::Candidate(candidate)) => {
                    // A page like the draft's example takes no fingerprint from `iceInfo`.
                    let mut candidate = json!(candidate);
                    candidate["dtls"] = json!(local.dtls);
                    send(&mut socket, json!({ "candidate": candidate })).await?;
                }
                Some(RTCConnectionEvent::Connected) => {
                    connected.get_or_insert(begin.elapsed());
                    for (track, recording) in sources.drain(..) {
                        media.spawn(recording.play(track));
                    }
                }
                Some(RTCConnectionEvent::Disconnected { reason }) => lost = Some(reason),
                Some(RTCConnectionEvent::DataChannel(channel)) if channels < MAX_CHANNELS => {
                    channels += 1;
                    media.spawn(talk(channel));
                }
                Some(_) => {}
                None => break,
            },
            Some(ended) = media.join_next() => match ended? {
                // The caller hung up.
                Err(ortc::Error::Closed(_)) => break,
                ended => ended?,
            },
        }
    }
    let received = connection.stats().inbound_rtp;
    let report = Report {
        connected,
        lost,
        redundant: received.iter().map(|one| one.fec_packets_received).sum(),
        audio: came.audio.load(Ordering::Relaxed),
        video: came.video.load(Ordering::Relaxed),
    };
    connection.close();
    Ok(report)
}

/// Plays each digit back, and says so.
async fn listen(
    heard: DTMFMediaStreamTrack,
    keys: DTMFMediaStreamTrack,
    notes: RTCDataChannel,
) -> ortc::Result<()> {
    while let Some(event) = heard.next_event().await {
        if let DTMFEvent::Tone(tone) = event {
            keys.play(tone.digits.as_str())?;
            notes
                .send(format!("Rust heard the digit {}.", tone.digits))
                .await?;
        }
    }
    Ok(())
}

/// Answers in the caller's channels: words with words, bytes with the same bytes.
async fn talk(channel: RTCDataChannel) -> ortc::Result<()> {
    while let Some(message) = channel.recv().await {
        let answered = match message.text() {
            Some(text) => channel.send(format!("You said: {text}")).await,
            None => channel.send(message.into_bytes()).await,
        };
        // The caller may close the channel at any time.
        if answered.is_err() {
            break;
        }
    }
    Ok(())
}

async fn send(socket: &mut WebSocket, message: Value) -> Result<()> {
    Ok(socket
        .send(Message::Text(message.to_string().into()))
        .await?)
}

/// Feeds one message into the connection; a track is given back. The draft's example signals no
/// fingerprint: such a caller is a stranger until one comes with a candidate.
fn hear(
    connection: &RTCConnection,
    text: &str,
    stranger: &mut Option<RTCConnectionSide>,
) -> Result<Option<RTCTrackDescription>> {
    let mut message: Value = serde_json::from_str(text)?;
    if let Some(side) = message.get_mut("iceInfo") {
        let side: RTCConnectionSide = serde_json::from_value(side.take())?;
        if side.dtls.fingerprint.is_none() && connection.remote().is_none() {
            *stranger = Some(side);
        } else {
            connection.set_remote(side)?;
            connection.connect()?;
        }
    } else if let Some(candidate) = message.get_mut("candidate") {
        if let Some(dtls) = candidate.get_mut("dtls")
            && let Some(mut side) = stranger.take()
        {
            side.dtls = serde_json::from_value(dtls.take())?;
            connection.set_remote(side)?;
            connection.connect()?;
        }
        connection.set_remote_candidate(&serde_json::from_value(candidate.take())?)?;
    } else if let Some(ssrc) = message.get("gone").and_then(Value::as_str) {
        connection.stop_receiving(ssrc.parse()?)?;
    } else if let Some(track) = message.get_mut("track") {
        return Ok(Some(serde_json::from_value(track.take())?));
    }
    Ok(None)
}

/// Sends a track back to where it came from.
struct Echo {
    stream: MediaStream,
    signal: mpsc::Sender<Value>,
    came: Arc<Came>,
}

/// Packets that came, by kind.
#[derive(Default)]
struct Came {
    audio: AtomicU64,
    video: AtomicU64,
}

impl Echo {
    async fn run(
        self,
        connection: RTCConnection,
        received: MediaStreamTrack,
        description: RTCTrackDescription,
    ) -> ortc::Result<()> {
        let track = match description.kind {
            Kind::Video => MediaStreamTrack::video(),
            _ => MediaStreamTrack::audio(),
        };
        let track = self.stream.add_track(&track);
        connection.add_stream(&self.stream)?;
        let Some(sending) = connection.track(&track) else {
            return Ok(());
        };
        // Packets go back as they came, under the payload ids that the caller chose.
        sending.set_codecs(description.codecs.clone())?;
        let _ = self
            .signal
            .send(json!({ "track": sending.description()? }))
            .await;
        self.copy(&received, &track, &sending).await?;
        // The caller sends it no more.
        let gone = json!({ "gone": sending.ssrc()?.to_string() });
        sending.remove()?;
        self.stream.remove_track(&track);
        let _ = self.signal.send(gone).await;
        Ok(())
    }

    async fn copy(
        &self,
        received: &MediaStreamTrack,
        track: &MediaStreamTrack,
        sending: &RTCTrack,
    ) -> ortc::Result<()> {
        let mut payload_type = None;
        let count = match received.kind() {
            Kind::Video => &self.came.video,
            _ => &self.came.audio,
        };
        loop {
            tokio::select! {
                packet = received.recv_rtp() => {
                    let Some(packet) = packet else {
                        return Ok(());
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    if payload_type != Some(packet.payload_type) {
                        let mut codecs = sending.codecs()?;
                        let id = |codec: &RTCCodec| codec.payload_type == packet.payload_type;
                        // Digits and the like are no media by themselves.
                        if !codecs.iter().find(|codec| id(codec)).is_some_and(is_media) {
                            continue;
                        }
                        payload_type = Some(packet.payload_type);
                        codecs.sort_by_key(|codec| !id(codec));
                        sending.set_codecs(codecs)?;
                    }
                    track.write_rtp(&packet)?;
                }
                event = track.next_event() => {
                    if event == Some(MediaStreamTrackEvent::KeyframeRequested) {
                        received.request_keyframe();
                    }
                }
            }
        }
    }
}

fn is_media(codec: &RTCCodec) -> bool {
    let name = codec.name.to_ascii_lowercase();
    !["dtmf", "telephone-event", "rtx", "red", "ulpfec", "cn"].contains(&name.as_str())
}
