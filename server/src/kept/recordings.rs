//! `/recordings`: left here by who may, listed and fetched by who may.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use ortc_rooms::signalling::{Role, RoomName, UserId};
use serde::Deserialize;
use serde_json::json;
use tower_http::services::ServeFile;

use super::about::{About, clean, is_id, media_type};
use super::shelf::{Refused, Shelf, id, now, write};
use crate::accept::Caller;
use crate::origin;
use crate::site::Site;
use crate::tokens::same_secret;

/// The routes under `/recordings`.
pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/recordings", get(list).post(leave))
        .route("/recordings/{id}", get(fetch).delete(remove))
}

fn said((status, words): Refused) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

fn refused(status: StatusCode, words: &str) -> Response {
    said((status, words.to_owned()))
}

fn not_there() -> Refused {
    let words = "no recording of this id is there".to_owned();
    (StatusCode::NOT_FOUND, words)
}

/// Who asks, as its token says.
enum Holder {
    /// Of the server's `api_token`.
    Operator,
    /// Of a token for some rooms, or all.
    Of {
        rooms: Option<Vec<RoomName>>,
        userid: Option<UserId>,
        admin: bool,
    },
    /// Without a token, where recordings are taken of everybody.
    Anybody,
}

impl Holder {
    fn may(&self, room: &RoomName) -> bool {
        match self {
            Self::Of { rooms, .. } => rooms.as_ref().is_none_or(|rooms| rooms.contains(room)),
            Self::Operator | Self::Anybody => true,
        }
    }
}

fn shelf(site: &Site) -> Result<&Shelf, Refused> {
    site.recordings.as_ref().ok_or_else(|| {
        let words = "this server takes no recordings; its setting `recordings` names a folder";
        (StatusCode::NOT_FOUND, words.to_owned())
    })
}

fn holder(site: &Site, caller: Caller, headers: &HeaderMap) -> Result<Holder, Refused> {
    if headers.contains_key(header::ORIGIN) {
        origin::check(&site.config, headers, caller.tls)
            .map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))?;
    }
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(given) = given else {
        if site.config.recordings_open {
            return Ok(Holder::Anybody);
        }
        let words = "wanted is `Authorization: Bearer` with the server's `api_token`, or with a \
            token that says `record`";
        return Err((StatusCode::UNAUTHORIZED, words.to_owned()));
    };
    let operator = site.config.api_token.as_ref();
    if operator.is_some_and(|wanted| same_secret(given, wanted)) {
        return Ok(Holder::Operator);
    }
    let now = std::time::Instant::now();
    match site.tokens.read(given) {
        Ok(claims) if claims.record || claims.role == Role::Admin => Ok(Holder::Of {
            rooms: claims.only(),
            admin: claims.role == Role::Admin,
            userid: claims.sub,
        }),
        Ok(_) if site.config.recordings_open => Ok(Holder::Anybody),
        Ok(_) => {
            let words = "this token does not say `record`, and is no admin's";
            Err((StatusCode::FORBIDDEN, words.to_owned()))
        }
        // Guessing is as slow as connecting.
        Err(_) if !site.counts.may_connect(caller.address, now) => {
            let words = "try again in a second".to_owned();
            Err((StatusCode::TOO_MANY_REQUESTS, words))
        }
        Err(error) => {
            site.refused("recordings");
            Err((StatusCode::UNAUTHORIZED, error.to_string()))
        }
    }
}

/// One that may list and fetch.
fn reader(site: &Site, caller: Caller, headers: &HeaderMap) -> Result<Holder, Refused> {
    match holder(site, caller, headers)? {
        Holder::Anybody => {
            let words = "to fetch recordings a token is wanted, though not to leave them";
            Err((StatusCode::UNAUTHORIZED, words.to_owned()))
        }
        holder => Ok(holder),
    }
}

#[derive(Deserialize)]
struct Named {
    room: RoomName,
    #[serde(default)]
    name: String,
}

async fn leave(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    named: Result<Query<Named>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let Query(named) = match named {
        Ok(named) => named,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    match taken(&site, caller, named, &headers, request.into_body()).await {
        Ok(about) => (StatusCode::CREATED, Json(about)).into_response(),
        Err(why) => said(why),
    }
}

async fn taken(
    site: &Site,
    caller: Caller,
    named: Named,
    headers: &HeaderMap,
    body: Body,
) -> Result<About, Refused> {
    let shelf = shelf(site)?;
    let holder = holder(site, caller, headers)?;
    if !holder.may(&named.room) {
        let words = "this token is for other rooms".to_owned();
        return Err((StatusCode::FORBIDDEN, words));
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let time = now();
    let mut about = About {
        id: id(time)?,
        room: named.room,
        name: clean(&named.name),
        media_type: media_type(text(header::CONTENT_TYPE).unwrap_or_default()).to_owned(),
        bytes: 0,
        time,
        userid: match holder {
            Holder::Of { userid, .. } => userid,
            _ => None,
        },
    };
    let beside = about.clone();
    let file = about.file();
    let bytes = shelf.put(&file, body, length, async |bytes| {
        let about = About { bytes, ..beside };
        let text = serde_json::to_vec(&about).map_err(io::Error::other)?;
        write(&shelf.path(&format!("{}.json", about.id)), &text).await
    });
    about.bytes = bytes.await?;
    Ok(about)
}

#[derive(Deserialize)]
struct Which {
    room: Option<RoomName>,
}

async fn list(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Query(Which { room }): Query<Which>,
    headers: HeaderMap,
) -> Response {
    let listed = async {
        let (shelf, holder) = (shelf(&site)?, reader(&site, caller, &headers)?);
        let names = shelf.names().await.map_err(|_| not_there())?;
        let mut found = Vec::new();
        for name in names {
            let Some(id) = name.strip_suffix(".json").filter(|id| is_id(id)) else {
                continue;
            };
            let wanted = |about: &About| {
                holder.may(&about.room) && room.as_ref().is_none_or(|room| *room == about.room)
            };
            found.extend(about(shelf, id).await.ok().filter(wanted));
        }
        found.sort_by(|a: &About, b: &About| b.id.cmp(&a.id));
        Ok(Json(json!({ "recordings": found })).into_response())
    };
    listed.await.unwrap_or_else(said)
}

async fn about(shelf: &Shelf, id: &str) -> Result<About, Refused> {
    if !is_id(id) {
        return Err(not_there());
    }
    let text = tokio::fs::read(shelf.path(&format!("{id}.json"))).await;
    let text = text.map_err(|_| not_there())?;
    let about: About = serde_json::from_slice(&text).map_err(|_| not_there())?;
    // What is not whole has no file of this name.
    let whole = tokio::fs::try_exists(shelf.path(&about.file())).await;
    match about.id == id && whole.unwrap_or(false) {
        true => Ok(about),
        false => Err(not_there()),
    }
}

/// One that whoever asks may have; for others it is not there.
async fn found<'a>(
    site: &'a Site,
    caller: Caller,
    id: &str,
    headers: &HeaderMap,
) -> Result<(&'a Shelf, About, Holder), Refused> {
    let (shelf, holder) = (shelf(site)?, reader(site, caller, headers)?);
    let about = about(shelf, id).await?;
    match holder.may(&about.room) {
        true => Ok((shelf, about, holder)),
        false => Err(not_there()),
    }
}

async fn fetch(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let fetched = async {
        let (shelf, about, _) = found(&site, caller, &id, request.headers()).await?;
        // All of it, or what is asked for: RFC 9110 section 14.
        let mut file = ServeFile::new(shelf.path(&about.file()));
        let response = file.try_call(request).await.map_err(|_| not_there())?;
        let mut response = response.map(Body::new);
        let told = [
            (header::CONTENT_TYPE, &*about.media_type),
            (header::CONTENT_DISPOSITION, &*disposition(&about.name)),
            (header::CACHE_CONTROL, "no-store"),
        ];
        for (name, text) in told {
            if let Ok(value) = HeaderValue::from_str(text) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    };
    fetched.await.unwrap_or_else(said)
}

/// RFC 6266 section 4.1, with the name as in RFC 8187 section 3.2.
fn disposition(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let encoded: String = clean(name)
        .bytes()
        .map(|byte| match plain(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    format!("attachment; filename*=UTF-8''{encoded}")
}

async fn remove(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let removed = async {
        let (shelf, about, holder) = found(&site, caller, &id, &headers).await?;
        if matches!(holder, Holder::Of { admin: false, .. }) {
            let words = "only admins remove recordings".to_owned();
            return Err((StatusCode::FORBIDDEN, words));
        }
        let names = [about.file(), format!("{}.json", about.id)];
        shelf.remove(&names).await.map_err(|_| not_there())?;
        Ok(Json(json!({})).into_response())
    };
    removed.await.unwrap_or_else(said)
}
