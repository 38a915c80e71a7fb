//! The routes of WHIP and WHEP.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use ortc_rooms::signalling::{Role, RoomName, UserId};
use serde::Deserialize;

use super::answer::{Own, fragment};
use super::bridges::{Bridge, Bridges};
use super::fault::Fault;
use super::guest::{Guest, bearer};
use super::offer::{Fragment, MAX_OFFER, Offer};
use super::publish::{Made, publish};
use super::watch::{Wish, show};
use crate::accept::Caller;
use crate::origin;
use crate::site::Site;
use crate::tokens::same_secret;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// What an address may add: how the others see who comes.
#[derive(Debug, Deserialize)]
struct Asked {
    name: Option<String>,
}

/// The routes.
pub(crate) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    Router::new()
        .route("/whip/{room}", post(whip).get(nothing).options(options))
        .route("/whep/{room}", post(whep).get(nothing).options(options))
        .route(
            "/whep/{room}/{user}",
            post(whep).get(nothing).options(options),
        )
        .route(
            "/whep/{room}/{user}/{stream}",
            post(whep).get(nothing).options(options),
        )
        .route(
            "/bridges/{id}",
            get(nothing).patch(patch).delete(end).options(options),
        )
        .layer(from_fn_with_state(site.clone(), count))
        .layer(DefaultBodyLimit::max(MAX_OFFER))
        .route_layer(from_fn_with_state(site.clone(), foreign))
}

/// RFC 9725 section 4.1: there is no representation.
async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// RFC 9725 section 4.2.
async fn options() -> Response {
    ([("accept-post", SDP)], StatusCode::OK).into_response()
}

/// Counts who is not let in.
async fn count(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let comes = request.method() == Method::POST;
    let response = next.run(request).await;
    if comes && response.status() != StatusCode::CREATED {
        let refused = &site.metrics.bridges_refused;
        let status = response.status();
        refused.with_label_values(&[status.as_str()]).inc();
    }
    response
}

/// Pages of other servers come as the settings let them, and are told so by CORS.
async fn foreign(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    if let Err(error) = origin::check(&site.config, request.headers(), caller.tls) {
        return Fault::new(StatusCode::FORBIDDEN, error.to_string()).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    put(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "POST, PATCH, DELETE, OPTIONS",
    );
    put(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, if-match",
    );
    put(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "location, etag, link, accept-patch",
    );
    put(header::VARY, "origin");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response
}

fn bridges(site: &Site) -> Result<&Arc<Bridges>, Fault> {
    site.bridges.as_ref().ok_or_else(|| {
        let words = "WHIP and WHEP are off; the setting `whip` turns them on";
        Fault::new(StatusCode::NOT_FOUND, words)
    })
}

fn is(headers: &HeaderMap, wanted: &str) -> Result<(), Fault> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case(wanted) {
        true => Ok(()),
        false => Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("wanted is a body of the type {wanted}"),
        )),
    }
}

fn text(body: &Bytes) -> Result<&str, Fault> {
    std::str::from_utf8(body).map_err(|_| Fault::offer("this is no text"))
}

/// What both have in common before anything is made.
fn offered(
    site: &Arc<Site>,
    caller: Caller,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Offer, Fault> {
    if !site.counts.may_connect(caller.address, Instant::now()) {
        let words = "there were several within a second; try again in another";
        return Err(Fault::later(StatusCode::TOO_MANY_REQUESTS, words, 1));
    }
    is(headers, SDP)?;
    Offer::read(text(body)?)
}

async fn whip(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(room): Path<RoomName>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let bridges = bridges(&site)?;
    let offer = offered(&site, caller, &headers, &body)?;
    let name = asked.name.as_deref();
    let guest = Guest::new(&site, caller, &headers, Role::Participant, name);
    let guest = guest.inspect_err(|_| site.refused("whip"))?;
    let token = bearer(&headers).map(str::to_owned);
    let made = publish(&site, bridges, room, &offer, guest, token).await?;
    Ok(created(&site, made))
}

/// The parts of an address of WHEP.
#[derive(Debug, Deserialize)]
struct Watched {
    room: RoomName,
    user: Option<UserId>,
    stream: Option<String>,
}

async fn whep(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(watched): Path<Watched>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let bridges = bridges(&site)?;
    let offer = offered(&site, caller, &headers, &body)?;
    let name = asked.name.as_deref();
    let guest = Guest::new(&site, caller, &headers, Role::Inspector, name);
    let guest = guest.inspect_err(|_| site.refused("whep"))?;
    let wish = Wish {
        room: watched.room,
        user: watched.user,
        stream: watched.stream,
    };
    let token = bearer(&headers).map(str::to_owned);
    let made = show(&site, bridges, wish, &offer, guest, token).await?;
    Ok(created(&site, made))
}

fn created(site: &Site, made: Made) -> Response {
    let tag = Bridge::tag(0);
    let told = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, format!("/bridges/{}", made.id)),
        (header::ETAG, tag),
        (HeaderName::from_static("accept-patch"), FRAGMENT.to_owned()),
    ];
    let mut response = (StatusCode::CREATED, told, made.answer).into_response();
    for link in links(site) {
        response.headers_mut().append(header::LINK, link);
    }
    response
}

/// Servers for the client's end: RFC 9725 section 4.6.
fn links(site: &Site) -> Vec<HeaderValue> {
    let stun = site.config.stun.iter();
    let links = stun.map(|url| format!("<{url}>; rel=\"ice-server\""));
    links.filter_map(|link| link.parse().ok()).collect()
}

/// A bridge, of one who came with the same token.
fn own(site: &Site, id: &str, headers: &HeaderMap) -> Result<Arc<Bridge>, Fault> {
    let bridge = bridges(site)?
        .get(id)
        .ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "this has ended, or never was"))?;
    let same = match (&bridge.token, bearer(headers)) {
        (Some(token), Some(given)) => same_secret(token, given),
        (Some(_), None) => false,
        (None, _) => true,
    };
    match same {
        true => Ok(bridge),
        false => Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            "wanted is the token that it was made with",
        )),
    }
}

/// More candidates, or a restart of ICE: RFC 9725 sections 4.3.1 to 4.3.3.
async fn patch(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let bridge = own(&site, &id, &headers)?;
    is(&headers, FRAGMENT)?;
    let told = Fragment::read(text(&body)?)?;
    let tag = headers.get(header::IF_MATCH);
    let tag = tag.and_then(|value| value.to_str().ok()).ok_or_else(|| {
        let words = "If-Match is wanted, with the entity tag of before, or * for a restart";
        Fault::new(StatusCode::PRECONDITION_REQUIRED, words)
    })?;
    let connection = &bridge.connection;
    let mut restarts = bridge
        .restarts
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let remote = connection.remote();
    let present = remote.as_ref().map(|side| &side.ice);
    let fresh = told.username.clone().zip(told.password.clone());
    let fresh = fresh.filter(|(name, password)| {
        present.is_none_or(|ice| ice.username_frag != *name || ice.password != *password)
    });
    let is_restart = tag.trim() == "*" && fresh.is_some();
    if !is_restart && tag.trim() != "*" && tag.trim() != Bridge::tag(*restarts) {
        let words = "the entity tag is not that of the present ICE session";
        return Err(Fault::new(StatusCode::PRECONDITION_FAILED, words));
    }
    if let (Some((name, password)), Some(mut side)) = (fresh.filter(|_| is_restart), remote) {
        side.ice.username_frag = name;
        side.ice.password = password;
        connection.set_remote(side)?;
        connection.restart()?;
        *restarts = restarts.wrapping_add(1);
    }
    for candidate in &told.candidates {
        let _ = connection.set_remote_candidate(candidate);
    }
    if told.complete {
        let _ = connection.end_of_remote_candidates();
    }
    if !is_restart {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let side = connection.local();
    let own = Own {
        side: &side,
        role: ortc::RTCDtlsRole::Auto,
        candidates: &bridge.candidates,
    };
    let told = [
        (header::CONTENT_TYPE, FRAGMENT.to_owned()),
        (header::ETAG, Bridge::tag(*restarts)),
    ];
    Ok((told, fragment(&bridge.first, &own)).into_response())
}

async fn end(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Fault> {
    let bridge = own(&site, &id, &headers)?;
    if let Some(bridges) = &site.bridges {
        bridges.remove(&id);
    }
    bridge.stop.notify_one();
    Ok(StatusCode::OK)
}
