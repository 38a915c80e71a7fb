//! A peer for tests against foreign implementations: one JSON line out, one in, then media.
//!
//! ```text
//! line_peer controlling|controlled [--seconds N] [--dtmf DIGITS] [--channels N] [--until-left]
//! ```
//!
//! The line is `{ice: {usernameFragment, password}, candidates: ["candidate line"], dtls: {role,
//! fingerprints: [{algorithm, value}]}, sctp: {port, maxMessageSize}, rtp: {audio: {ssrc,
//! payloadType, dtmf: [{payloadType, clockRate}]}}}`; the controlled side is the DTLS client. The
//! last line is the result. With `--dtmf` it sends silence and keys in the digits; with
//! `--channels` it opens so many data channels of all kinds, whose messages the peer sends back. With
//! `--until-left` it stays until the peer has left, and one more line says why it thinks so.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack, DTMFTone};
use ortc::{
    CertificateFingerprint, DataChannelCloseReason, Kind, MediaStream, MediaStreamTrack, RTCCodec,
    RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions,
    RTCConnectionSide, RTCDataChannelOptions, RTCDtlsRole, RTCIceCandidateDescription, RTCIceRole,
    RTCTrackDescription,
};
use serde_json::{Value, json};
use support::{Result, ogg_opus};
use tokio::sync::oneshot;

const OPUS: u8 = 111;
/// The wide band: the browser's first choice beside opus.
const DIGITS: u8 = 110;
/// The other side listens to what its jitter buffer makes of the digits.
const SETTLE: Duration = Duration::from_secs(1);
const TONE: Duration = Duration::from_millis(150);
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const LINGER: Duration = Duration::from_secs(5);
/// How long somebody is waited for who is to leave.
const LEAVING: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    support::log::install();
    let arguments: Vec<String> = std::env::args().collect();
    let (role, name) = match arguments.get(1).map(String::as_str) {
        Some("controlling") => (RTCIceRole::Controlling, "controlling"),
        Some("controlled") => (RTCIceRole::Controlled, "controlled"),
        _ => {
            return Err(
                "usage: line_peer controlling|controlled [--seconds N] [--dtmf DIGITS] \
                 [--channels N] [--until-left]"
                    .into(),
            );
        }
    };
    let value_of = |option| {
        let at = arguments.iter().position(|word| word == option)?;
        arguments.get(at + 1)
    };
    let seconds = value_of("--seconds").map_or(Ok(5), |seconds| seconds.parse())?;
    let digits = value_of("--dtmf").map(String::as_str);
    let channels = value_of("--channels").map_or(Ok(0), |count| count.parse())?;
    let plan = Plan {
        role,
        name,
        length: Duration::from_secs(seconds),
        digits,
        channels,
        until_left: arguments.iter().any(|word| word == "--until-left"),
    };
    run(plan).await
}

struct Plan<'a> {
    role: RTCIceRole,
    name: &'a str,
    length: Duration,
    digits: Option<&'a str>,
    channels: usize,
    until_left: bool,
}

async fn run(plan: Plan<'_>) -> Result<()> {
    let Plan {
        role,
        name,
        length,
        digits,
        channels,
        until_left,
    } = plan;
    let options = RTCConnectionOptions::default()
        .role(role)
        // As the protocol has it, also when a conflict of roles swaps the other ones.
        .dtls_role(match role {
            RTCIceRole::Controlled => RTCDtlsRole::Client,
            RTCIceRole::Controlling => RTCDtlsRole::Server,
        })
        .include_loopback(true);
    let (connection, mut events) = RTCConnection::new(options)?;
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    let keys = DTMFMediaStreamTrack::new();
    stream.add_track(&keys);
    connection.add_stream(&stream)?;
    let sending = connection.track(&track).ok_or("the track is not sent")?;

    sending.set_codecs(vec![RTCCodec::opus(OPUS), RTCCodec::dtmf(DIGITS)])?;
    let dtmf = json!([{"payloadType": DIGITS, "clockRate": 48_000}]);

    let mut candidates = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            RTCConnectionEvent::Candidate(candidate) => {
                let line = candidate.to_candidate_line()?;
                // The line alone, as it stands in ORTC's JSON.
                candidates.push(line.trim_start_matches("candidate:").to_owned());
            }
            RTCConnectionEvent::EndOfCandidates => break,
            _ => {}
        }
    }
    let local = connection.local();
    let fingerprint = local
        .dtls
        .fingerprint
        .as_ref()
        .and_then(|all| all.iter().find(|one| one.algorithm == "sha-256"))
        .ok_or("no sha-256 fingerprint")?
        .value();
    println!(
        "{}",
        json!({
            "ice": {"usernameFragment": local.ice.username_frag, "password": local.ice.password},
            "candidates": candidates,
            "dtls": {
                "role": if role == RTCIceRole::Controlled { "client" } else { "server" },
                "fingerprints": [{"algorithm": "sha-256", "value": fingerprint}],
            },
            "sctp": {"port": 5000, "maxMessageSize": 262_144},
            "rtp": {"audio": {"ssrc": sending.ssrc()?, "payloadType": OPUS, "dtmf": dtmf}},
        })
    );

    let (line, hung_up) = standard_input();
    let peer: Value = serde_json::from_str(&line.await??)?;
    let audio = &peer["rtp"]["audio"];
    let codecs = codecs(audio)?;
    sending.set_codecs(codecs.clone())?;
    let heard = receive(&connection, audio["ssrc"].as_u64(), codecs)?;
    let messages = converse(&connection, events, role)?;
    connect(&connection, &peer)?;
    tokio::time::timeout(Duration::from_secs(60), connection.connected()).await??;

    if let Some(digits) = digits {
        let tones = DTMFTone::new(digits)
            .with_duration(TONE)
            .with_inter_tone_gap(TONE);
        tokio::spawn(async move {
            tokio::time::sleep(SETTLE).await;
            keys.play(tones)
        });
    }
    let echoes: Vec<_> = (0..channels)
        .map(|n| tokio::spawn(echo(connection.clone(), n)))
        .collect();
    let sent = tokio::spawn(send(track, length, digits.is_some()));
    // They grow where the path carries it, and shrink for a while whenever it falls silent.
    let mut datagram = None;
    let end = tokio::time::Instant::now() + length;
    while tokio::time::Instant::now() < end || echoes.iter().any(|one| !one.is_finished()) {
        datagram = datagram.max(connection.stats().data.max_datagram);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent.abort();
    let mut echoed = 0;
    for one in echoes {
        one.await??;
        echoed += 1;
    }
    let stats = connection.stats();
    println!(
        "{}",
        json!({
            "impl": "ortc",
            "role": name,
            "ice": stats.transport.ice_state,
            "dtls": stats.transport.dtls_state,
            "srtp_in": heard.packets.load(Ordering::Relaxed),
            "srtp_out": stats.outbound_rtp.iter().map(|one| one.packets_sent).sum::<u64>(),
            "channels": echoed,
            "datagram": datagram,
            "dc": *messages.lock().map_err(|_| "poisoned")?,
            "dtmf_in": *heard.digits.lock().map_err(|_| "poisoned")?,
        })
    );
    if until_left {
        let left = tokio::time::timeout(LEAVING, connection.closed()).await?;
        println!("{}", json!({"impl": "ortc", "left": format!("{left:?}")}));
    }
    // The other side may still be counting.
    let _ = tokio::time::timeout(LINGER, hung_up).await;
    connection.close();
    connection.closed().await;
    Ok(())
}

/// The controlling side opens a data channel and speaks first, the controlled side answers; what
/// is heard.
fn converse(
    connection: &RTCConnection,
    mut events: RTCConnectionEvents,
    role: RTCIceRole,
) -> Result<Arc<Mutex<Vec<String>>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = heard.clone();
    let opened = match role {
        RTCIceRole::Controlling => {
            Some(connection.create_data_channel("ortc", RTCDataChannelOptions::default())?)
        }
        RTCIceRole::Controlled => None,
    };
    tokio::spawn(async move {
        let speaks_first = opened.is_some();
        let channel = match opened {
            Some(channel) => channel,
            None => loop {
                match events.next().await {
                    Some(RTCConnectionEvent::DataChannel(channel)) => break channel,
                    Some(_) => {}
                    None => return Ok(()),
                }
            },
        };
        if speaks_first {
            channel.send("hello ortc").await?;
        }
        while let Some(message) = channel.recv().await {
            let text = message.text().unwrap_or_default().to_owned();
            if !speaks_first {
                channel.send(format!("echo:{text}")).await?;
            }
            if let Ok(mut heard) = into.lock() {
                heard.push(text);
            }
        }
        Ok::<_, ortc::Error>(())
    });
    Ok(heard)
}

/// A channel whose one message the peer sends back; every other one the peer closes after that.
async fn echo(connection: RTCConnection, n: usize) -> Result<()> {
    for _ in 0..20 {
        if echo_once(&connection, n).await? {
            return Ok(());
        }
    }
    Err(format!("channel {n}: no echo").into())
}

/// False when the message or its echo was given up, as partly reliable channels may.
async fn echo_once(connection: &RTCConnection, n: usize) -> Result<bool> {
    let options = RTCDataChannelOptions::default();
    let options = match n % 4 {
        0 => options,
        1 => options.ordered(false),
        2 => options.ordered(false).max_retransmits(5),
        _ => options.max_packet_life_time(Duration::from_secs(5)),
    };
    let (label, expected) = if n.is_multiple_of(2) {
        ("echo", DataChannelCloseReason::Closed)
    } else {
        ("echo close", DataChannelCloseReason::RemoteClosed)
    };
    // The largest that is declared, and small ones.
    let size = if n.is_multiple_of(10) { 262_144 } else { n };
    let message = vec![n as u8; size];
    let channel = connection.create_data_channel(label, options)?;
    channel.send(message.clone()).await?;
    let back = if n % 4 < 2 {
        channel.recv().await
    } else {
        let patience = tokio::time::timeout(Duration::from_secs(6), channel.recv());
        match patience.await {
            Ok(Some(back)) => Some(back),
            _ => return Ok(false),
        }
    };
    let back = back.ok_or("closed before the echo")?;
    if back.into_bytes() != message {
        return Err(format!("channel {n} came back changed").into());
    }
    if expected == DataChannelCloseReason::Closed {
        channel.close();
    }
    let reason = channel.closed().await;
    if reason != expected {
        return Err(format!("channel {n}: {reason}").into());
    }
    Ok(true)
}

/// The line on standard input, and later its end. In a thread of its own, which does not hold up
/// the end of the process as a read of the runtime's would.
fn standard_input() -> (
    oneshot::Receiver<std::io::Result<String>>,
    oneshot::Receiver<()>,
) {
    let (line, first) = oneshot::channel();
    let (end, hung_up) = oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = line.send(std::io::stdin().read_line(&mut text).map(|_| text));
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = end.send(());
    });
    (first, hung_up)
}

/// The codecs that the other's line asks for.
fn codecs(audio: &Value) -> Result<Vec<RTCCodec>> {
    let payload_type = |value: &Value| value["payloadType"].as_u64().map(u8::try_from).transpose();
    let mut codecs = vec![RTCCodec::opus(payload_type(audio)?.unwrap_or(OPUS))];
    for digits in audio["dtmf"].as_array().into_iter().flatten() {
        let clock_rate = digits["clockRate"]
            .as_u64()
            .map(u32::try_from)
            .transpose()?;
        let mut codec = RTCCodec::dtmf(payload_type(digits)?.unwrap_or(DIGITS));
        codec.clock_rate = clock_rate;
        codecs.push(codec);
    }
    Ok(codecs)
}

/// What came from the other side.
#[derive(Clone, Default)]
struct Heard {
    packets: Arc<AtomicU64>,
    digits: Arc<Mutex<String>>,
}

/// Counts the peer's audio packets and writes down its digits.
fn receive(connection: &RTCConnection, ssrc: Option<u64>, codecs: Vec<RTCCodec>) -> Result<Heard> {
    let mut description = RTCTrackDescription::new(Kind::Audio, codecs);
    description.ssrc = ssrc.map(u32::try_from).transpose()?;
    let track = connection.receive_track(description)?;
    let heard = Heard::default();
    if let Some(keys) = connection.dtmf_track(&track) {
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Some(event) = keys.next_event().await {
                if let (DTMFEvent::Tone(tone), Ok(mut digits)) = (event, heard.digits.lock()) {
                    digits.push_str(&tone.digits);
                }
            }
        });
    }
    let packets = heard.packets.clone();
    tokio::spawn(async move {
        while track.recv_rtp().await.is_some() {
            packets.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(heard)
}

fn connect(connection: &RTCConnection, peer: &Value) -> Result<()> {
    let ice = &peer["ice"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fingerprint: CertificateFingerprint =
        serde_json::from_value(peer["dtls"]["fingerprints"].clone())?;
    connection.set_remote(
        RTCConnectionSide::new(text(&ice["usernameFragment"]), text(&ice["password"]))
            .with_fingerprint(fingerprint),
    )?;
    for candidate in peer["candidates"].as_array().into_iter().flatten() {
        let candidate = RTCIceCandidateDescription::parse_candidate_line(&text(candidate))?;
        connection.set_remote_candidate(&candidate)?;
    }
    connection.connect()?;
    Ok(())
}

/// Sends a recording in real time, again and again, or silence.
async fn send(track: MediaStreamTrack, length: Duration, silent: bool) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media/audio.ogg");
    let packets = match silent {
        true => vec![SILENCE.to_vec()],
        false => ogg_opus::read(&file)?,
    };
    let count = length.as_millis() / ogg_opus::PACKET_DURATION.as_millis();
    let mut clock = tokio::time::interval(ogg_opus::PACKET_DURATION);
    for packet in packets.iter().cycle().take(usize::try_from(count)?) {
        clock.tick().await;
        track.write_sample(packet.clone(), ogg_opus::PACKET_DURATION)?;
    }
    Ok(())
}
