//! Plain requests to a server: figures, recordings.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use crate::failed::Failed;

/// What a request without much in it may take, and what is added for each piece of a body.
const PATIENCE: Duration = Duration::from_secs(60);
/// In bytes per second: who is slower is not waited for.
const SLOWEST: u64 = 16 * 1024;
/// The most bytes of an answer.
const MOST: usize = 8 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

type Sent = BoxBody<Bytes, std::io::Error>;

/// A client of one server.
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Sent>,
    bearer: Option<String>,
}

impl Http {
    /// `tls` is what is trusted, in place of the authorities of browsers; `bearer` a token.
    pub(crate) fn new(
        tls: Option<rustls::ClientConfig>,
        bearer: Option<&str>,
    ) -> Result<Self, Failed> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match tls {
            Some(tls) => builder.with_tls_config(tls),
            None => {
                builder.with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            }
        };
        let https = builder.https_or_http().enable_http1().build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(https),
            bearer: bearer.map(str::to_owned),
        })
    }

    /// What is said there.
    pub(crate) async fn get(&self, url: &str) -> Result<Value, Failed> {
        let nothing = Empty::new().map_err(|never| match never {}).boxed();
        let request = Request::builder().method(Method::GET);
        self.ask(request, url, nothing, PATIENCE).await
    }

    /// Posts a file.
    pub(crate) async fn post(&self, url: &str, kind: &str, path: &Path) -> Result<Value, Failed> {
        let of = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = File::open(path).await.map_err(of)?;
        let left = file.metadata().await.map_err(of)?.len();
        let request = Request::builder().method(Method::POST);
        let request = request.header(CONTENT_TYPE, kind);
        let patience = PATIENCE + Duration::from_secs(left / SLOWEST);
        let body = FileBody { file, left }.boxed();
        self.ask(request, url, body, patience).await
    }

    /// What the server's clock says, in the form of HTTP, if it says so.
    pub(crate) async fn date(&self, url: &str) -> Option<String> {
        let request = Request::builder().method(Method::HEAD).uri(url);
        let request = request.body(BoxBody::default()).ok()?;
        let answer = timeout(PATIENCE, self.client.request(request)).await;
        let answer = answer.ok()?.ok()?;
        Some(answer.headers().get(DATE)?.to_str().ok()?.to_owned())
    }

    async fn ask(
        &self,
        mut request: hyper::http::request::Builder,
        url: &str,
        body: Sent,
        patience: Duration,
    ) -> Result<Value, Failed> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = request.uri(uri).body(body)?;
        let answered = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| format!("{url}: {}", chain(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            let body = body.map_err(|error| format!("{url}: {error}"))?.to_bytes();
            Ok::<_, String>((status, body))
        };
        let answered = timeout(patience, answered).await;
        let (status, body) = answered.map_err(|_| format!("{url}: no answer came"))??;
        read(status, &body).map_err(|words| format!("{url}: {words}").into())
    }
}

fn read(status: StatusCode, body: &[u8]) -> Result<Value, String> {
    let value = serde_json::from_slice::<Value>(body);
    if status.is_success() {
        return value.map_err(|error| format!("the answer cannot be read: {error}"));
    }
    let words = value
        .ok()
        .and_then(|value| Some(value["error"].as_str()?.to_owned()));
    Err(match words {
        Some(words) => format!("{words} ({status})"),
        None => status.to_string(),
    })
}

/// An error with what is below it: the first says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        words = format!("{words}: {error}");
        below = error.source();
    }
    words
}

/// For a query: all but what is safe in any part of a URL (RFC 3986 section 2.3).
pub(crate) fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// A file as it is read.
struct FileBody {
    file: File,
    left: u64,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; PIECE];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            let cut = std::io::ErrorKind::UnexpectedEof;
            return Poll::Ready(Some(Err(cut.into())));
        }
        // It may have grown since it was looked at.
        let read = read.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        piece.truncate(read);
        self.left = self
            .left
            .saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
