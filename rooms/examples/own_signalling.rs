//! A transport of one's own: a WebSocket server that knows nothing of rooms and repeats what it
//! hears to all others. The transport is `Relay`, the rest is a chat to show it.
//!
//! ```text
//! cargo run -p ortc-rooms --example own_signalling
//! ```

use std::net::SocketAddr;

use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use ortc_rooms::session::{Event, Events, Session, SessionOptions};
use ortc_rooms::signalling::broadcast::{Broadcast, BroadcastOptions};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    run().await
}

/// The transport: lines out, lines in.
trait Relay: Stream<Item = String> + Sink<String> + Send + Unpin {}
impl<T: Stream<Item = String> + Sink<String> + Send + Unpin> Relay for T {}

async fn relay(server: SocketAddr) -> Result<impl Relay> {
    let (socket, _) = connect_async(format!("ws://{server}/")).await?;
    let lines = socket
        .filter_map(|message| future::ready(message.and_then(Message::into_text).ok()))
        .map(|text| text.as_str().to_owned());
    Ok(lines.with(|line: String| {
        future::ok::<_, tokio_tungstenite::tungstenite::Error>(Message::text(line))
    }))
}

/// The server: whatever comes from one goes to all.
async fn serve(listener: TcpListener) {
    let (all, _) = broadcast::channel::<Message>(256);
    while let Ok((stream, _)) = listener.accept().await {
        let (say, mut hear) = (all.clone(), all.subscribe());
        tokio::spawn(async move {
            let mut socket = accept_async(stream).await?;
            loop {
                tokio::select! {
                    said = socket.next() => match said {
                        Some(message) => drop(say.send(message?)),
                        None => return Ok::<_, tokio_tungstenite::tungstenite::Error>(()),
                    },
                    Ok(heard) = hear.recv() => socket.send(heard).await?,
                }
            }
        });
    }
}

/// Two users, a room, a word.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    tokio::spawn(serve(listener));
    let (ann, mut ann_hears) = session(server, "ann").await?;
    let (bob, _bob_hears) = session(server, "bob").await?;
    ann.open("demo").await?;
    bob.join("demo").await?;
    bob.send("No server knows of this room.")?;
    while let Some(event) = ann_hears.next().await {
        if let Event::Message(message) = event {
            println!("{}: {:?}", message.from.userid, message.data.text());
            return Ok(());
        }
    }
    Err("the session has ended".into())
}

async fn session(server: SocketAddr, name: &str) -> Result<(Session, Events)> {
    let options = SessionOptions::new().with_userid(name)?;
    let lines = relay(server).await?;
    let signaller = Broadcast::new(lines, options.hello(), BroadcastOptions::default())?;
    Ok(Session::with(signaller, options).await?)
}
