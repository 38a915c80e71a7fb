//! `/report`: what a person sends whom something went wrong for. It is kept as it came, whole.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::helpdesk::MOST;
use super::shelf::{id, now};
use crate::accept::Caller;
use crate::origin;
use crate::site::Site;

/// The most letters of the text, lines of the log, and bytes of a line.
const TEXT: usize = 10_000;
const LINES: usize = 2_000;
const LINE: usize = 4_000;
/// The pictures that are taken.
const PICTURES: [&str; 3] = [
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:image/webp;base64,",
];

/// What a report says: `spec/rooms.md`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report<'a> {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(default)]
    logs: Vec<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    stats: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    screenshot: Option<&'a str>,
    /// By the server: seconds since 1970.
    #[serde(default)]
    time: u64,
}

impl Report<'_> {
    fn fault(&self) -> Option<&'static str> {
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > LINE);
        let picture = |data: &&str| PICTURES.iter().any(|kind| data.starts_with(kind));
        if self.text.chars().count() > TEXT {
            return Some("`text` has more than 10000 letters");
        }
        if self.logs.len() > LINES || self.logs.iter().any(|line| line.len() > LINE) {
            return Some("`logs` has more than 2000 lines, or a line of more than 4000 bytes");
        }
        if long(&self.room) || long(&self.agent) {
            return Some("`room` or `agent` is too long");
        }
        if self.screenshot.is_some_and(|data| !picture(&data)) {
            return Some("`screenshot` is no data: URL of a PNG, a JPEG or a WebP");
        }
        None
    }
}

/// The route `/report`.
pub(crate) fn routes() -> Router<Arc<Site>> {
    let limit = DefaultBodyLimit::max(MOST);
    Router::new().route("/report", post(take).layer(limit))
}

fn refused(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

async fn take(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let Some(help) = &site.help else {
        let words = "this server takes no reports; its setting `reports` names a folder";
        return refused(StatusCode::NOT_FOUND, words);
    };
    if headers.contains_key(header::ORIGIN)
        && let Err(error) = origin::check(&site.config, &headers, caller.tls)
    {
        return refused(StatusCode::FORBIDDEN, &error.to_string());
    }
    if !help.may(caller.address) {
        site.refused("report");
        let words = "there were several reports within a minute; try again in another";
        return refused(StatusCode::TOO_MANY_REQUESTS, words);
    }
    let body = match body {
        Ok(body) => body,
        Err(error) => return refused(error.status(), &error.body_text()),
    };
    let mut report: Report<'_> = match serde_json::from_slice(&body) {
        Ok(report) => report,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Some(words) = report.fault() {
        return refused(StatusCode::BAD_REQUEST, words);
    }
    report.time = now();
    let kept = async {
        let id = id(report.time)?;
        let text = serde_json::to_vec(&report).unwrap_or_default();
        let length = u64::try_from(text.len()).ok();
        let nothing = async |_| Ok(());
        let name = format!("{id}.json");
        help.shelf
            .put(&name, Body::from(text), length, nothing)
            .await?;
        Ok::<Value, (StatusCode, String)>(json!({ "id": id }))
    };
    match kept.await {
        Ok(told) => (StatusCode::CREATED, Json(told)).into_response(),
        Err((status, words)) => refused(status, &words),
    }
}
