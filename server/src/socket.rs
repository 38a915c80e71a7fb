//! `/ws`: a client by WebSocket.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, SinkExt, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use ortc_rooms::desk::{
    CLOSE_MALFORMED, CLOSE_POLICY, CLOSE_REFUSED, CLOSE_TOO_BIG, Closing, Out, Outgoing, Seat,
};
use ortc_rooms::room::Refusal;
use ortc_rooms::signalling::{
    BadMessage, ClientMessage, Envelope, ErrorCode, Hello, MAX_MESSAGE, ServerMessage,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite;
use tracing::debug;

use crate::accept::Caller;
use crate::admit::admit;
use crate::origin;
use crate::site::Site;

/// Who has not said hello by then is not let in.
const HELLO: Duration = Duration::from_secs(5);
/// After so long without a word a client is asked whether it is there.
const PING: Duration = Duration::from_secs(4);
/// So many questions without an answer, and it is not.
const UNANSWERED: u32 = 2;
/// For so long a client may take no byte.
const STALL: Duration = Duration::from_secs(8);
/// Bytes that are read at once: what each idle client costs.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes that are written at once.
const WRITE_BUFFER: usize = 16 * 1024;
/// The rate of messages is held over so many seconds.
const BURST_SECONDS: u32 = 5;
/// Messages that are written at once.
const BATCH: usize = 64;
/// Try again later (RFC 6455's registry).
const CLOSE_LATER: u16 = 1013;
/// What is not text.
const CLOSE_UNSUPPORTED: u16 = 1003;
/// What is no WebSocket.
const CLOSE_PROTOCOL: u16 = 1002;

/// Lets a client in, by WebSocket.
pub(crate) async fn upgrade(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match turned_away(&site, caller, &headers) {
        Some(response) => response,
        None => small(upgrade).on_upgrade(move |socket| run(socket, site)),
    }
}

/// The answer to a client that may not come, before it says who it is.
pub(crate) fn turned_away(site: &Site, caller: Caller, headers: &HeaderMap) -> Option<Response> {
    if let Err(error) = origin::check(&site.config, headers, caller.tls) {
        site.refused("origin");
        return Some((StatusCode::FORBIDDEN, format!("{error}\n")).into_response());
    }
    if !site.counts.may_connect(caller.address) {
        site.refused("rate");
        let words = "too many connections from your address; try again in a second\n";
        let headers = [(header::RETRY_AFTER, "1")];
        return Some((StatusCode::TOO_MANY_REQUESTS, headers, words).into_response());
    }
    None
}

/// Buffers and messages of bounded size.
pub(crate) fn small(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
}

/// How fast one client may speak.
pub(crate) fn pace(site: &Site) -> DefaultDirectRateLimiter {
    let rate = NonZeroU32::new(site.config.messages_per_second).unwrap_or(NonZeroU32::MIN);
    let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
    RateLimiter::direct(Quota::per_second(rate).allow_burst(burst))
}

/// Why a connection ends.
enum End {
    /// The client ended it, or it is lost.
    Lost,
    /// The server ends it.
    Closed(Closing),
}

fn closing(code: u16, reason: impl Into<String>) -> End {
    let reason = reason.into();
    End::Closed(Closing { code, reason })
}

async fn run(mut socket: WebSocket, site: Arc<Site>) {
    site.metrics.clients.inc();
    let end = match timeout(HELLO, hello(&mut socket)).await {
        Err(_) => closing(CLOSE_POLICY, "no hello within 5 s"),
        Ok(Err(end)) => end,
        Ok(Ok(hello)) => serve(&mut socket, &site, hello).await,
    };
    if let End::Closed(Closing { code, reason }) = end {
        debug!(code, reason, "a client's connection is ended");
        let label = code.to_string();
        site.metrics.closed.with_label_values(&[&label]).inc();
        let frame = CloseFrame {
            code,
            reason: short(&reason).into(),
        };
        let _ = timeout(STALL, socket.send(Message::Close(Some(frame)))).await;
    }
    site.metrics.clients.dec();
}

/// A close frame has room for 123 bytes: RFC 6455 section 5.5.
fn short(reason: &str) -> &str {
    let ends = (0..=reason.len().min(123)).rev();
    let end = ends.into_iter().find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A frame's text; pings and pongs have none.
fn text(frame: Option<Result<Message, axum::Error>>) -> Result<Option<Utf8Bytes>, End> {
    match frame {
        None | Some(Ok(Message::Close(_))) => Err(End::Lost),
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => Err(closing(CLOSE_UNSUPPORTED, "messages are text")),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Err(error)) => Err(broken(error)),
    }
}

/// Which close code an error of reading has.
fn broken(error: axum::Error) -> End {
    use tungstenite::Error;
    let error = error.into_inner().downcast::<Error>().map(|error| *error);
    match error {
        Ok(Error::Capacity(_)) => {
            let words = format!("a message has at most {MAX_MESSAGE} bytes");
            closing(CLOSE_TOO_BIG, words)
        }
        Ok(Error::Utf8(_)) => closing(CLOSE_MALFORMED, "text is UTF-8"),
        Ok(Error::Protocol(error)) => match error {
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => End::Lost,
            error => closing(CLOSE_PROTOCOL, error.to_string()),
        },
        _ => End::Lost,
    }
}

async fn hello(socket: &mut WebSocket) -> Result<Hello, End> {
    loop {
        let Some(text) = text(socket.recv().await)? else {
            continue;
        };
        let read = Envelope::<ClientMessage>::from_json(text.as_str());
        let read = read.map_err(|error| closing(CLOSE_MALFORMED, error.to_string()))?;
        return match read.message {
            Some(ClientMessage::Hello(hello)) => Ok(hello),
            _ => Err(closing(CLOSE_POLICY, "the first message is hello")),
        };
    }
}

/// From the hello to the end.
async fn serve(socket: &mut WebSocket, site: &Site, hello: Hello) -> End {
    let arrived = match admit(site, &hello) {
        Ok(admission) => site.desk.arrive(hello, admission).await,
        Err(refusal) => Err(refusal),
    };
    match arrived {
        Ok((seat, outgoing)) => Talk::new(socket, site, outgoing).run(seat).await,
        Err(refusal) => {
            site.refused("hello");
            let code = match refusal.code {
                ErrorCode::Unavailable => CLOSE_LATER,
                _ => CLOSE_REFUSED,
            };
            let words = refusal.message.clone();
            if let Ok(text) = told(refusal) {
                let _ = timeout(STALL, socket.send(Message::text(text))).await;
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

/// Sends a message and those that wait behind it.
async fn batch(
    socket: &mut WebSocket,
    outgoing: &mut Outgoing,
    first: Option<Out>,
) -> Result<(), End> {
    let mut next = first;
    for _ in 0..BATCH {
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
        next = match outgoing.next().now_or_never() {
            Some(more) => more,
            None => return socket.flush().await.map_err(|_| End::Lost),
        };
    }
    // One is left over: it goes alone, and the next batch begins.
    if let Some(Out::Text(text)) = next {
        return socket
            .send(Message::text(text))
            .await
            .map_err(|_| End::Lost);
    }
    match next {
        Some(Out::Close(closing)) => Err(End::Closed(closing)),
        _ => socket.flush().await.map_err(|_| End::Lost),
    }
}

/// One client's connection after its welcome.
struct Talk<'a> {
    socket: &'a mut WebSocket,
    site: &'a Site,
    outgoing: Outgoing,
    pace: DefaultDirectRateLimiter,
    heard: Instant,
    unanswered: u32,
}

impl<'a> Talk<'a> {
    fn new(socket: &'a mut WebSocket, site: &'a Site, outgoing: Outgoing) -> Self {
        Self {
            socket,
            site,
            outgoing,
            pace: pace(site),
            heard: Instant::now(),
            unanswered: 0,
        }
    }

    async fn run(mut self, mut seat: Seat) -> End {
        let mut asks = interval_at(Instant::now() + PING, PING);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                frame = self.socket.recv() => match self.heard(frame) {
                    Ok(Some(text)) => seat.said(text.as_str()).await.map_err(End::Closed),
                    Ok(None) => Ok(()),
                    Err(end) => Err(end),
                },
                out = self.outgoing.next() => self.tell(out).await,
                _ = asks.tick() => self.ask().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// A frame came.
    fn heard(
        &mut self,
        frame: Option<Result<Message, axum::Error>>,
    ) -> Result<Option<Utf8Bytes>, End> {
        self.heard = Instant::now();
        self.unanswered = 0;
        // Pings and empty frames cost as much as messages.
        if frame.is_some() && self.pace.check().is_err() {
            self.site.refused("messages");
            return Err(closing(CLOSE_POLICY, "too many messages in this time"));
        }
        let text = text(frame)?;
        if text.is_some() {
            self.site.metrics.messages.inc();
        }
        Ok(text)
    }

    /// Sends what waits, in as few writes as it takes.
    async fn tell(&mut self, first: Option<Out>) -> Result<(), End> {
        let batch = batch(self.socket, &mut self.outgoing, first);
        match timeout(STALL, batch).await {
            Ok(told) => told,
            Err(_) => Err(closing(CLOSE_POLICY, "the client is too slow")),
        }
    }

    /// Asks a quiet client whether it is there.
    async fn ask(&mut self) -> Result<(), End> {
        if self.heard.elapsed() < PING {
            return Ok(());
        }
        if self.unanswered >= UNANSWERED {
            return Err(End::Lost);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        match timeout(STALL, self.socket.send(Message::Ping(Bytes::new()))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Lost),
        }
    }
}
