//! Why a request is not fulfilled, as its answer says it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ortc_rooms::room::Refusal;
use ortc_rooms::session::Error;
use ortc_rooms::signalling::ErrorCode;
use serde_json::json;

/// Why a request is not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(super) status: StatusCode,
    words: String,
    /// Seconds after which it may be tried again.
    later: Option<u16>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self {
            status,
            words: words.into(),
            later: None,
        }
    }

    /// What is no SDP, or none that can be answered. RFC 9725 section 4.4.3: nothing is answered in
    /// part.
    pub(super) fn offer(words: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, words)
    }

    pub(super) fn later(status: StatusCode, words: impl Into<String>, seconds: u16) -> Self {
        Self {
            later: Some(seconds),
            ..Self::new(status, words)
        }
    }
}

impl From<ortc::Error> for Fault {
    fn from(error: ortc::Error) -> Self {
        Self::offer(error.to_string())
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(status(refusal.code), refusal.message)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { code, message } => Self::new(status(code), message),
            error => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadToken | ErrorCode::BadPassword => StatusCode::UNAUTHORIZED,
        ErrorCode::NoSuchRoom | ErrorCode::NoSuchUser | ErrorCode::NotInRoom => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::NotAllowed => StatusCode::FORBIDDEN,
        _ => StatusCode::CONFLICT,
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        // RFC 9457, as RFC 9725 section 4.1 recommends.
        let problem = json!({ "status": self.status.as_u16(), "detail": self.words });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, problem.to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.later {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
