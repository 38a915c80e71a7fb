//! Connections: accepted, bounded in number and in the time that their headers take, with TLS or
//! without.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;
use tracing::{debug, warn};

use crate::counts::{Counts, Place};
use crate::held::Held;

/// For the TLS handshake, for the headers of a request, and between requests.
const PATIENCE: Duration = Duration::from_secs(8);
/// Headers, and what has been read of a body: hyper's least.
const BUFFER: usize = 16 * 1024;
/// After an accept that failed, e.g. for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Who connected, and how: an extension of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    pub(crate) tls: bool,
}

/// What a door opens to.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
}

/// Accepts until the shutdown; connections that are open then end by themselves.
pub(crate) async fn accept(listener: TcpListener, door: Door, mut shutdown: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|ends| *ends) => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let Some(place) = door.counts.place(from.ip()) else {
                    debug!("a connection too many");
                    continue;
                };
                let (door, shutdown) = (door.clone(), shutdown.clone());
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, from, door, place, shutdown).await {
                        debug!(%error, "a connection ended");
                    }
                });
            }
            // Of this connection alone.
            Err(error) if is_of_one(&error) => debug!(%error, "not accepted"),
            Err(error) => {
                warn!(%error, "no connection can be accepted now");
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn serve(
    stream: TcpStream,
    from: SocketAddr,
    door: Door,
    place: Place,
    shutdown: watch::Receiver<bool>,
) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let caller = Caller {
        address: from.ip().to_canonical(),
        tls: door.tls.is_some(),
    };
    match &door.tls {
        Some(acceptor) => {
            let mut first = [0];
            timeout(PATIENCE, stream.peek(&mut first)).await??;
            if first == [TLS_HANDSHAKE] {
                let stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
                talk(Held::new(stream, place), caller, door, shutdown).await
            } else {
                explain(Held::new(stream, place)).await
            }
        }
        None => talk(Held::new(stream, place), caller, door, shutdown).await,
    }
}

/// The content type of the first record of TLS: RFC 8446 section 5.1.
const TLS_HANDSHAKE: u8 = 22;

fn http() -> hyper::server::conn::http1::Builder {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(BUFFER);
    http
}

async fn talk<S>(
    stream: Held<S>,
    caller: Caller,
    door: Door,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let caller = behind(&request, caller, &door.trusted_proxies);
        request.extensions_mut().insert(caller);
        let mut router = door.router.clone();
        router.call(request)
    });
    let connection = http().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection.with_upgrades());
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        _ = shutdown.wait_for(|ends| *ends) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

/// Who is behind a proxy that is believed: the last entry of X-Forwarded-For, which is the proxy's.
fn behind(request: &Request, caller: Caller, trusted: &[IpAddr]) -> Caller {
    if !trusted.contains(&caller.address) {
        return caller;
    }
    let headers = request.headers();
    let last = |name: &str| {
        let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        value.rsplit(',').next().map(|word| word.trim().to_owned())
    };
    Caller {
        address: last("x-forwarded-for")
            .and_then(|address| address.parse().ok())
            .unwrap_or(caller.address),
        tls: caller.tls || last("x-forwarded-proto").as_deref() == Some("https"),
    }
}

/// Answers plain HTTP on a port of TLS: pages are sent on, the rest is refused.
async fn explain(stream: Held<TcpStream>) -> Result<(), Failed> {
    let service = service_fn(async |request: Request<Incoming>| {
        Ok::<_, std::convert::Infallible>(elsewhere(&request))
    });
    http()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}

fn elsewhere(request: &Request<Incoming>) -> Response {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if headers.contains_key(header::UPGRADE) {
        let words = "this server speaks TLS: connect to wss://, not to ws://\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let Some(host) = host else {
        return (StatusCode::BAD_REQUEST, "this server speaks TLS\n").into_response();
    };
    let to = format!("https://{host}{}", request.uri().path());
    let words = "this server speaks TLS: https://, not http://\n";
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, to)],
        words,
    )
        .into_response()
}
