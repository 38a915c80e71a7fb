//! Six in a room, each with a picture for all others. The owner leaves and the room goes on; one
//! comes late and sees everybody.
//!
//! ```text
//! cargo run -p ortc-rooms --example group_room
//! ```

use std::collections::BTreeSet;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Session, SessionOptions};
use ortc_rooms::signalling::UserId;
use ortc_rooms::signalling::memory::Memory;

#[path = "support/clock.rs"]
mod clock;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const NAMES: [&str; 6] = ["anna", "ben", "cleo", "dan", "eva", "finn"];

#[tokio::main]
async fn main() -> Result<()> {
    run().await
}

/// The whole evening.
pub(crate) async fn run() -> Result<()> {
    let desk = Desk::default();
    let mut members = Vec::new();
    for name in NAMES {
        let (session, events) = enter(&desk, name).await?;
        members.push((session, events));
    }
    for (session, events) in &mut members {
        let seen = see(events, NAMES.len() - 1).await?;
        println!("{} sees {}", session.userid(), list(&seen));
    }

    // The first to come owns the room. Nobody is disconnected when she goes.
    let (owner, _) = members.remove(0);
    owner.leave().await?;
    for (session, events) in &mut members {
        let heir = next_owner(events).await?;
        println!("{} knows that the room is now {heir}'s", session.userid());
    }

    let (late, mut events) = enter(&desk, "gina").await?;
    let seen = see(&mut events, members.len()).await?;
    println!("{} comes late and sees {}", late.userid(), list(&seen));
    Ok(())
}

/// Somebody comes, with a picture.
async fn enter(desk: &Desk, name: &str) -> Result<(Session, Events)> {
    let options = SessionOptions::new().with_userid(name)?;
    let signaller = Memory::connect(desk, options.hello()).await?;
    let (session, events) = Session::with(signaller, options).await?;
    session.add_stream(&clock::stream(25))?;
    session.open_or_join("evening").await?;
    Ok((session, events))
}

/// Waits until whole pictures of so many came.
async fn see(events: &mut Events, count: usize) -> Result<BTreeSet<UserId>> {
    let (pictures, mut came) = tokio::sync::mpsc::unbounded_channel();
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        tokio::select! {
            event = events.next() => {
                if let Event::Track { userid, track, .. } = event.ok_or("the end")? {
                    let pictures = pictures.clone();
                    tokio::spawn(async move {
                        while let Some(sample) = track.recv_sample().await {
                            if sample.keyframe == Some(true) {
                                let _ = pictures.send(userid);
                                return;
                            }
                        }
                    });
                }
            }
            Some(userid) = came.recv() => {
                seen.insert(userid);
            }
        }
    }
    Ok(seen)
}

async fn next_owner(events: &mut Events) -> Result<UserId> {
    while let Some(event) = events.next().await {
        if let Event::Owner { userid, .. } = event {
            return Ok(userid);
        }
    }
    Err("the session has ended".into())
}

fn list(users: &BTreeSet<UserId>) -> String {
    let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
    names.join(", ")
}
