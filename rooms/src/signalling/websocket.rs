//! The usual way to a server: one WebSocket (RFC 6455).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use super::bounds::MAX_MESSAGE;
use super::client::{ClientMessage, Hello};
use super::line::{Carrier, Dial, DialError, Incoming, Line};
use super::reconnect::Reconnecting;
use super::signaller::{SignalError, SignalEvent};

/// Close code: another connection of the same user has taken the place of this one.
const REPLACED: u16 = 4001;
/// Close code: the client is not wanted and need not come back.
const REFUSED: u16 = 4003;

/// How a WebSocket is made.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WebSocketOptions {
    /// What TLS trusts; absent: the usual roots.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The page that the client claims to be of; absent: one of the server itself.
    pub origin: Option<String>,
}

/// A signaller over a WebSocket. One that breaks is made again after pauses that grow to ten
/// seconds, and what was not heard is said again.
#[derive(Debug)]
pub struct WebSocket(Reconnecting);

impl WebSocket {
    /// Connects to e.g. `wss://example.org/ws`, and waits for the server's `welcome`, which is the
    /// first event.
    ///
    /// # Errors
    ///
    /// [`SignalError::Unreachable`] if there is no server at the address, or it takes longer than
    /// 10 s; [`SignalError::Refused`] if it does not want the client, or the address is none.
    pub async fn connect(
        url: impl Into<String>,
        hello: Hello,
        options: WebSocketOptions,
    ) -> Result<Self, SignalError> {
        let dial = Dialler {
            url: url.into(),
            options,
        };
        Ok(Self(Reconnecting::connect(dial, hello).await?))
    }
}

impl Stream for WebSocket {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Sink<ClientMessage> for WebSocket {
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

struct Dialler {
    url: String,
    options: WebSocketOptions,
}

impl Dial for Dialler {
    async fn dial(&mut self, hello: String) -> Result<Line, DialError> {
        let refused = |error: &dyn std::fmt::Display| DialError::Refused(error.to_string());
        let mut request = self
            .url
            .as_str()
            .into_client_request()
            .map_err(|error| refused(&error))?;
        let origin = self.options.origin.clone();
        if let Some(origin) = origin.or_else(|| origin_of(request.uri())) {
            let value = HeaderValue::from_str(&origin).map_err(|error| refused(&error))?;
            request.headers_mut().insert(header::ORIGIN, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(2 * MAX_MESSAGE))
            .max_frame_size(Some(2 * MAX_MESSAGE));
        let tls = self.options.tls.clone().map(Connector::Rustls);
        let connected = connect_async_tls_with_config(request, Some(config), true, tls).await;
        let (mut socket, _) = connected.map_err(|error| dial_error(&error))?;
        let sent = socket.send(Message::text(hello)).await;
        sent.map_err(|error| DialError::Unreachable(error.to_string()))?;
        let (line, carrier) = Line::new();
        tokio::spawn(carry(socket, carrier));
        Ok(line)
    }
}

/// The origin of the server's own pages.
fn origin_of(uri: &Uri) -> Option<String> {
    let scheme = match uri.scheme_str()? {
        "wss" => "https",
        _ => "http",
    };
    // Without what may stand before the host.
    let authority = uri.authority()?.as_str();
    let host = authority.rsplit('@').next()?;
    Some(format!("{scheme}://{host}"))
}

fn dial_error(error: &Error) -> DialError {
    match error {
        Error::Http(response) => {
            let status = response.status();
            let body = response.body().as_deref().map(String::from_utf8_lossy);
            let text = body.filter(|body| !body.is_empty() && body.len() < 500);
            let text = match text {
                Some(body) => format!("{status}: {}", body.trim()),
                None => status.to_string(),
            };
            match status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                    DialError::Unreachable(text)
                }
                status if status.is_server_error() => DialError::Unreachable(text),
                _ => DialError::Refused(text),
            }
        }
        Error::Url(_) | Error::HttpFormat(_) => DialError::Refused(error.to_string()),
        error => DialError::Unreachable(error.to_string()),
    }
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn carry(mut socket: Socket, mut carrier: Carrier) {
    let end = loop {
        tokio::select! {
            text = carrier.outgoing.recv() => match text {
                Some(text) => {
                    if let Err(error) = socket.send(Message::text(text)).await {
                        break Incoming::Broken(error.to_string());
                    }
                }
                None => {
                    let _ = socket.close(None).await;
                    return;
                }
            },
            message = socket.next() => {
                let incoming = match message {
                    Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str().to_owned()),
                    Some(Ok(Message::Close(frame))) => break match frame {
                        Some(frame) => closed(frame.code, &frame.reason),
                        None => Incoming::Broken("the server closed the connection".to_owned()),
                    },
                    // A ping is answered by what reads it.
                    Some(Ok(_)) => Incoming::Alive,
                    Some(Err(error)) => break Incoming::Broken(error.to_string()),
                    None => break Incoming::Broken("the connection is gone".to_owned()),
                };
                if carrier.incoming.send(incoming).await.is_err() {
                    // Nobody listens any more; the last words go out all the same.
                    while let Ok(text) = carrier.outgoing.try_recv() {
                        let _ = socket.send(Message::text(text)).await;
                    }
                    let _ = socket.close(None).await;
                    return;
                }
            }
        }
    };
    let _ = carrier.incoming.send(end).await;
}

fn closed(code: CloseCode, reason: &str) -> Incoming {
    let text = match reason {
        "" => format!("the server closed the connection ({code})"),
        reason => reason.to_owned(),
    };
    match u16::from(code) {
        REPLACED | REFUSED => Incoming::Refused(text),
        _ => Incoming::Broken(text),
    }
}
