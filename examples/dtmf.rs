//! An automatic telephone service: a caller keys in a number and a choice, the service reacts to
//! the digits and answers with digits of its own. Both are in this process, over loopback.
//!
//! Run with `cargo run --example dtmf`; the last line is `OK`.

#[path = "support/log.rs"]
mod log;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack, DTMFTone};
use ortc::{
    MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent, RTCConnectionEvents,
    RTCConnectionOptions, RTCTrackDescription,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ACCOUNT: &str = "4711";
/// One opus frame of silence.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const FRAME: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<()> {
    log::install();
    tokio::time::timeout(Duration::from_secs(60), call()).await??;
    println!("OK");
    Ok(())
}

async fn call() -> Result<()> {
    let (caller, caller_events) = RTCConnection::new(loopback())?;
    let (service, service_events) = RTCConnection::new(loopback())?;
    tokio::spawn(signal(caller_events, service.clone()));
    tokio::spawn(signal(service_events, caller.clone()));
    caller.set_remote(service.local())?;
    service.set_remote(caller.local())?;

    let keys = telephone(&caller)?;
    let answers = telephone(&service)?;
    let heard_by_service = listen(&service, &caller)?;
    let heard_by_caller = listen(&caller, &service)?;
    caller.connect()?;
    service.connect()?;
    caller.connected().await?;
    service.connected().await?;

    let service_task = tokio::spawn(serve(heard_by_service, answers));

    // A wrong number first.
    keys.play("0815#")?;
    assert_eq!(next_digit(&heard_by_caller).await, Some('0'));
    // The right one, slowly.
    keys.play(DTMFTone::new("4711#").with_duration(Duration::from_millis(150)))?;
    assert_eq!(next_digit(&heard_by_caller).await, Some('1'));
    // A choice: what is on the account?
    keys.play("2")?;
    for wanted in "25*50".chars() {
        assert_eq!(next_digit(&heard_by_caller).await, Some(wanted));
    }
    // Holding the star ends the call.
    keys.tonestart('*')?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    keys.tonestop()?;

    let log = service_task.await??;
    assert_eq!(log, ["wrong number 0815", "welcome", "balance", "goodbye"]);
    caller.close();
    service.close();
    Ok(())
}

/// What the service does with what it hears.
async fn serve(
    heard: DTMFMediaStreamTrack,
    answers: DTMFMediaStreamTrack,
) -> std::result::Result<Vec<String>, ortc::Error> {
    let mut log = Vec::new();
    let mut number = String::new();
    let mut is_customer = false;
    while let Some(event) = heard.next_event().await {
        let DTMFEvent::Tone(tone) = event else {
            continue;
        };
        println!("service heard {} for {:?}", tone.digits, tone.duration);
        match tone.digits.as_str() {
            "*" if tone.duration >= Duration::from_secs(1) => {
                log.push("goodbye".to_owned());
                break;
            }
            "#" => {
                is_customer = number == ACCOUNT;
                if is_customer {
                    log.push("welcome".to_owned());
                    answers.play("1")?;
                } else {
                    log.push(format!("wrong number {number}"));
                    answers.play("0")?;
                }
                number.clear();
            }
            "2" if is_customer => {
                log.push("balance".to_owned());
                answers.play("25*50")?;
            }
            digit => number.push_str(digit),
        }
    }
    Ok(log)
}

async fn next_digit(heard: &DTMFMediaStreamTrack) -> Option<char> {
    loop {
        if let DTMFEvent::ToneStart { digit } = heard.next_event().await? {
            println!("caller heard {digit}");
            return Some(digit);
        }
    }
}

/// Sends a stream with audio and digits.
fn telephone(connection: &RTCConnection) -> Result<DTMFMediaStreamTrack> {
    let stream = MediaStream::new();
    let (audio, digits) = (MediaStreamTrack::audio(), DTMFMediaStreamTrack::new());
    stream.add_track(&audio);
    stream.add_track(&digits);
    connection.add_stream(&stream)?;
    tokio::spawn(async move {
        let mut frames = tokio::time::interval(FRAME);
        loop {
            frames.tick().await;
            if audio.write_sample(SILENCE.to_vec(), FRAME).is_err() {
                return;
            }
        }
    });
    Ok(digits)
}

/// Receives what the peer sends; its descriptions travel as JSON.
fn listen(connection: &RTCConnection, peer: &RTCConnection) -> Result<DTMFMediaStreamTrack> {
    for track in peer.tracks() {
        let json = serde_json::to_string(&track.description()?)?;
        let description: RTCTrackDescription = serde_json::from_str(&json)?;
        connection.receive_track(description)?;
    }
    connection
        .receiving_streams()
        .iter()
        .find_map(|stream| stream.dtmf_tracks().pop())
        .ok_or_else(|| "the peer sends no digits".into())
}

fn loopback() -> RTCConnectionOptions {
    RTCConnectionOptions::default().bind(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Signalling: candidates go to the peer as they are found.
async fn signal(mut events: RTCConnectionEvents, peer: RTCConnection) {
    while let Some(event) = events.next().await {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            // The peer may be closed by now; then its candidates are of no use.
            let _ = peer.set_remote_candidate(&candidate);
        }
    }
}
