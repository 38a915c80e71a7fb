//! The draft's "Simple Peer-to-peer Example": audio and video between two pages that exchange
//! nothing but the messages `iceInfo`, `candidate` and `track`. The draft's lines stand above the
//! ones that do the same here. The two pages are two tasks; a channel of JSON text is between them.
//!
//! ```text
//! cargo run --release --example simple_peer
//! ```

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ortc::{
    Kind, LocalCandidates, MediaStream, MediaStreamTrack, PeerIdentity, RTCConnection,
    RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions, RTCConnectionSide,
};
use serde_json::{Value, json};
use support::{Result, ivf, ogg_opus};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

const SAMPLES: usize = 25;

// var signalingChannel = new SignalingChannel();
type SignalingChannel = UnboundedSender<String>;

/// What the page's functions share.
struct Page {
    signaling_channel: SignalingChannel,
    conn: RTCConnection,
    camera: MediaStreamTrack,
    microphone: MediaStreamTrack,
    remote_view: Option<MediaStream>,
    /// One for each track that is received.
    viewers: JoinSet<Result<Kind>>,
    sending: Option<JoinHandle<Result<()>>>,
}

// // call start() to initiate
// function start() {
fn start(signaling_channel: SignalingChannel) -> Result<(Page, RTCConnectionEvents)> {
    // conn = new RTCConnection({ iceServers: [{ url: "stun:stun.example.org" }] });
    //
    // Here on this computer alone, so without a server. The draft's messages carry no fingerprint:
    // who the peer is shows in the handshake, and the page must accept it.
    let options = RTCConnectionOptions::default()
        .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .local_candidates(LocalCandidates::OnSet)
        .identity(PeerIdentity::Deferred);
    let (conn, events) = RTCConnection::new(options)?;

    // // send my ICE information to the other peer
    // signalingChannel.send(JSON.stringify({ "iceInfo": { "usernameFrag": conn.local.ice.usernameFrag, "password": conn.local.ice.password } }));
    let ice = conn.local().ice;
    signaling_channel.send(
        json!({ "iceInfo": { "usernameFrag": ice.username_frag, "password": ice.password } })
            .to_string(),
    )?;

    // // get a local stream, show it in a self-view and add it to be sent
    // navigator.getUserMedia({ "audio": true, "video": true }, function (stream) {
    let stream = MediaStream::new();
    let microphone = stream.add_track(&MediaStreamTrack::audio());
    let camera = stream.add_track(&MediaStreamTrack::video());
    // conn.addStream(stream);
    conn.add_stream(&stream)?;
    // // send tracks description to the peer
    // conn.tracks().forEach(function(track) {
    for track in conn.tracks() {
        // signalingChannel.send(JSON.stringify({ "track": track.getDescription() }));
        signaling_channel.send(json!({ "track": track.description()? }).to_string())?;
    }
    let page = Page {
        signaling_channel,
        conn,
        camera,
        microphone,
        remote_view: None,
        viewers: JoinSet::new(),
        sending: None,
    };
    Ok((page, events))
}

impl Page {
    fn onevent(&mut self, evt: RTCConnectionEvent) -> Result<()> {
        match evt {
            // // apply any local ICE candidate and send it to the remote
            // conn.oncandidate = function (evt) {
            RTCConnectionEvent::Candidate(candidate) => {
                // conn.setLocalCandidate(evt.candidate);
                self.conn.set_local_candidate(&candidate)?;
                // signalingChannel.send(JSON.stringify({ "candidate": evt.candidate }));
                let message = json!({ "candidate": candidate }).to_string();
                self.signaling_channel.send(message)?;
            }
            // // once remote stream arrives, show it in the remote video element
            // conn.onaddstream = function (evt) {
            RTCConnectionEvent::AddStream(stream) => {
                // remoteView.src = URL.createObjectURL(evt.stream);
                self.remote_view = Some(stream);
            }
            // The draft's page trusts whoever the signalling channel leads to.
            RTCConnectionEvent::PeerFingerprint(_) => self.conn.accept_peer()?,
            // What getUserMedia does by itself: the devices give frames.
            RTCConnectionEvent::Connected => {
                let (camera, microphone) = (self.camera.clone(), self.microphone.clone());
                self.sending = Some(tokio::spawn(record(camera, microphone)));
            }
            RTCConnectionEvent::Disconnected { reason } if reason.is_transient() => {
                return Err(format!("nobody was reached: {reason}").into());
            }
            RTCConnectionEvent::Disconnected { reason } => return Err(reason.to_string().into()),
            _ => {}
        }
        Ok(())
    }

    // signalingChannel.onmessage = function (evt) {
    fn onmessage(&mut self, data: &str) -> Result<()> {
        // var message = JSON.parse(evt.data);
        let message: Value = serde_json::from_str(data)?;
        // if (message.iceInfo) {
        if let Some(ice_info) = message.get("iceInfo") {
            // conn.remote.ice.usernameFrag = message.iceInfo.usernameFrag;
            // conn.remote.ice.password = message.iceInfo.password;
            let remote: RTCConnectionSide = serde_json::from_value(ice_info.clone())?;
            self.conn.set_remote(remote)?;
            // conn.connect();
            self.conn.connect()?;
        }
        // if (message.candidate) {
        if let Some(candidate) = message.get("candidate") {
            // conn.setRemoteCandidate(message.candidate);
            let candidate = serde_json::from_value(candidate.clone())?;
            self.conn.set_remote_candidate(&candidate)?;
        }
        // if (message.track) {
        if let Some(track) = message.get("track") {
            // conn.receiveTrack(message.track);
            let track = self
                .conn
                .receive_track(serde_json::from_value(track.clone())?)?;
            self.viewers.spawn(view(track));
        }
        Ok(())
    }
}

/// Gives the camera and the microphone what was recorded, over and over.
async fn record(camera: MediaStreamTrack, microphone: MediaStreamTrack) -> Result<()> {
    let (video, audio) = recordings()?;
    let frame = video.frame_duration();
    let pictures = async {
        let mut clock = tokio::time::interval(frame);
        for picture in video.frames.iter().cycle() {
            clock.tick().await;
            camera.write_sample(picture.data.clone(), frame)?;
        }
        Ok::<_, ortc::Error>(())
    };
    let sounds = async {
        let mut clock = tokio::time::interval(ogg_opus::PACKET_DURATION);
        for packet in audio.iter().cycle() {
            clock.tick().await;
            microphone.write_sample(packet.clone(), ogg_opus::PACKET_DURATION)?;
        }
        Ok(())
    };
    tokio::try_join!(pictures, sounds)?;
    Ok(())
}

/// Looks at a track until enough came; each sample must be one that was recorded.
async fn view(track: MediaStreamTrack) -> Result<Kind> {
    let (video, audio) = recordings()?;
    for n in 0..SAMPLES {
        let sample = track.recv_sample().await.ok_or("the track ended")?;
        let known = match track.kind() {
            Kind::Video => video.frames.iter().any(|frame| frame.data == sample.data),
            _ => audio.iter().any(|packet| *packet == sample.data),
        };
        if !known {
            return Err(format!("{} sample {n} is not what was sent", track.kind()).into());
        }
    }
    Ok(track.kind())
}

fn recordings() -> Result<(ivf::Ivf, Vec<Vec<u8>>)> {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media");
    let video = ivf::Ivf::read(&media.join("video.ivf"))?;
    let audio = ogg_opus::read(&media.join("audio.ogg"))?;
    Ok((video, audio))
}

/// A page: it may call `start` itself, otherwise it starts with the first message.
async fn page(
    name: &str,
    initiate: bool,
    signaling_channel: SignalingChannel,
    mut inbox: UnboundedReceiver<String>,
) -> Result<()> {
    let first = match initiate {
        true => None,
        false => Some(inbox.recv().await.ok_or("nobody called")?),
    };
    // if (!conn)
    //     start();
    let (mut page, mut events) = start(signaling_channel)?;
    if let Some(data) = first {
        page.onmessage(&data)?;
    }
    // The page is over when it has seen enough, and the other has too.
    let (mut seen, mut other_is_done) = (Vec::new(), false);
    while seen.len() < 2 || !other_is_done {
        tokio::select! {
            // The messages first: a bye comes before the connection ends.
            biased;
            Some(data) = inbox.recv(), if !other_is_done => {
                page.onmessage(&data)?;
                other_is_done = serde_json::from_str::<Value>(&data)?.get("bye").is_some();
            }
            Some(evt) = events.next() => page.onevent(evt)?,
            Some(kind) = page.viewers.join_next() => {
                seen.push(kind??);
                if seen.len() == 2 {
                    page.signaling_channel.send(json!({ "bye": true }).to_string())?;
                }
            }
            else => return Err("the page ended early".into()),
        }
    }
    let stream = page.remote_view.ok_or("no stream came")?;
    seen.sort();
    if seen != [Kind::Audio, Kind::Video] || stream.tracks().len() != 2 {
        return Err(format!("{name} saw {seen:?} in {} tracks", stream.tracks().len()).into());
    }
    println!(
        "{name}: {SAMPLES} sounds and {SAMPLES} pictures in the stream {}",
        stream.id()
    );
    page.conn.close();
    if let Some(sending) = page.sending {
        sending.abort();
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    support::log::install();
    let (to_callee, callee_inbox) = unbounded_channel();
    let (to_caller, caller_inbox) = unbounded_channel();
    let both = async {
        tokio::try_join!(
            page("caller", true, to_callee, caller_inbox),
            page("callee", false, to_caller, callee_inbox),
        )
    };
    tokio::time::timeout(Duration::from_secs(60), both).await??;
    println!("OK");
    Ok(())
}
