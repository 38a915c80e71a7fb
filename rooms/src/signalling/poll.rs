//! The way to a server by plain requests, where no WebSocket gets through: what is said goes with
//! `POST`, what happens is waited for with `GET`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::{Method, Request, StatusCode, header};

use super::bounds::MAX_MESSAGE;
use super::client::{ClientMessage, Hello};
use super::line::{Carrier, Dial, DialError, Incoming, Line};
use super::reconnect::Reconnecting;
use super::signaller::{SignalError, SignalEvent};

/// The most bytes of an answer: many messages at once.
const MAX_ANSWER: usize = 64 * MAX_MESSAGE;
/// The most messages that are said at once.
const MAX_BATCH: usize = 32;
/// A server answers a `GET` within 25 s, if only with nothing.
const PATIENCE: Duration = Duration::from_secs(40);
/// Codes after which a client does not come back.
const FINAL: [u64; 2] = [4001, 4003];

/// How requests are made.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LongPollOptions {
    /// What TLS trusts; absent: the usual roots.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// A signaller over plain requests. It comes back after what is lost as the WebSocket does.
#[derive(Debug)]
pub struct LongPoll(Reconnecting);

impl LongPoll {
    /// Connects to e.g. `https://example.org/poll`, and waits for the server's `welcome`, which is
    /// the first event.
    ///
    /// # Errors
    ///
    /// [`SignalError::Unreachable`] if there is no server at the address, or it takes longer than
    /// 10 s; [`SignalError::Refused`] if it does not want the client, or the address is none.
    pub async fn connect(
        url: impl Into<String>,
        hello: Hello,
        options: LongPollOptions,
    ) -> Result<Self, SignalError> {
        let builder = HttpsConnectorBuilder::new();
        let connector = match options.tls {
            Some(tls) => builder.with_tls_config((*tls).clone()),
            None => builder.with_webpki_roots(),
        };
        let connector = connector.https_or_http().enable_http1().build();
        let dial = Dialler {
            url: url.into().trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        };
        Ok(Self(Reconnecting::connect(dial, hello).await?))
    }
}

impl Stream for LongPoll {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Sink<ClientMessage> for LongPoll {
    type Error = SignalError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        self.0.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        self.0.start_send_unpin(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        self.0.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        self.0.poll_close_unpin(cx)
    }
}

#[derive(Clone)]
struct Dialler {
    url: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What the first answer has.
#[derive(Deserialize)]
struct Arrived {
    id: String,
    #[serde(default)]
    messages: Vec<Box<RawValue>>,
}

/// What a refusal has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    code: u64,
}

/// What is looked at of a message on its way.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Number {
    seq: u64,
}

type Answer = Result<(StatusCode, Bytes), String>;

impl Dialler {
    async fn request(&self, method: Method, path: &str, body: String) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answered = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
            let body = body.await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        let answered = timeout(PATIENCE, answered).await;
        answered.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

impl Dial for Dialler {
    async fn dial(&mut self, hello: String) -> Result<Line, DialError> {
        let answer = self.request(Method::POST, "", hello).await;
        let (status, body) = answer.map_err(DialError::Unreachable)?;
        let (line, carrier) = Line::new();
        if status.is_success() {
            let arrived: Arrived = serde_json::from_slice(&body)
                .map_err(|error| DialError::Refused(format!("no long-poll server: {error}")))?;
            tokio::spawn(carry(self.clone(), arrived, carrier));
            return Ok(line);
        }
        // The desk's own words are an envelope; they say more than the status.
        if serde_json::from_slice::<Refused>(&body).is_ok_and(|refused| refused.error.is_empty())
            && let Ok(text) = String::from_utf8(body.to_vec())
        {
            let _ = carrier.incoming.send(Incoming::Text(text)).await;
            return Ok(line);
        }
        let refused: Refused = serde_json::from_slice(&body).unwrap_or_default();
        let text = format!("{status} {}", refused.error);
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Err(DialError::Unreachable(text))
            }
            status if status.is_server_error() => Err(DialError::Unreachable(text)),
            _ => Err(DialError::Refused(text)),
        }
    }
}

async fn carry(dialler: Dialler, arrived: Arrived, carrier: Carrier) {
    let Carrier {
        mut outgoing,
        incoming,
    } = carrier;
    let path = format!("/{}", arrived.id);
    let hears = async {
        let mut seen = 0;
        let mut messages = arrived.messages;
        loop {
            for message in messages {
                let number: Number = serde_json::from_str(message.get()).unwrap_or_default();
                seen = number.seq.max(seen);
                let text = Incoming::Text(message.get().to_owned());
                if incoming.send(text).await.is_err() {
                    return None;
                }
            }
            let path = format!("{path}?seen={seen}");
            let answer = dialler.request(Method::GET, &path, String::new()).await;
            let body = match ended(answer) {
                Ok(body) => body,
                Err(end) => return Some(end),
            };
            messages = match serde_json::from_slice(&body) {
                Ok(messages) => messages,
                Err(error) => return Some(Incoming::Broken(error.to_string())),
            };
            if incoming.send(Incoming::Alive).await.is_err() {
                return None;
            }
        }
    };
    let says = async {
        let mut batch = Vec::new();
        while outgoing.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let body = format!("[{}]", batch.join(","));
            batch.clear();
            let answer = dialler.request(Method::POST, &path, body).await;
            if let Err(end) = ended(answer) {
                return Some(end);
            }
        }
        None
    };
    let mut says = std::pin::pin!(says);
    let end = tokio::select! {
        end = hears => match end {
            // Nobody listens any more; the last words go out all the same.
            None => says.await,
            end => end,
        },
        end = &mut says => end,
    };
    if let Some(end) = end {
        let _ = incoming.send(end).await;
    }
}

/// The body of an answer, or how the line ends.
fn ended(answer: Answer) -> Result<Bytes, Incoming> {
    let (status, body) = answer.map_err(Incoming::Broken)?;
    if status.is_success() {
        return Ok(body);
    }
    let refused: Refused = serde_json::from_slice(&body).unwrap_or_default();
    let text = format!("{status} {}", refused.error);
    Err(match FINAL.contains(&refused.code) {
        true => Incoming::Refused(text),
        false => Incoming::Broken(text),
    })
}
