//! The files of the page, as they are in `web/`.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// Each file by its path under `web/`.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../web/", $path)))),*]
    };
}

static FILES: &[(&str, &str)] = &files![
    "index.html",
    "style.css",
    "app.js",
    "page/bar.js",
    "page/call.js",
    "page/calls.js",
    "page/chat.js",
    "page/devices.js",
    "page/dom.js",
    "page/drawer.js",
    "page/notices.js",
    "page/signalling.js",
    "page/status.js",
    "page/tile.js",
    "page/troubles.js",
    "page/wires.js",
    "ortc.js",
    "ortc/candidate.js",
    "ortc/capabilities.js",
    "ortc/channel.js",
    "ortc/codecs.js",
    "ortc/compose.js",
    "ortc/connection.js",
    "ortc/description.js",
    "ortc/dtmf.js",
    "ortc/events.js",
    "ortc/extensions.js",
    "ortc/foreign.js",
    "ortc/install.js",
    "ortc/local_candidates.js",
    "ortc/receivers.js",
    "ortc/remote_candidates.js",
    "ortc/restarts.js",
    "ortc/sdp.js",
    "ortc/seat.js",
    "ortc/session.js",
    "ortc/side.js",
    "ortc/slots.js",
    "ortc/socket.js",
    "ortc/stats.js",
    "ortc/tools.js",
    "ortc/track.js",
    "ortc/transport.js",
    "ortc.d.ts",
];

/// What is asked for, or 404.
pub(crate) async fn serve(uri: Uri) -> Response {
    let path = match uri.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some((_, text)) = FILES.iter().find(|(name, _)| *name == path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        _ => "text/plain",
    };
    let headers = [
        (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (CACHE_CONTROL, "no-cache".into()),
    ];
    (headers, *text).into_response()
}
