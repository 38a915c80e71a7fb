//! Events posted to a server that asked for them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ring::hmac;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::config::ServerConfig;
use crate::metrics::Metrics;

/// So many events wait for a server that is slow; later ones are dropped and counted.
const WAITING: usize = 1_024;
/// How long one post may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failure it is tried again after these times, then given up.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(8),
];

/// The way to the server.
pub(crate) struct Webhook {
    waiting: Sender<(u64, Value)>,
    number: std::sync::atomic::AtomicU64,
    metrics: Arc<Metrics>,
}

struct Post {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: hyper::Uri,
    key: Option<hmac::Key>,
    metrics: Arc<Metrics>,
}

impl Webhook {
    pub(crate) fn new(
        config: &ServerConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Option<Self>, String> {
        let Some(url) = &config.webhook else {
            return Ok(None);
        };
        let parsed = url.parse::<hyper::Uri>().ok();
        let parsed = parsed.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let url = parsed.ok_or_else(|| format!("webhook: {url:?} is no URL of http or https"))?;
        let provider = rustls::crypto::ring::default_provider();
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| format!("webhook: {error}"))?
            .https_or_http()
            .enable_http1()
            .build();
        let secret = config.webhook_secret.as_ref();
        let post = Post {
            client: Client::builder(TokioExecutor::new()).build(https),
            url,
            key: secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
            metrics: metrics.clone(),
        };
        let (waiting, events) = channel(WAITING);
        tokio::spawn(post.run(events));
        Ok(Some(Self {
            waiting,
            number: 0.into(),
            metrics,
        }))
    }

    /// Posts an event when its turn comes.
    pub(crate) fn post(&self, event: Value) {
        let number = self
            .number
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.waiting.try_send((number, event)).is_err() {
            self.metrics.hooks.with_label_values(&["dropped"]).inc();
        }
    }
}

impl Post {
    /// In order, one at a time.
    async fn run(self, mut events: Receiver<(u64, Value)>) {
        while let Some((number, mut event)) = events.recv().await {
            if let Some(event) = event.as_object_mut() {
                event.insert("number".to_owned(), json!(number));
            }
            let body = Bytes::from(event.to_string());
            let result = if self.deliver(&body).await {
                "sent"
            } else {
                "failed"
            };
            self.metrics.hooks.with_label_values(&[result]).inc();
        }
    }

    async fn deliver(&self, body: &Bytes) -> bool {
        for pause in AGAIN.into_iter().map(Some).chain([None]) {
            match self.once(body).await {
                Ok(()) => return true,
                Err(error) => debug!(%error, "a webhook failed"),
            }
            if let Some(pause) = pause {
                sleep(pause).await;
            }
        }
        warn!("a webhook failed for good");
        false
    }

    async fn once(&self, body: &Bytes) -> Result<(), String> {
        let mut request = Request::post(&self.url).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            let tag = hmac::sign(key, body);
            let hex: String = tag
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            request = request.header("ortc-signature", format!("sha256={hex}"));
        }
        let request = request
            .body(Full::new(body.clone()))
            .map_err(|error| error.to_string())?;
        let answered = timeout(PATIENCE, self.client.request(request)).await;
        let response = answered
            .map_err(|_| "no answer".to_owned())?
            .map_err(|error| error.to_string())?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(response.status().to_string())
        }
    }
}
