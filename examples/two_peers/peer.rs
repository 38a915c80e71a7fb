//! What a peer does. Signalling is one JSON object a line: `iceInfo`, `candidate`, `track`.

use std::path::Path;
use std::time::{Duration, Instant};

use ortc::{
    MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent, RTCConnectionEvents,
    RTCConnectionOptions,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Result, ivf, ogg_opus};

/// The caller sends a video and a recording.
pub(crate) async fn call(media: &Path) -> Result<()> {
    let video = ivf::Ivf::read(&media.join("video.ivf"))?;
    let audio = ogg_opus::read(&media.join("audio.ogg"))?;

    let begin = Instant::now();
    let (connection, events) = RTCConnection::new(RTCConnectionOptions::default())?;
    signal(json!({ "iceInfo": connection.local() }));

    // A stream with one track of each kind; its description goes to the peer.
    let stream = MediaStream::new();
    let video_track = stream.add_track(&MediaStreamTrack::video());
    let audio_track = stream.add_track(&MediaStreamTrack::audio());
    connection.add_stream(&stream)?;
    for track in connection.tracks() {
        signal(json!({ "track": track.description()? }));
    }

    let path = tokio::spawn(watch(events));
    let signalling = tokio::spawn(hear(connection.clone()));
    connection.connected().await?;
    let setup = begin.elapsed();

    // Media goes out in real time: each frame when it is due.
    let frame = video.frame_duration();
    let frames = video.frames.clone();
    let pictures = tokio::spawn(async move {
        let mut clock = tokio::time::interval(frame);
        for picture in frames {
            clock.tick().await;
            video_track.write_sample(picture.data, frame)?;
        }
        Ok::<_, ortc::Error>(())
    });
    let mut clock = tokio::time::interval(ogg_opus::PACKET_DURATION);
    for packet in audio {
        clock.tick().await;
        audio_track.write_sample(packet, ogg_opus::PACKET_DURATION)?;
    }
    pictures.await??;

    let stats = connection.stats();
    // Closing says BYE for both tracks: the callee then knows that it has everything.
    connection.close();
    signalling.abort();
    signal(json!({ "report": {
        "setup_ms": setup.as_secs_f64() * 1e3,
        "path": path.await?,
        "stats": stats,
    }}));
    Ok(())
}

/// The callee writes what it receives.
pub(crate) async fn answer(out: &Path) -> Result<()> {
    let begin = Instant::now();
    let (connection, mut events) = RTCConnection::new(RTCConnectionOptions::default())?;
    signal(json!({ "iceInfo": connection.local() }));
    let signalling = tokio::spawn(hear(connection.clone()));

    // The stream comes with the description of its first track.
    let mut path = Value::Null;
    let stream = loop {
        match events.next().await.ok_or("closed before a stream came")? {
            RTCConnectionEvent::AddStream(stream) => break stream,
            event => note(event, &mut path),
        }
    };
    let watching = tokio::spawn(async move {
        let rest = watch(events).await;
        if rest.is_null() { path } else { rest }
    });
    connection.connected().await?;
    let setup = begin.elapsed();

    let mut video = ivf::Ivf {
        width: 0,
        height: 0,
        rate: 90_000,
        scale: 1,
        frames: Vec::new(),
    };
    let mut audio = Vec::new();
    let mut lost = 0;
    let mut receiving = tokio::task::JoinSet::new();
    for track in stream.tracks() {
        receiving.spawn(async move {
            let mut samples = Vec::new();
            while let Some(sample) = track.recv_sample().await {
                samples.push(sample);
            }
            (track.kind(), samples)
        });
    }
    let watched = connection.clone();
    let statistics = tokio::spawn(async move {
        let mut last = watched.stats();
        while watched.state() != ortc::RTCConnectionState::Closed {
            last = watched.stats();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        last
    });
    while let Some(track) = receiving.join_next().await {
        let (kind, samples) = track?;
        lost += samples.iter().map(|sample| sample.lost_before).sum::<u64>();
        if kind == ortc::Kind::Video {
            let first = samples.first().map_or(0, |sample| sample.timestamp);
            for sample in samples {
                video.frames.push(ivf::Frame {
                    time: u64::from(sample.timestamp.wrapping_sub(first)),
                    data: sample.data.to_vec(),
                });
            }
        } else {
            audio.extend(samples.into_iter().map(|sample| sample.data.to_vec()));
        }
    }
    // RFC 6386 section 9.1: a key frame carries its size in bytes 6 to 9.
    if let Some([w0, w1, h0, h1]) = video.frames.first().and_then(|frame| frame.data.get(6..10)) {
        video.width = u16::from_le_bytes([*w0, *w1]) & 0x3fff;
        video.height = u16::from_le_bytes([*h0, *h1]) & 0x3fff;
    }
    video.write(&out.join("video.ivf"))?;
    ogg_opus::write(&out.join("audio.ogg"), &audio)?;
    signalling.abort();
    signal(json!({ "report": {
        "setup_ms": setup.as_secs_f64() * 1e3,
        "path": watching.await?,
        "stats": statistics.await?,
        "lost": lost,
    }}));
    Ok(())
}

/// Feeds what the peer signals into the connection; a bad message ends it.
async fn hear(connection: RTCConnection) {
    if let Err(error) = take_messages(&connection).await {
        eprintln!("signalling: {error}");
        connection.close();
    }
}

/// The order of the messages does not matter.
async fn take_messages(connection: &RTCConnection) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let mut message: Value = serde_json::from_str(&line)?;
        if let Some(side) = message.get_mut("iceInfo") {
            connection.set_remote(serde_json::from_value(side.take())?)?;
            connection.connect()?;
        } else if let Some(candidate) = message.get_mut("candidate") {
            connection.set_remote_candidate(&serde_json::from_value(candidate.take())?)?;
        } else if let Some(track) = message.get_mut("track") {
            connection.receive_track(serde_json::from_value(track.take())?)?;
        }
    }
    Ok(())
}

/// Signals candidates as they are found and remembers the path that is chosen.
async fn watch(mut events: RTCConnectionEvents) -> Value {
    let mut path = Value::Null;
    while let Some(event) = events.next().await {
        note(event, &mut path);
    }
    path
}

fn note(event: RTCConnectionEvent, path: &mut Value) {
    match event {
        RTCConnectionEvent::Candidate(candidate) => signal(json!({ "candidate": candidate })),
        RTCConnectionEvent::ActiveCandidate { local, remote } => {
            *path = json!({ "local": local, "remote": remote });
        }
        RTCConnectionEvent::Disconnected { reason } if reason.is_transient() => {
            eprintln!("disconnected: {reason}");
        }
        _ => {}
    }
}

fn signal(message: Value) {
    println!("{message}");
}
