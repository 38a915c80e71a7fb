//! What every object of `spec/wire.md` has in common: a member that is `null` counts as absent, and
//! what is of another world is told by its name.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::{Map, Value};

/// Reads an object without its members that are null. `wanted` is what it is, for errors.
pub(crate) fn object<'de, D, T>(deserializer: D, wanted: &str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    T::deserialize(members(deserializer, wanted)?).map_err(D::Error::custom)
}

/// The value itself, without members that are null.
pub(crate) fn members<'de, D: Deserializer<'de>>(
    deserializer: D,
    wanted: &str,
) -> Result<Value, D::Error> {
    let value = without_nulls(Value::deserialize(deserializer)?);
    match (Foreign::of(&value), &value) {
        (Some(foreign), _) => Err(foreign.error(wanted)),
        (None, Value::Object(_)) => Ok(value),
        // Its content is nobody's business: it may be a password.
        (None, other) => Err(Foreign::Other(kind_of(other)).error(wanted)),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, value| !value.is_null());
    }
    value
}

/// The forms of a candidate.
pub(crate) enum CandidateForm {
    /// Its members.
    Object(Value),
    /// A line, and the user name fragment beside it.
    Line(String, Option<String>),
}

/// A candidate: an object of its own members, of a browser's, or the line alone.
pub(crate) fn candidate<'de, D: Deserializer<'de>>(
    deserializer: D,
    wanted: &str,
) -> Result<CandidateForm, D::Error> {
    let value = Value::deserialize(deserializer)?;
    // The event of a browser that has no more, in pages of long ago.
    let is_end = value.get("candidate").is_some_and(Value::is_null);
    let value = without_nulls(value);
    if is_end && value.get("foundation").is_none() {
        return Ok(CandidateForm::Line(String::new(), None));
    }
    let line = |value: &Value| value.as_str().map(str::to_owned);
    let (text, fragment) = match &value {
        Value::Object(members) => (
            members.get("candidate").and_then(line),
            ["usernameFragment", "usernameFrag", "ufrag"]
                .into_iter()
                .find_map(|name| members.get(name).and_then(line)),
        ),
        other => (line(other), None),
    };
    match (text, Foreign::of(&value)) {
        (Some(text), None | Some(Foreign::Candidate)) => Ok(CandidateForm::Line(text, fragment)),
        (_, Some(foreign)) => Err(foreign.error(wanted)),
        (None, None) if value.is_object() => Ok(CandidateForm::Object(value)),
        (None, None) => Err(Foreign::Other(kind_of(&value)).error(wanted)),
    }
}

/// What people paste that know WebRTC with SDP, or the message around what is wanted.
enum Foreign {
    Description(String),
    Sdp,
    Candidate,
    Message(&'static str),
    /// JSON that was made into a text once more.
    Text,
    Other(&'static str),
}

/// Where the messages of applications have their session descriptions.
const DESCRIPTIONS: [&str; 6] = ["description", "desc", "sdp", "offer", "answer", "jsep"];

impl Foreign {
    fn error<E: Error>(&self, wanted: &str) -> E {
        E::custom(format!("{self}; wanted is {wanted}"))
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Object(members) => Self::of_object(members),
            Value::String(text) => Self::of_text(text),
            _ => None,
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        let text = text.trim_start();
        // RFC 8866 section 5: every session description begins with its version.
        if text.starts_with("v=0") {
            return Some(Self::Sdp);
        }
        if text.starts_with('{') {
            return match serde_json::from_str::<Value>(text).ok()? {
                Value::Object(members) => match Self::of_object(&members) {
                    Some(foreign @ Self::Description(_)) => Some(foreign),
                    _ => Some(Self::Text),
                },
                _ => None,
            };
        }
        let candidate = text.strip_prefix("a=").unwrap_or(text);
        candidate
            .starts_with("candidate:")
            .then_some(Self::Candidate)
    }

    fn of_object(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("sdp").is_some() || matches!(text("type"), Some("offer" | "answer" | "pranswer")) {
            let kind = text("type").unwrap_or("no type");
            let shown = kind.chars().filter(char::is_ascii_lowercase).take(16);
            return Some(Self::Description(shown.collect()));
        }
        if text("candidate").is_some() {
            return Some(Self::Candidate);
        }
        let inner = DESCRIPTIONS.iter().filter_map(|name| members.get(*name));
        let mut inner = inner.filter_map(Value::as_object).map(Self::of_object);
        if let Some(Some(description)) =
            inner.find(|foreign| matches!(foreign, Some(Self::Description(_))))
        {
            return Some(description);
        }
        // The messages of the example, and of `spec/wire.md`.
        let message = ["candidate", "track"].into_iter();
        message
            .filter(|name| members.get(*name).is_some_and(Value::is_object))
            .map(Self::Message)
            .next()
            .or_else(|| {
                // The name is that of the credentials in the draft's example as well.
                let inner = members.get("iceInfo")?;
                let is_side = ["ice", "dtls"]
                    .iter()
                    .any(|name| inner.get(*name).is_some());
                is_side.then_some(Self::Message("iceInfo"))
            })
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sdp = "this API has no SDP";
        match self {
            Self::Description(kind) => {
                write!(f, "this is an RTCSessionDescription ({kind}), and {sdp}")
            }
            Self::Sdp => write!(f, "this is a session description in SDP, and {sdp}"),
            Self::Candidate => f.write_str("this is an ICE candidate as browsers signal it"),
            Self::Text => f.write_str("this is a string with JSON in it"),
            Self::Other(kind) => write!(f, "this is {kind}"),
            Self::Message(member) => write!(f, "this is a message around its member {member:?}"),
        }
    }
}

/// Says what a text is that is no candidate line.
pub(crate) fn foreign_text(text: &str) -> Option<String> {
    match Foreign::of_text(text) {
        Some(Foreign::Candidate) | None => None,
        Some(foreign) => Some(foreign.to_string()),
    }
}

/// A public object of the wire: written as derived, and read as derived once its members that are
/// null are gone. The second name is of the private twin that the derived reader makes.
macro_rules! wire_object {
    (
        $wanted:literal, $raw:ident $(after $prepare:path)?:
        $(#[$attribute:meta])*
        $vis:vis struct $name:ident {
            $($(#[$of_field:meta])* $field_vis:vis $field:ident: $type:ty,)*
        }
    ) => {
        #[derive(serde::Serialize)]
        $(#[$attribute])*
        $vis struct $name {
            $($(#[$of_field])* $field_vis $field: $type,)*
        }

        #[derive(serde::Serialize, serde::Deserialize)]
        $(#[$attribute])*
        struct $raw {
            $($(#[$of_field])* $field: $type,)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                #[allow(unused_mut)]
                let mut members = crate::json::members(deserializer, $wanted)?;
                $($prepare(&mut members);)?
                let $raw { $($field,)* } =
                    serde::Deserialize::deserialize(members).map_err(serde::de::Error::custom)?;
                Ok(Self { $($field,)* })
            }
        }
    };
}
pub(crate) use wire_object;
