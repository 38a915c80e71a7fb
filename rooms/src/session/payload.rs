//! What is sent to peers.

use bytes::Bytes;
use serde_json::Value;

/// The most bytes of one message: a bound on what a peer can have this side hold.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// Text, JSON or bytes; what comes out has the type of what went in.
///
/// ```
/// use ortc_rooms::session::Payload;
///
/// assert_eq!(Payload::from("hello"), Payload::Text("hello".into()));
/// let json = serde_json::json!({ "x": 1 });
/// assert_eq!(Payload::from(json.clone()), Payload::Json(json));
/// assert_eq!(Payload::from(vec![1, 2]), Payload::Bytes(vec![1, 2].into()));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Payload {
    /// Text.
    Text(String),
    /// Any JSON.
    Json(Value),
    /// Bytes.
    Bytes(Bytes),
}

impl Payload {
    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Value> for Payload {
    fn from(json: Value) -> Self {
        Self::Json(json)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }
}
