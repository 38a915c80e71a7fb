//! Two sessions in one process, without a server: they find each other at a desk in memory, and
//! are connected by UDP as any two are.
//!
//! ```text
//! cargo run -p ortc-rooms --example one_page
//! ```

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Session, SessionOptions};
use ortc_rooms::signalling::memory::Memory;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    run().await
}

/// He who came says something, you answer.
pub(crate) async fn run() -> Result<()> {
    let desk = Desk::default();
    let (you, mut your_events) = session(&desk, "you").await?;
    let (he, mut his_events) = session(&desk, "he").await?;

    you.open("page").await?;
    he.join("page").await?;
    he.send("Do you hear me?")?;

    println!("you hear: {}", heard(&mut your_events).await?);
    you.send("Yes, from the same page.")?;
    println!("he hears: {}", heard(&mut his_events).await?);
    Ok(())
}

async fn session(desk: &Desk, name: &str) -> Result<(Session, Events)> {
    let options = SessionOptions::new().with_userid(name)?;
    let signaller = Memory::connect(desk, options.hello()).await?;
    Ok(Session::with(signaller, options).await?)
}

async fn heard(events: &mut Events) -> Result<String> {
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event
            && let Some(text) = message.data.text()
        {
            return Ok(format!("{text:?} of {}", message.from.userid));
        }
    }
    Err("the session has ended".into())
}
