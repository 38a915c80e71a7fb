//! Media forking: one camera track to five peers, over one port.
//!
//! ```text
//! cargo run --release --example fork
//! ```

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ortc::{
    MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent, RTCConnectionEvents,
    RTCConnectionOptions,
};
use support::Result;
use support::ivf::Ivf;

const PEERS: usize = 5;
const FRAMES: usize = 50;

#[tokio::main]
async fn main() -> Result<()> {
    support::log::install();
    tokio::time::timeout(Duration::from_secs(60), run()).await??;
    println!("OK");
    Ok(())
}

fn options() -> RTCConnectionOptions {
    RTCConnectionOptions::default().bind(SocketAddr::from(([127, 0, 0, 1], 0)))
}

async fn run() -> Result<()> {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media");
    let mut camera = Ivf::read(&media.join("video.ivf"))?;
    camera.frames.truncate(FRAMES);
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::video());

    // The first connection makes the socket; each fork has a peer of its own on it.
    let (first, events) = RTCConnection::new(options())?;
    let port = first.local_socket().port();
    let mut ours = vec![(first.clone(), events)];
    for _ in 1..PEERS {
        ours.push(first.fork()?);
    }

    let mut received = Vec::new();
    let mut theirs = Vec::new();
    for (connection, events) in ours {
        let (peer, peer_events) = RTCConnection::new(options())?;
        connection.set_remote(peer.local())?;
        peer.set_remote(connection.local())?;
        connection.connect()?;
        peer.connect()?;
        tokio::spawn(trickle(events, peer.clone()));
        let path = tokio::spawn(trickle(peer_events, connection.clone()));
        connection.connected().await?;
        peer.connected().await?;
        connection.add_stream(&stream)?;
        let sending = connection.track(&track).ok_or("not sent")?;
        received.push(peer.receive_track(sending.description()?)?);
        theirs.push((connection, peer, path));
    }

    // One write goes to all five.
    let frame = camera.frame_duration();
    let mut clock = tokio::time::interval(frame);
    for picture in &camera.frames {
        clock.tick().await;
        track.write_sample(picture.data.clone(), frame)?;
    }
    for (number, track) in received.iter().enumerate() {
        for (n, picture) in camera.frames.iter().enumerate() {
            let sample = track.recv_sample().await.ok_or("the track ended")?;
            if sample.data != picture.data {
                return Err(format!("peer {number}: frame {n} is not what was sent").into());
            }
        }
    }
    for (number, (connection, peer, path)) in theirs.into_iter().enumerate() {
        connection.close();
        peer.close();
        let seen = path.await?.ok_or("no path")?;
        if seen != port {
            return Err(format!("peer {number} was reached over port {seen}, not {port}").into());
        }
        println!("peer {number}: {FRAMES} frames from port {seen}");
    }
    Ok(())
}

/// Carries the candidates; tells in the end which port the peer was found at.
async fn trickle(mut events: RTCConnectionEvents, peer: RTCConnection) -> Option<u16> {
    let mut port = None;
    while let Some(event) = events.next().await {
        match event {
            // A peer that is closed by now needs no candidates.
            RTCConnectionEvent::Candidate(candidate) => {
                let _ = peer.set_remote_candidate(&candidate);
            }
            RTCConnectionEvent::ActiveCandidate { remote, .. } => {
                port = Some(remote.connection_port);
            }
            _ => {}
        }
    }
    port
}
