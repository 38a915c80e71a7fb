//! Guests call whoever is on duty. One is served, another hears that the line is busy, and is
//! called back.
//!
//! ```text
//! cargo run -p ortc-rooms --example helpdesk
//! ```

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{CallRequest, Chat, Event, Events, Session, SessionOptions};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{CallStatus, Role, SessionKind, UserId};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    run().await
}

/// A morning at the help desk.
pub(crate) async fn run() -> Result<()> {
    let desk = Desk::default();
    let (admin, mut at_desk) = session(&desk, "duty", Role::Admin).await?;
    let (first, mut first_hears) = session(&desk, "mrs-jones", Role::Guest).await?;
    let (second, mut second_hears) = session(&desk, "mr-smith", Role::Guest).await?;
    let duty = UserId::new("duty")?;
    let words = SessionKind::audio_video().and_data();

    let mut call = first.call(&duty, words)?;
    let request = rings(&mut at_desk).await?;
    println!(
        "{} calls, and tells {}",
        request.from.userid, request.from.extra
    );
    let room = admin.accept(&request).await?;
    println!("the call is {:?}", call.answered().await?);
    let own = call.enter().await?;

    // Whoever else calls hears that there is a call already.
    let mut waits = second.call(&duty, words)?;
    let status = waits.answered().await?;
    println!("{} hears {status:?}", second.userid());

    own.act(&Chat {
        text: "My screen is blue.".to_owned(),
    })?;
    println!("{}", chat(&mut at_desk).await?);
    room.act(&Chat {
        text: "Turn it off and on.".to_owned(),
    })?;
    println!("{}", chat(&mut first_hears).await?);
    call.cancel();
    own.leave().await?;
    room.leave().await?;

    if status == CallStatus::Busy {
        let mut back = admin.call(&second.userid(), words)?;
        let request = rings(&mut second_hears).await?;
        let (room, status) = tokio::join!(second.accept(&request), back.answered());
        println!("{} is called back: {:?}", second.userid(), status?);
        back.enter().await?;
        println!("they meet in a room of {} users", room?.users().len());
    }
    Ok(())
}

async fn session(desk: &Desk, name: &str, role: Role) -> Result<(Session, Events)> {
    let options = SessionOptions::new()
        .with_userid(name)?
        .with_role(role)
        .with_extra(json!({ "name": name }));
    let signaller = Memory::connect(desk, options.hello()).await?;
    Ok(Session::with(signaller, options).await?)
}

async fn rings(events: &mut Events) -> Result<CallRequest> {
    while let Some(event) = events.next().await {
        if let Event::CallRequest(request) = event {
            return Ok(request);
        }
    }
    Err("the session has ended".into())
}

async fn chat(events: &mut Events) -> Result<String> {
    while let Some(event) = events.next().await {
        if let Event::Action(action) = event
            && let Some(chat) = action.read::<Chat>()?
        {
            return Ok(format!("{}: {}", action.from.userid, chat.text));
        }
    }
    Err("the session has ended".into())
}
