//! One connection to the server, many rooms: four of a channel at once, among them a conference
//! where all talk to all and a show where one is heard. Each message goes to its room alone.
//!
//! ```text
//! cargo run -p ortc-rooms --example multi_session
//! ```

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{Direction, SessionKind};

#[path = "support/clock.rs"]
mod clock;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    run().await
}

/// A host in four rooms, a guest who finds them.
pub(crate) async fn run() -> Result<()> {
    let desk = Desk::default();
    let (host, _host_events) = session(&desk, "host").await?;
    let (guest, mut events) = session(&desk, "guest").await?;

    let talk = SessionKind::audio_video().and_data();
    let show = talk.with_direction(Direction::OneWay);
    let rooms = [
        ("fair/conference", talk),
        ("fair/show", show),
        ("fair/questions", SessionKind::data()),
        ("fair/staff", talk),
    ];
    for (name, kind) in rooms {
        let room = host.open(RoomRequest::from(name).session(kind)).await?;
        room.send(format!("Welcome to {name}."))
            .or_else(nobody_yet)?;
    }
    // What is added to one room goes to that room.
    let stage = host.room(&"fair/show".parse()?)?;
    stage.add_stream(&clock::stream(25))?;

    let mut lobby = guest.watch_rooms(Some("fair".to_owned()));
    while lobby.rooms().len() < rooms.len() {
        lobby.next().await.ok_or("no lobby")?;
    }
    for info in lobby.rooms() {
        let room = guest.join(&info).await?;
        println!("the guest is in {}, of {}", room.name(), info.userid);
    }
    let questions = guest.room(&"fair/questions".parse()?)?;
    questions.send("When does it begin?")?;

    let shown = picture(&mut events).await?;
    println!("the guest sees a picture in {shown}");
    guest.leave().await?;
    println!("the guest is in {} rooms", guest.rooms().len());
    Ok(())
}

async fn session(desk: &Desk, name: &str) -> Result<(Session, Events)> {
    let options = SessionOptions::new().with_userid(name)?;
    let signaller = Memory::connect(desk, options.hello()).await?;
    Ok(Session::with(signaller, options).await?)
}

/// Nobody hears it, and that is no error.
fn nobody_yet(error: ortc_rooms::session::Error) -> Result<()> {
    println!("not said: {error}");
    Ok(())
}

/// In which room the first whole picture comes.
async fn picture(events: &mut Events) -> Result<String> {
    while let Some(event) = events.next().await {
        if let Event::Track { room, track, .. } = event
            && track.recv_sample().await.is_some()
        {
            return Ok(room.to_string());
        }
    }
    Err("the session has ended".into())
}
