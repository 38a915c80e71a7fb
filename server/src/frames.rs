//! A WebSocket of a client: how fast it may speak, whether it is there, and how it ends.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use ortc_rooms::desk::{CLOSE_MALFORMED, CLOSE_POLICY, CLOSE_TOO_BIG, Closing};
use ortc_rooms::signalling::MAX_MESSAGE;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};
use tracing::debug;

use crate::accept::Caller;
use crate::origin;
use crate::site::Site;

/// Who has said nothing by then is not let in.
pub(crate) const HELLO: Duration = Duration::from_secs(5);
/// After so long without a word a client is asked whether it is there.
const PING: Duration = Duration::from_secs(4);
/// So many questions without an answer, and it is not.
const UNANSWERED: u32 = 2;
/// For so long a client may take no byte.
pub(crate) const STALL: Duration = Duration::from_secs(8);
/// Bytes that are read at once: what each idle client costs.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes that are written at once.
const WRITE_BUFFER: usize = 16 * 1024;
/// The rate of messages is held over so many seconds.
const BURST_SECONDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
/// What is no WebSocket (RFC 6455 section 7.4.1).
const CLOSE_PROTOCOL: u16 = 1002;
/// What is not text.
const CLOSE_UNSUPPORTED: u16 = 1003;

/// Why a connection ends.
pub(crate) enum End {
    /// The client ended it, or it is lost.
    Lost,
    /// The server ends it.
    Closed(Closing),
}

/// The server ends a connection.
pub(crate) fn closing(code: u16, reason: impl Into<String>) -> End {
    let reason = reason.into();
    End::Closed(Closing { code, reason })
}

/// The answer to a client that may not come, before it says who it is.
pub(crate) fn turned_away(site: &Site, caller: Caller, headers: &HeaderMap) -> Option<Response> {
    if let Err(error) = origin::check(&site.config, headers, caller.tls) {
        site.refused("origin");
        return Some((StatusCode::FORBIDDEN, format!("{error}\n")).into_response());
    }
    if !site
        .counts
        .may_connect(caller.address, std::time::Instant::now())
    {
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
    let burst = rate.saturating_mul(BURST_SECONDS);
    RateLimiter::direct(Quota::per_second(rate).allow_burst(burst))
}

/// A client's WebSocket.
pub(crate) struct Frames<'a> {
    pub(crate) socket: WebSocket,
    site: &'a Site,
    pace: DefaultDirectRateLimiter,
    heard: Instant,
    unanswered: u32,
    asks: Interval,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(socket: WebSocket, site: &'a Site) -> Self {
        let mut asks = interval_at(Instant::now() + PING, PING);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            site,
            pace: pace(site),
            heard: Instant::now(),
            unanswered: 0,
            asks,
        }
    }

    /// The next text. Asks meanwhile whether the client is there. Cancel safe but for a question
    /// that is on its way out, which is then asked again.
    pub(crate) async fn text(&mut self) -> Result<Utf8Bytes, End> {
        loop {
            tokio::select! {
                frame = self.socket.recv() => {
                    if let Some(text) = self.heard(frame)? {
                        return Ok(text);
                    }
                }
                _ = self.asks.tick() => self.ask().await?,
            }
        }
    }

    /// Sends one text.
    pub(crate) async fn tell(&mut self, text: String) -> Result<(), End> {
        match timeout(STALL, self.socket.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(|_| End::Lost),
            Err(_) => Err(closing(CLOSE_POLICY, "the client is too slow")),
        }
    }

    /// Says why it ends, if the client can still hear it.
    pub(crate) async fn end(mut self, end: End) {
        let End::Closed(Closing { code, reason }) = end else {
            return;
        };
        debug!(code, reason, "a client's connection is ended");
        let label = code.to_string();
        self.site.metrics.closed.with_label_values(&[&label]).inc();
        let frame = CloseFrame {
            code,
            reason: short(&reason).into(),
        };
        let _ = timeout(STALL, self.socket.send(Message::Close(Some(frame)))).await;
    }

    /// A frame's text, if it has one and it came in its pace.
    fn heard(
        &mut self,
        frame: Option<Result<Message, axum::Error>>,
    ) -> Result<Option<Utf8Bytes>, End> {
        self.heard = Instant::now();
        self.unanswered = 0;
        // Pings cost as much as messages; pongs are answers.
        let free = matches!(frame, None | Some(Err(_) | Ok(Message::Pong(_))));
        if !free && self.pace.check().is_err() {
            self.site.refused("messages");
            return Err(closing(CLOSE_POLICY, "too many messages in this time"));
        }
        match frame {
            None | Some(Ok(Message::Close(_))) => Err(End::Lost),
            Some(Ok(Message::Text(text))) => {
                self.site.metrics.messages.inc();
                Ok(Some(text))
            }
            Some(Ok(Message::Binary(_))) => Err(closing(CLOSE_UNSUPPORTED, "messages are text")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Err(error)) => Err(broken(error)),
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

/// A close frame has room for 123 bytes: RFC 6455 section 5.5.
fn short(reason: &str) -> &str {
    let mut ends = (0..=reason.len().min(123)).rev();
    let end = ends.find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Which close code an error of reading has.
fn broken(error: axum::Error) -> End {
    use tungstenite::Error;
    match error.into_inner().downcast::<Error>().map(|error| *error) {
        Ok(Error::Capacity(_)) => {
            let words = format!("a message has at most {MAX_MESSAGE} bytes");
            closing(CLOSE_TOO_BIG, words)
        }
        Ok(Error::Utf8(_)) => closing(CLOSE_MALFORMED, "text is UTF-8"),
        Ok(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => End::Lost,
        Ok(Error::Protocol(error)) => closing(CLOSE_PROTOCOL, error.to_string()),
        _ => End::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(short("why"), "why");
        assert_eq!(short(&"ü".repeat(100)), "ü".repeat(61));
    }
}
