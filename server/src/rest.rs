//! `/api`: rooms, tokens and figures for programs that run a service, by a bearer token.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use ortc_rooms::room::{Refusal, RoomRecord};
use ortc_rooms::signalling::{ErrorCode, Role, RoomName, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accept::Caller;
use crate::compat;
use crate::site::Site;
use crate::tokens::{Claims, same_secret};

/// A token holds for so long if nothing is said: a day; at most a year.
const DAY: u64 = 24 * 3_600;
const YEAR: u64 = 366 * DAY;

/// The routes under `/api`.
pub(crate) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    Router::new()
        .route("/api/rooms", get(rooms).post(open))
        .route("/api/rooms/{room}", get(room).delete(close))
        .route("/api/rooms/{room}/eject", post(eject))
        .route("/api/rooms/{room}/record", post(record))
        .route("/api/tokens", post(token))
        .route("/api/stats", get(stats))
        .route_layer(from_fn_with_state(site.clone(), bearer))
}

fn said(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

/// Lets in who has the token.
async fn bearer(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let Some(wanted) = &site.config.api_token else {
        let words = "REST is off; the setting `api_token` turns it on";
        return said(StatusCode::NOT_FOUND, words);
    };
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.is_some_and(|given| same_secret(given, wanted)) {
        return next.run(request).await;
    }
    site.refused("api");
    // Guessing is as slow as connecting.
    if !site
        .counts
        .may_connect(caller.address, std::time::Instant::now())
    {
        return said(StatusCode::TOO_MANY_REQUESTS, "try again in a second");
    }
    let words = "wanted is `Authorization: Bearer` with the server's `api_token`";
    let mut response = said(StatusCode::UNAUTHORIZED, words);
    let scheme = header::HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    response
}

fn refused(refusal: Refusal) -> Response {
    let status = match refusal.code {
        ErrorCode::NoSuchRoom | ErrorCode::NoSuchUser | ErrorCode::NotInRoom => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    (
        status,
        Json(json!({ "error": refusal.message, "code": refusal.code })),
    )
        .into_response()
}

fn done(result: Result<(), Refusal>) -> Response {
    match result {
        Ok(()) => Json(json!({})).into_response(),
        Err(refusal) => refused(refusal),
    }
}

fn no_room() -> Response {
    said(StatusCode::NOT_FOUND, "no room of this name is there")
}

async fn rooms(State(site): State<Arc<Site>>) -> Response {
    Json(json!({ "rooms": site.desk.rooms() })).into_response()
}

/// A room; with `?compat` as the SDK's server keeps it.
async fn room(
    State(site): State<Arc<Site>>,
    Path(name): Path<RoomName>,
    request: Request,
) -> Response {
    let record = site.desk.room(&name);
    if request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|part| part == "compat"))
    {
        return record.map_or_else(no_room, |record| {
            Json(compat::record(&record)).into_response()
        });
    }
    record.map_or_else(no_room, |record| Json(shown(&record)).into_response())
}

/// A room without what a password is verified with.
fn shown(record: &RoomRecord) -> Value {
    let users = record.members.iter().map(|member| {
        json!({
            "userid": member.user.userid,
            "role": member.user.role,
            "extra": member.user.extra,
            "since": member.since,
            "lost": member.lost,
        })
    });
    json!({
        "room": record.room,
        "epoch": record.epoch,
        "owner": record.owner,
        "users": users.collect::<Vec<_>>(),
        "session": record.session,
        "policy": record.policy,
        "presenter": record.presenter,
        "password": record.verifier.is_some(),
        "banned": record.banned,
    })
}

async fn close(State(site): State<Arc<Site>>, Path(name): Path<RoomName>) -> Response {
    done(site.desk.close(&name).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Eject {
    userid: UserId,
    #[serde(default)]
    ban: bool,
}

type Body<T> = Result<Json<T>, JsonRejection>;

fn bad(rejection: JsonRejection) -> Response {
    said(StatusCode::BAD_REQUEST, &rejection.body_text())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    on: bool,
}

/// Has a room recorded by this server, or no longer: within a second.
async fn record(
    State(site): State<Arc<Site>>,
    Path(name): Path<RoomName>,
    body: Body<Recorded>,
) -> Response {
    let Json(Recorded { on }) = match body {
        Ok(body) => body,
        Err(rejection) => return bad(rejection),
    };
    let Some(recorder) = &site.recorder else {
        let words = "this server records nothing; the settings `hub` and `record` turn it on";
        return said(StatusCode::NOT_FOUND, words);
    };
    let Some(room) = site.desk.room(&name) else {
        return no_room();
    };
    if !recorder.ask(&name, on) {
        let words = "as many rooms as may be are recorded";
        return said(StatusCode::SERVICE_UNAVAILABLE, words);
    }
    Json(json!({ "recorded": recorder.wants(&room) })).into_response()
}

async fn eject(
    State(site): State<Arc<Site>>,
    Path(name): Path<RoomName>,
    body: Body<Eject>,
) -> Response {
    match body {
        Ok(Json(Eject { userid, ban })) => done(site.desk.eject(&name, &userid, ban).await),
        Err(rejection) => bad(rejection),
    }
}

/// What a token is to say.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    role: Role,
    room: Option<RoomName>,
    rooms: Option<Vec<RoomName>>,
    userid: Option<UserId>,
    /// In seconds.
    expires_in: Option<u64>,
    /// Good for one entrance.
    once: bool,
    /// May leave and fetch recordings.
    record: bool,
}

async fn token(State(site): State<Arc<Site>>, body: Body<Wish>) -> Response {
    match body {
        Ok(Json(wish)) => made(&site, wish),
        Err(rejection) => bad(rejection),
    }
}

/// A room is there from when its first user enters it: who has this token may, as an admin.
async fn open(State(site): State<Arc<Site>>, body: Body<Wish>) -> Response {
    let mut wish = match body {
        Ok(Json(wish)) => wish,
        Err(rejection) => return bad(rejection),
    };
    let Some(room) = &wish.room else {
        return said(StatusCode::BAD_REQUEST, "`room` says which");
    };
    if site.desk.room(room).is_some() {
        return said(StatusCode::CONFLICT, "a room of this name is there");
    }
    wish.role = Role::Admin;
    made(&site, wish)
}

fn made(site: &Site, wish: Wish) -> Response {
    let seconds = wish.expires_in.unwrap_or(DAY);
    if seconds == 0 || seconds > YEAR {
        return said(
            StatusCode::BAD_REQUEST,
            "`expiresIn` is 1 to 31622400 seconds",
        );
    }
    let jti = match wish.once.then(random).transpose() {
        Ok(jti) => jti,
        Err(words) => return said(StatusCode::SERVICE_UNAVAILABLE, words),
    };
    let claims = Claims {
        sub: wish.userid,
        role: wish.role,
        room: wish.room,
        rooms: wish.rooms,
        exp: jsonwebtoken::get_current_timestamp().saturating_add(seconds),
        jti,
        record: wish.record,
    };
    let Some(token) = site.tokens.make(&claims) else {
        let words = "tokens are made with the setting `token_secret`, which is not there";
        return said(StatusCode::CONFLICT, words);
    };
    let link = claims
        .room
        .as_ref()
        .map(|room| format!("{}#{}?token={token}", site.url, encoded(room.as_str())));
    let body = json!({ "token": token, "expires": claims.exp, "room": claims.room, "link": link });
    (StatusCode::CREATED, Json(body)).into_response()
}

fn random() -> Result<String, &'static str> {
    let mut bytes = [0; 16];
    let rng = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&rng, &mut bytes).map_err(|_| "there is no randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// For a fragment: all but what is safe in any part of a URL (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

async fn stats(State(site): State<Arc<Site>>) -> Response {
    let counters = site.desk.counters();
    let cluster = site.cluster.as_ref().map(|cluster| {
        json!({
            "connected": cluster.connected(),
            "nodes": cluster.nodes(),
            "users": cluster.users(),
            "conflicts": cluster.conflicts(),
            "unavailable": cluster.unavailable(),
            "dropped": cluster.dropped(),
        })
    });
    Json(json!({
        "connections": site.counts.connections(),
        "clients": site.desk.connected(),
        "users": site.desk.users(),
        "rooms": site.desk.room_count(),
        "heard": counters.heard(),
        "told": counters.told(),
        "dropped": counters.dropped(),
        "errors": counters.errors(),
        "resumed": counters.resumed(),
        "overflowed": counters.overflowed(),
        "cpuSeconds": crate::metrics::cpu_seconds(),
        "cluster": cluster,
    }))
    .into_response()
}
