//! `/ws`: a client by WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{FutureExt, SinkExt, StreamExt};
use ortc_rooms::desk::{CLOSE_MALFORMED, CLOSE_POLICY, CLOSE_REFUSED, Out, Outgoing, Seat};
use ortc_rooms::room::Refusal;
use ortc_rooms::signalling::{
    BadMessage, ClientMessage, Envelope, ErrorCode, Hello, ServerMessage,
};
use tokio::time::timeout;

use crate::accept::Caller;
use crate::admit::admit;
use crate::frames::{End, Frames, HELLO, STALL, closing, small, turned_away};
use crate::site::Site;

/// Messages that are written at once.
const BATCH: usize = 64;
/// Try again later (in the registry of RFC 6455 section 11.7).
const CLOSE_LATER: u16 = 1013;
/// What a client that is gone has said is there, or on its way for no longer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Lets a client in, by WebSocket.
pub(crate) async fn upgrade(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match turned_away(&site, caller, &headers) {
        Some(response) => response,
        None => small(upgrade).on_upgrade(move |socket| run(socket, site, caller)),
    }
}

async fn run(socket: WebSocket, site: Arc<Site>, caller: Caller) {
    let _counted = site.metrics.client();
    let mut frames = Frames::new(socket, &site);
    let end = match timeout(HELLO, hello(&mut frames)).await {
        Err(_) => closing(CLOSE_POLICY, "no hello within 5 s"),
        Ok(Err(end)) => end,
        Ok(Ok(hello)) => serve(&mut frames, &site, hello, caller).await,
    };
    frames.end(end).await;
}

async fn hello(frames: &mut Frames<'_>) -> Result<Hello, End> {
    let text = frames.text().await?;
    first(text.as_str()).map_err(|(code, words)| closing(code, words))
}

/// The hello that the first text is; or the close code for one that is none.
pub(crate) fn first(text: &str) -> Result<Hello, (u16, String)> {
    let read = Envelope::<ClientMessage>::from_json(text);
    match read
        .map_err(|error| (CLOSE_MALFORMED, error.to_string()))?
        .message
    {
        Some(ClientMessage::Hello(hello)) => Ok(hello),
        _ => Err((CLOSE_POLICY, "the first message is hello".to_owned())),
    }
}

/// From the hello to the end.
async fn serve(frames: &mut Frames<'_>, site: &Site, hello: Hello, caller: Caller) -> End {
    let arrived = match admit(site, &hello, caller.address) {
        Ok(admission) => site.desk.arrive(hello, admission).await,
        Err(refusal) => Err(refusal),
    };
    match arrived {
        Ok((seat, outgoing)) => match talk(frames, site, seat, outgoing).await {
            Ok(()) => End::Lost,
            Err(end) => end,
        },
        Err(refusal) => {
            site.refused("hello");
            let code = match refusal.code {
                ErrorCode::Unavailable => CLOSE_LATER,
                _ => CLOSE_REFUSED,
            };
            let words = refusal.message.clone();
            if let Ok(text) = told(refusal) {
                let _ = frames.tell(text).await;
            }
            closing(code, words)
        }
    }
}

/// A refusal as a client is told of it.
pub(crate) fn told(refusal: Refusal) -> Result<String, BadMessage> {
    let mut envelope = Envelope::seen(0);
    envelope.seen = None;
    envelope.message = Some(ServerMessage::Error {
        code: refusal.code,
        message: refusal.message,
        about: None,
        room: None,
    });
    envelope.to_json()
}

async fn talk(
    frames: &mut Frames<'_>,
    site: &Site,
    mut seat: Seat,
    mut outgoing: Outgoing,
) -> Result<(), End> {
    loop {
        tokio::select! {
            text = frames.text() => take(site, &mut seat, &text?).await?,
            out = outgoing.next() => {
                let batch = batch(&mut frames.socket, &mut outgoing, out);
                match timeout(STALL, batch).await {
                    Ok(Err(End::Lost)) => return Err(last_words(frames, site, &mut seat).await),
                    Ok(told) => told?,
                    Err(_) => return Err(closing(CLOSE_POLICY, "the client is too slow")),
                }
            }
        }
    }
}

async fn take(site: &Site, seat: &mut Seat, text: &str) -> Result<(), End> {
    if let Err(words) = site.hooks.on_message(seat.userid(), text) {
        return Err(closing(CLOSE_POLICY, words));
    }
    seat.said(text).await.map_err(End::Closed)
}

/// A client that takes nothing any more may have said before that it leaves.
async fn last_words(frames: &mut Frames<'_>, site: &Site, seat: &mut Seat) -> End {
    let heard = async {
        loop {
            let text = match frames.text().await {
                Ok(text) => text,
                Err(end) => return end,
            };
            if let Err(end) = take(site, seat, &text).await {
                return end;
            }
        }
    };
    timeout(LAST_WORDS, heard).await.unwrap_or(End::Lost)
}

/// Sends a message and those that wait behind it, in as few writes as it takes.
async fn batch(
    socket: &mut WebSocket,
    outgoing: &mut Outgoing,
    first: Option<Out>,
) -> Result<(), End> {
    let mut next = first;
    for left in (0..BATCH).rev() {
        match next {
            Some(Out::Text(text)) => {
                let fed = socket.feed(Message::text(text)).await;
                fed.map_err(|_| End::Lost)?;
            }
            Some(Out::Close(closing)) => return Err(End::Closed(closing)),
            // Of a later kind, which nobody sends.
            Some(_) => {}
            None => return Err(End::Lost),
        }
        // What is taken has to be sent.
        next = match (left > 0).then(|| outgoing.next().now_or_never()).flatten() {
            Some(more) => more,
            None => break,
        };
    }
    socket.flush().await.map_err(|_| End::Lost)
}
