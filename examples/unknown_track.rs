//! A track that nobody described, identified by an agreed value in its RTP header extension.
//!
//! ```text
//! cargo run --release --example unknown_track
//! ```
//!
//! The viewer asks, by its own signalling, for a track marked with a value of its choice. The
//! camera sends three tracks and describes none of them; the viewer finds the marked one in the
//! `UnknownTrack` events and receives it. Nothing of it is lost, although it was received late.

#[path = "support/log.rs"]
mod log;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use ortc::{
    Kind, MediaStream, MediaStreamTrack, RTCCodec, RTCConnection, RTCConnectionEvent,
    RTCConnectionEvents, RTCConnectionOptions, RTCHeaderExtension,
};

/// What both sides have agreed on beforehand: what the extension means, and its id on the wire.
const MARK: &str = "urn:example:mark";
const MARK_ID: u8 = 5;
const FRAMES: u8 = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    log::install();
    tokio::time::timeout(Duration::from_secs(60), run()).await??;
    println!("OK");
    Ok(())
}

fn options() -> RTCConnectionOptions {
    RTCConnectionOptions::default()
        .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .header_extensions([RTCHeaderExtension::new(MARK, MARK_ID)])
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (camera, camera_events) = RTCConnection::new(options())?;
    let (viewer, viewer_events) = RTCConnection::new(options())?;
    camera.set_remote(viewer.local())?;
    viewer.set_remote(camera.local())?;
    camera.connect()?;
    viewer.connect()?;
    tokio::spawn(trickle(camera_events, viewer.clone()));

    // The viewer's request: a value, no SSRC, no description.
    let wanted = "front door";
    tokio::spawn(send(camera.clone()));

    let mut events = viewer_events;
    let mut others = 0;
    while let Some(event) = events.next().await {
        match event {
            RTCConnectionEvent::Candidate(candidate) => camera.set_remote_candidate(&candidate)?,
            RTCConnectionEvent::UnknownTrack(unknown) => {
                let mark =
                    String::from_utf8_lossy(unknown.header_extension(MARK).unwrap_or_default());
                println!(
                    "unknown track: ssrc {}, payload type {}, mark {mark:?}",
                    unknown.ssrc, unknown.payload_type
                );
                if mark != wanted {
                    others += 1;
                    continue;
                }
                let codec = RTCCodec::opus(unknown.payload_type);
                let track = viewer.receive_track(unknown.description(Kind::Audio, [codec]))?;
                for n in 0..FRAMES {
                    let packet = track.recv_rtp().await.ok_or("the track ended")?;
                    let expected = [wanted.as_bytes(), &[n]].concat();
                    assert_eq!(packet.payload, expected, "frame {n}");
                }
                println!("received {FRAMES} frames of it, from the first on");
                assert!(others <= 2, "each source is announced once");
                return Ok(());
            }
            _ => {}
        }
    }
    Err("the connection ended before the track was found".into())
}

/// Sends three marked tracks, and tells the viewer nothing.
async fn send(camera: RTCConnection) -> ortc::Result<()> {
    let stream = MediaStream::new();
    let mut tracks = Vec::new();
    for mark in ["garden", "front door", "garage"] {
        tracks.push((mark, stream.add_track(&MediaStreamTrack::audio())));
    }
    camera.add_stream(&stream)?;
    for (mark, track) in &tracks {
        if let Some(sending) = camera.track(track) {
            sending.set_header_extension_values(BTreeMap::from([(MARK.into(), (*mark).into())]))?;
        }
    }
    camera.connected().await?;
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for n in 0..FRAMES {
        clock.tick().await;
        for (mark, track) in &tracks {
            let frame = [mark.as_bytes(), &[n]].concat();
            track.write_sample(frame, Duration::from_millis(20))?;
        }
    }
    camera.closed().await;
    Ok(())
}

async fn trickle(mut events: RTCConnectionEvents, peer: RTCConnection) -> ortc::Result<()> {
    while let Some(event) = events.next().await {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            peer.set_remote_candidate(&candidate)?;
        }
    }
    Ok(())
}
