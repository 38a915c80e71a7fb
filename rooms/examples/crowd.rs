//! A crowd in one room: so many who send a clock and a microphone, and take nothing, or, with
//! `watch`, all.
//!
//! ```text
//! ortc serve --hub
//! cargo run -p ortc-rooms --example crowd -- ws://127.0.0.1:8080/ws hall 12
//! ```
//!
//! Lines of standard input say who speaks: `speak N` and `hush N`, by number from 0. The sound is
//! silence in any case; how loud it is only its packets say, which is what a hub goes by. `gaps`
//! prints how long nothing came at most, of sound and of pictures, to those who watch since they
//! were last asked.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ortc::{AudioLevel, MediaStream, MediaStreamTrack};
use ortc_rooms::session::{Event, Session, SessionOptions};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

#[path = "support/clock.rs"]
mod clock;
#[path = "support/gaps.rs"]
mod gaps;

use gaps::Gaps;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// In -dBov (RFC 6464).
const LOUD: u8 = 25;
const SILENCE: u8 = 127;
/// An opus packet of silence, 20 ms (RFC 6716 section 3.1).
const PACKET: [u8; 3] = [0xf8, 0xff, 0xfe];
const FRAME: Duration = Duration::from_millis(20);

/// One of them.
struct Member {
    session: Session,
    level: Arc<AtomicU8>,
}

// One thread: a beat that is late tells of all that this program does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(room), Some(count)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("crowd URL ROOM COUNT [watch] [PICTURES A SECOND]".into());
    };
    let rest: Vec<String> = arguments.collect();
    let gaps = rest.iter().any(|word| word == "watch").then(Gaps::begin);
    let pictures = rest.iter().find_map(|word| word.parse().ok()).unwrap_or(25);
    let mut members = Vec::new();
    for number in 0..count.parse::<u16>()? {
        members.push(enter(&url, &room, number, pictures, gaps.clone()).await?);
    }
    println!("ready");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(gaps) = gaps.as_ref().filter(|_| line == "gaps") {
            println!("gaps {}", gaps.take());
            continue;
        }
        let level = match line.split_once(' ') {
            Some(("speak", number)) => Some((number, LOUD)),
            Some(("hush", number)) => Some((number, SILENCE)),
            _ => None,
        };
        let member = level.and_then(|(number, _)| members.get(number.parse::<usize>().ok()?));
        match member.zip(level) {
            Some((member, (_, level))) => member.level.store(level, Ordering::Relaxed),
            None => println!("not understood: {line}"),
        }
    }
    for member in &members {
        member.session.leave().await?;
    }
    Ok(())
}

async fn enter(
    url: &str,
    room: &str,
    number: u16,
    pictures: u32,
    gaps: Option<Gaps>,
) -> Result<Member> {
    let mut options = SessionOptions::new();
    options.extra = json!({ "name": format!("Rust {number}") });
    options.include_loopback = true;
    (options.incoming.audio, options.incoming.video) = (gaps.is_some(), gaps.is_some());
    let (session, mut events) = Session::connect(url, options).await?;
    let stream = clock::stream(pictures);
    let level = Arc::new(AtomicU8::new(SILENCE));
    let task = sound(stream.clone(), level.clone());
    session.add_stream(&stream)?;
    session.open_or_join(room).await?;
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let Some(gaps) = &gaps else {
                continue;
            };
            match event {
                Event::Track { userid, track, .. } => {
                    gaps.watch(number, userid.to_string(), track);
                }
                Event::Left { user, .. } => gaps.forget(user.userid.as_str()),
                _ => {}
            }
        }
        task.abort();
    });
    Ok(Member { session, level })
}

/// A microphone.
fn sound(stream: MediaStream, level: Arc<AtomicU8>) -> tokio::task::JoinHandle<()> {
    let track = stream.add_track(&MediaStreamTrack::audio());
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(FRAME);
        loop {
            clock.tick().await;
            let level = AudioLevel {
                voice: false,
                level: level.load(Ordering::Relaxed),
            };
            if track.write_audio(PACKET.to_vec(), FRAME, level).is_err() {
                return;
            }
        }
    })
}
