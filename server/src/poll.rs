//! `/poll`: a client by plain requests, for networks that let no WebSocket through.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use ortc_rooms::desk::{CLOSE_POLICY, Closing, Out};
use ortc_rooms::signalling::{ClientMessage, Envelope, ErrorCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::interval;

use crate::accept::Caller;
use crate::admit::admit;
use crate::frames::{pace, turned_away};
use crate::origin;
use crate::polls::{Client, QUIET, Waits};
use crate::site::Site;
use crate::socket::{first, told};

/// The routes under `/poll`.
pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/poll", post(arrive))
        .route("/poll/{id}", get(hear).post(say).delete(leave))
}

/// Ends those who are quiet.
pub(crate) async fn watch(site: Arc<Site>) {
    let mut shutdown = site.shutdown.clone();
    let mut times = interval(QUIET / 4);
    loop {
        tokio::select! {
            _ = times.tick() => {}
            _ = shutdown.wait_for(|ends| *ends) => return,
        }
        for client in site.polls.quiet() {
            drop(client.seat.lock().await.take());
        }
    }
}

fn refused(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

fn unknown() -> Response {
    refused(
        StatusCode::NOT_FOUND,
        "no client of this id is here; say hello again",
    )
}

fn answer(messages: &[Box<RawValue>]) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(messages)).into_response()
}

async fn arrive(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: String,
) -> Response {
    // Programs that are no browsers need no Origin here; pages always send one with a POST.
    if headers.contains_key(header::ORIGIN) {
        if let Some(response) = turned_away(&site, caller, &headers) {
            return response;
        }
    } else if !site
        .counts
        .may_connect(caller.address, std::time::Instant::now())
    {
        site.refused("rate");
        return refused(
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections; try again in a second",
        );
    }
    let hello = match first(&body) {
        Ok(hello) => hello,
        Err((_, words)) => return refused(StatusCode::BAD_REQUEST, &words),
    };
    if site.polls.count() >= site.config.max_connections {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "no place; try again later");
    }
    let arrived = match admit(&site, &hello, caller.address) {
        Ok(admission) => site.desk.arrive(hello, admission).await,
        Err(refusal) => Err(refusal),
    };
    let (seat, mut outgoing) = match arrived {
        Ok(arrived) => arrived,
        Err(refusal) => {
            site.refused("hello");
            let status = match refusal.code {
                ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::FORBIDDEN,
            };
            let text = told(refusal).unwrap_or_default();
            return (status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
        }
    };
    let welcome = match outgoing.next().await {
        Some(Out::Text(text)) => RawValue::from_string(text),
        _ => return refused(StatusCode::SERVICE_UNAVAILABLE, "the server goes away"),
    };
    let (Ok(welcome), Some(id)) = (welcome, id()) else {
        return refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server cannot do it now",
        );
    };
    let client = Client::new(seat, outgoing, pace(&site), site.metrics.client());
    site.polls.put(id.clone(), client);
    let body = json!({ "id": id, "messages": [welcome] });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// 128 random bits.
fn id() -> Option<String> {
    let mut bytes = [0; 16];
    let rng = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&rng, &mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a page of another server asks.
fn foreign(site: &Site, caller: Caller, headers: &HeaderMap) -> Option<Response> {
    let checked = headers
        .contains_key(header::ORIGIN)
        .then(|| origin::check(&site.config, headers, caller.tls));
    match checked {
        Some(Err(error)) => Some(refused(StatusCode::FORBIDDEN, &error.to_string())),
        _ => None,
    }
}

async fn say(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if let Some(response) = foreign(&site, caller, &headers) {
        return response;
    }
    let Some(client) = site.polls.get(&id) else {
        return unknown();
    };
    client.asks();
    let said: Vec<Box<RawValue>> = match serde_json::from_str(&body) {
        Ok(said) => said,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    // Not this request's: a client that gives up waiting must not cut off what was begun.
    let done = tokio::spawn(async move { say_all(&site, &id, &client, said).await });
    done.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn say_all(site: &Site, id: &str, client: &Client, said: Vec<Box<RawValue>>) -> Response {
    let mut seat = client.seat.lock().await;
    for text in said {
        let Some(present) = seat.as_mut() else {
            return unknown();
        };
        let mut done = match client.pace.check() {
            Ok(()) => site
                .hooks
                .on_message(present.userid(), text.get())
                .map_err(|reason| {
                    let code = CLOSE_POLICY;
                    Closing { code, reason }
                }),
            Err(_) => Err(Closing {
                code: CLOSE_POLICY,
                reason: "too many messages in this time".to_owned(),
            }),
        };
        if done.is_ok() {
            site.metrics.messages.inc();
            done = present.said(text.get()).await;
        }
        if let Err(Closing { code, reason }) = done {
            drop(seat.take());
            site.polls.end(id);
            let status = match code {
                CLOSE_POLICY => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::BAD_REQUEST,
            };
            return (status, Json(json!({ "error": reason, "code": code }))).into_response();
        }
    }
    Json(json!({})).into_response()
}

#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    seen: u64,
}

async fn hear(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(Seen { seen }): Query<Seen>,
    headers: HeaderMap,
) -> Response {
    if let Some(response) = foreign(&site, caller, &headers) {
        return response;
    }
    let Some(client) = site.polls.get(&id) else {
        return unknown();
    };
    let _waits = Waits::new(&client);
    if let (Ok(text), Some(seat)) = (
        Envelope::<ClientMessage>::seen(seen).to_json(),
        client.seat.lock().await.as_mut(),
    ) {
        // Whether the connection still holds is told by what goes out.
        let _ = seat.said(&text).await;
    }
    let mut waiting = client.out.lock().await;
    match waiting.after(seen).await {
        Ok(messages) => answer(&messages),
        Err(Closing { code, reason }) => {
            drop(client.seat.lock().await.take());
            site.polls.end(&id);
            (
                StatusCode::GONE,
                Json(json!({ "error": reason, "code": code })),
            )
                .into_response()
        }
    }
}

async fn leave(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Response {
    let Some(client) = site.polls.end(&id) else {
        return unknown();
    };
    if let Some(seat) = client.seat.lock().await.take() {
        seat.gone().await;
    }
    Json(json!({})).into_response()
}
