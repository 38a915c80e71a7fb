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
    let mut router = Router::new()
        .route("/ws", any(socket::upgrade))
        .route("/compat", any(compat::upgrade))
        .merge(poll::routes())
        .route("/config.json", get(config));
    if site.config.rest_port.is_none() {
        router = router.merge(own(site));
    }
    finished(router.fallback(file), site)
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

/// Each answer within its time, and with the headers that all have.
async fn bounded(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).map(str::to_owned);
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
