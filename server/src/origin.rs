//! Which pages may connect (RFC 6455 section 10.2): those of this server, and those it is told of.

use axum::http::{HeaderMap, header};

use crate::config::ServerConfig;

/// Who is not let in, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForeignOrigin {
    #[error(
        "pages of {0} may not connect to this server, which is {1}; its setting `allow_origins` \
         lets them"
    )]
    Foreign(String, String),
    #[error(
        "there is no Origin header; programs that are no browsers send one with this server's own \
         address, or the server's setting `allow_missing_origin` lets them come without"
    )]
    Missing,
}

/// Checks the Origin of a request. `tls`: as the client sees it.
pub(crate) fn check(
    config: &ServerConfig,
    headers: &HeaderMap,
    tls: bool,
) -> Result<(), ForeignOrigin> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let Some(origin) = text(header::ORIGIN) else {
        return if config.allow_missing_origin {
            Ok(())
        } else {
            Err(ForeignOrigin::Missing)
        };
    };
    let allowed = |allowed: &String| allowed == "*" || same(allowed, origin);
    let scheme = if tls { "https" } else { "http" };
    if same(&format!("{scheme}://{host}"), origin) || config.allow_origins.iter().any(allowed) {
        Ok(())
    } else {
        Err(ForeignOrigin::Foreign(origin.to_owned(), host.to_owned()))
    }
}

/// Scheme, host and port (RFC 6454 section 5).
fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let (scheme, place) = text.split_once("://")?;
        let port = if scheme == "https" { ":443" } else { ":80" };
        let place = place.strip_suffix(port).unwrap_or(place);
        Some((scheme.to_owned(), place.to_owned()))
    };
    plain(one).is_some_and(|one| plain(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        config: &ServerConfig,
        host: &'static str,
        origin: Option<&'static str>,
        tls: bool,
    ) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(config, &headers, tls).is_ok()
    }

    #[test]
    fn r_h02_pages_of_other_servers_may_not_connect() {
        let mut config = ServerConfig::default();
        assert!(checked(
            &config,
            "a.example:8080",
            Some("http://a.example:8080"),
            false
        ));
        assert!(checked(
            &config,
            "a.example",
            Some("https://a.example"),
            true
        ));
        assert!(checked(
            &config,
            "a.example:443",
            Some("https://A.example"),
            true
        ));
        for foreign in [
            "http://b.example",
            "http://a.example",
            "http://a.example:8080.b.example",
            "null",
            "https://a.example:8080",
            "http://b.example:8080",
            "",
            "http://a.example:8081",
        ] {
            assert!(
                !checked(&config, "a.example:8080", Some(foreign), false),
                "{foreign}"
            );
        }
        assert!(!checked(&config, "a.example", None, false));
        config.allow_missing_origin = true;
        assert!(checked(&config, "a.example", None, false));
        assert!(!checked(
            &config,
            "a.example",
            Some("http://b.example"),
            false
        ));
        config.allow_origins = vec!["https://b.example/".into()];
        assert!(checked(
            &config,
            "a.example",
            Some("https://b.example"),
            true
        ));
        assert!(!checked(
            &config,
            "a.example",
            Some("http://b.example"),
            true
        ));
        config.allow_origins = vec!["*".into()];
        assert!(checked(&config, "a.example", Some("null"), true));
    }
}
