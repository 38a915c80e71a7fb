//! A service that answers calls: a menu by digits, prompts, digits back. Its words are tones, one
//! for each sentence, in G.711.
//!
//! ```text
//! cargo run -p ortc-rooms --example ivr
//! ```

#[path = "support/phone.rs"]
mod phone;

use std::time::Duration;

use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack, DTMFTone};
use ortc::{Kind, MediaStreamTrack};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Origin, Session, SessionOptions};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{SessionKind, UserId};
use phone::Phone;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// "Welcome. 1: when we are open. 2: your account. 9: goodbye."
const WELCOME: f64 = 400.0;
/// "We are open from nine to five. Welcome …"
const OPEN: f64 = 650.0;
/// "Key in your number, then the hash."
const NUMBER: f64 = 900.0;
/// "There is no such number. Try again."
const WRONG: f64 = 1_150.0;
/// "Your balance comes as digits."
const BALANCE: f64 = 1_400.0;
/// "Goodbye."
const GOODBYE: f64 = 1_650.0;
const PROMPTS: [f64; 6] = [WELCOME, OPEN, NUMBER, WRONG, BALANCE, GOODBYE];

#[tokio::main]
async fn main() -> Result<()> {
    run().await
}

/// One call, from the first ring to the last word.
pub(crate) async fn run() -> Result<()> {
    let desk = Desk::default();
    let service = tokio::spawn(answer(session(&desk, "ivr").await?));
    let (caller, mut hears) = session(&desk, "caller").await?;
    let mut call = caller.call(&UserId::new("ivr")?, SessionKind::audio_video().and_data())?;
    println!("the service says {:?}", call.answered().await?);
    let room = call.enter().await?;
    let phone = Phone::new();
    room.add_stream_with(&phone.stream, Phone::options())?;
    let (voice, digits) = other(&mut hears).await?;

    hear(&voice, WELCOME).await?;
    phone.keys.play("1")?;
    hear(&voice, OPEN).await?;
    phone.keys.play("2")?;
    hear(&voice, NUMBER).await?;
    phone.keys.play("0815#")?;
    hear(&voice, WRONG).await?;
    // In no hurry.
    phone
        .keys
        .play(DTMFTone::new("4711#").with_duration(Duration::from_millis(200)))?;
    hear(&voice, BALANCE).await?;
    let mut balance = String::new();
    while balance.len() < 5 {
        balance.push_str(&digit(&digits).await?);
    }
    println!("the balance is {balance}");
    phone.keys.play("9")?;
    hear(&voice, GOODBYE).await?;
    let log = service.await??;
    println!("the service did {log:?}");
    let wanted = ["open", "wrong number 0815", "balance of 4711", "goodbye"];
    match balance == "25*50" && log == wanted {
        true => Ok(()),
        false => Err(format!("{balance}, {log:?}").into()),
    }
}

/// Answers the first call, and serves it until it has said goodbye.
async fn answer((session, mut events): (Session, Events)) -> Result<Vec<String>> {
    let room = loop {
        match events.next().await.ok_or("the session has ended")? {
            Event::CallRequest(request) => break session.accept(&request).await?,
            _ => continue,
        }
    };
    let phone = Phone::new();
    room.add_stream_with(&phone.stream, Phone::options())?;
    phone.say(WELCOME);
    let (_, keys) = other(&mut events).await?;
    let (mut log, mut number) = (Vec::new(), None::<String>);
    loop {
        let key = digit(&keys).await?;
        match (key.as_str(), &mut number) {
            ("1", None) => {
                log.push("open".to_owned());
                phone.say(OPEN);
            }
            ("2", None) => {
                number = Some(String::new());
                phone.say(NUMBER);
            }
            ("9", None) => {
                log.push("goodbye".to_owned());
                phone.say(GOODBYE);
                tokio::time::sleep(Duration::from_secs(1)).await;
                room.leave().await?;
                return Ok(log);
            }
            ("#", Some(keyed)) if keyed == "4711" => {
                log.push(format!("balance of {keyed}"));
                number = None;
                phone.say(BALANCE);
                phone.keys.play("25*50")?;
            }
            ("#", Some(keyed)) => {
                log.push(format!("wrong number {keyed}"));
                keyed.clear();
                phone.say(WRONG);
            }
            (key, Some(keyed)) if keyed.len() < 20 => keyed.push_str(key),
            _ => {}
        }
    }
}

async fn session(desk: &Desk, name: &str) -> Result<(Session, Events)> {
    let options = SessionOptions::new().with_userid(name)?;
    let signaller = Memory::connect(desk, options.hello()).await?;
    Ok(Session::with(signaller, options).await?)
}

/// Voice and keys of who is at the other end.
async fn other(events: &mut Events) -> Result<(MediaStreamTrack, DTMFMediaStreamTrack)> {
    loop {
        match events.next().await.ok_or("the session has ended")? {
            Event::Stream(event) if event.origin == Origin::Remote => {
                let mut tracks = event.stream.tracks().into_iter();
                let voice = tracks.find(|track| track.kind() == Kind::Audio);
                let keys = event.stream.dtmf_tracks().pop();
                return voice.zip(keys).ok_or_else(|| "that is no telephone".into());
            }
            _ => {}
        }
    }
}

/// Until the tone is heard for a tenth of a second.
async fn hear(voice: &MediaStreamTrack, wanted: f64) -> Result<()> {
    let mut frames = 0;
    while frames < 5 {
        let frame = voice.recv_sample().await.ok_or("the line is dead")?;
        // That of G.711, mu-law (RFC 3551 section 6).
        if frame.payload_type != 0 {
            return Err(format!("payload type {}", frame.payload_type).into());
        }
        let is_it = phone::which(&frame.data, &PROMPTS) == Some(wanted);
        frames = if is_it { frames + 1 } else { 0 };
    }
    println!("heard {wanted} Hz");
    Ok(())
}

/// The next key that was pressed, once it is up.
async fn digit(keys: &DTMFMediaStreamTrack) -> Result<String> {
    loop {
        let event = keys.next_event().await.ok_or("the line is dead")?;
        if let DTMFEvent::Tone(tone) = event {
            return Ok(tone.digits);
        }
    }
}
