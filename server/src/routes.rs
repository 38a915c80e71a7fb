//! What is where.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde_json::json;
use tokio::time::timeout;

use crate::kept::{help, recordings};
use crate::page;
use crate::site::Site;
use crate::socket;
use crate::{compat, poll, rest};

/// A request is answered by then: longer than a long-poll waits.
const PATIENCE: Duration = Duration::from_secs(40);
/// The most bytes of a request's body.
const BODY: usize = 256 * 1024;

/// All that the page's port has; REST, too, where it has no port of its own.
pub(crate) fn page(site: &Arc<Site>) -> Router {
    let router = Router::new()
        .route("/ws", any(socket::upgrade))
        .route("/compat", any(compat::upgrade))
        .merge(poll::routes())
        .merge(help::routes())
        .route("/config.json", get(config));
    #[cfg(feature = "whip")]
    let router = router.merge(crate::whip::routes(site));
    let mut router = router;
    if site.config.rest_port.is_none() {
        router = router.merge(own(site));
    }
    let long = recordings::routes().layer(from_fn(secured));
    finished(router.fallback(file), site).merge(long.with_state(site.clone()))
}

/// What REST's own port has.
pub(crate) fn aside(site: &Arc<Site>) -> Router {
    finished(own(site), site)
}

fn own(site: &Arc<Site>) -> Router<Arc<Site>> {
    rest::routes(site)
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(metrics))
}

fn finished(router: Router<Arc<Site>>, site: &Arc<Site>) -> Router {
    router
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(bounded))
        .with_state(site.clone())
}

/// With the headers that all answers have. What is streamed has bounds of its own.
async fn secured(request: Request, next: Next) -> Response {
    let host = host(&request);
    page::secured(next.run(request).await, host.as_deref())
}

fn host(request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST)?;
    host.to_str().ok().map(str::to_owned)
}

/// Each answer within its time, and with the headers that all have.
async fn bounded(request: Request, next: Next) -> Response {
    let host = host(&request);
    let response = match timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    };
    page::secured(response, host.as_deref())
}

async fn file(State(site): State<Arc<Site>>, request: Request) -> Response {
    site.pages
        .serve(request.method(), request.uri().path())
        .await
}

/// What the page has to know before it connects.
async fn config(State(site): State<Arc<Site>>) -> Response {
    let config = &site.config;
    let told = json!({
        "websocket": "/ws",
        "open": !config.token_required,
        "rolesFree": config.roles_free,
        "jsDebug": config.js_debug,
        "stunPort": site.stun_port,
        "recordings": site.recordings.as_ref().map(|shelf| json!({
            "open": config.recordings_open, "most": shelf.most,
        })),
        "reports": site.help.is_some(),
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response()
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let metrics = &site.metrics;
    metrics.connections.set(count(site.counts.connections()));
    metrics.rooms.set(count(site.desk.room_count()));
    metrics.users.set(count(site.desk.users()));
    if let Some(cluster) = &site.cluster {
        metrics.cluster_connected.set(cluster.connected().into());
        metrics.cluster_nodes.set(count(cluster.nodes().len()));
        metrics.cluster_users.set(count(cluster.users()));
    }
    match metrics.text() {
        Ok(text) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
