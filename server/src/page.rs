//! The page and its modules, as they are in `web/`.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web/"]
struct Embedded;

/// Everything from this server alone; pictures that the page makes itself; no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob: mediastream:; worker-src 'self'; frame-src blob:; manifest-src 'self'; font-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Camera, microphone, screen and place are for the page itself, all else for nobody.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), \
    fullscreen=(self), speaker-selection=(self), clipboard-write=(self), screen-wake-lock=(self), \
    geolocation=(self), payment=(), usb=(), serial=(), midi=()";

/// Where the page comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    folder: Option<PathBuf>,
}

impl Pages {
    /// From a folder; without one, from inside the program.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// What is asked for, or 404.
    pub(crate) async fn serve(&self, method: &Method, path: &str) -> Response {
        if method != Method::GET && method != Method::HEAD {
            return (
                StatusCode::METHOD_NOT_ALLOWED,
                "there is nothing to do here\n",
            )
                .into_response();
        }
        let name = match path.strip_prefix('/').unwrap_or(path) {
            "" | "rooms" | "rooms/" => "rooms/index.html",
            name => name,
        };
        let content = match &self.folder {
            None => Embedded::get(name).map(|file| file.data),
            Some(folder) => read(folder, name).await,
        };
        match content {
            Some(content) => (headers(name), content).into_response(),
            None => (StatusCode::NOT_FOUND, "there is nothing of this name\n").into_response(),
        }
    }
}

/// A file under the folder: names with `..` or of other places are none.
async fn read(folder: &Path, name: &str) -> Option<Cow<'static, [u8]>> {
    let name = Path::new(name);
    if !name
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    tokio::fs::read(folder.join(name))
        .await
        .ok()
        .map(Cow::Owned)
}

fn headers(name: &str) -> [(HeaderName, HeaderValue); 2] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(kind(name))),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

/// What each answer of the server has, pages or not. `host` is as the request names the server.
pub(crate) fn secured(mut response: Response, host: Option<&str>) -> Response {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_str(&policy(host));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        policy.unwrap_or(HeaderValue::from_static(POLICY)),
    );
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// With the WebSocket of the same host by name: not all browsers count it to `'self'`.
fn policy(host: Option<&str>) -> String {
    let clean = |host: &&str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".:-[]".contains(c);
        !host.is_empty() && host.chars().all(fits)
    };
    match host.filter(clean) {
        Some(host) => format!("{POLICY}; connect-src 'self' ws://{host} wss://{host}"),
        None => format!("{POLICY}; connect-src 'self'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_is_inside_the_program() {
        let pages = Pages::default();
        let module = pages.serve(&Method::GET, "/ortc.js").await;
        assert_eq!(module.status(), StatusCode::OK);
        assert_eq!(
            module.headers()[CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
        assert_eq!(module.headers()[CACHE_CONTROL], "no-cache");
        let none = pages.serve(&Method::GET, "/../Cargo.toml").await;
        assert_eq!(none.status(), StatusCode::NOT_FOUND);
        let post = pages.serve(&Method::POST, "/ortc.js").await;
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn a_folder_gives_what_is_in_it_and_nothing_beside_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let pages = Pages::new(Some(folder));
        for (path, wanted) in [
            ("/ortc.js", StatusCode::OK),
            ("/ortc/track.js", StatusCode::OK),
            ("/../Cargo.toml", StatusCode::NOT_FOUND),
            ("//etc/passwd", StatusCode::NOT_FOUND),
            ("/ortc/../../Cargo.toml", StatusCode::NOT_FOUND),
            ("/ortc", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(
                pages.serve(&Method::GET, path).await.status(),
                wanted,
                "{path}"
            );
        }
    }

    #[test]
    fn the_policy_names_the_host_unless_it_would_say_more() {
        assert!(policy(Some("a.example:8080")).ends_with("wss://a.example:8080"));
        for bad in ["a.example; script-src *", "a b", "", "*"] {
            assert!(policy(Some(bad)).ends_with("connect-src 'self'"), "{bad}");
        }
    }
}
