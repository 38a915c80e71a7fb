//! The drafts spell the same members differently. Every spelling is read; here is who writes which.

// Rows C15, C17, G26.

use serde_json::{Map, Value, json};

use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::side::RTCConnectionSide;
use crate::media::{RTCCodec, RTCMediaAttributes};

/// Whose names to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// The draft of September 2013, what serde writes.
    V001,
    /// The draft of July 2013.
    V002,
    /// The final ORTC specification.
    Final,
}

/// Old and new name; no new name: left out.
type Names = &'static [(&'static str, Option<&'static str>)];

const CODEC_V002: Names = &[
    ("clockRate", Some("hzRate")),
    ("numChannels", Some("channels")),
];
const CODEC_FINAL: Names = &[
    ("payload-id", Some("payloadType")),
    ("numChannels", Some("channels")),
    ("params", None),
];
const CANDIDATE_V002: Names = &[("relAddress", None), ("relPort", None)];
const CANDIDATE_FINAL: Names = &[
    ("connectionAddress", Some("ip")),
    ("connectionPort", Some("port")),
    ("transport", Some("protocol")),
    ("relAddress", Some("relatedAddress")),
    ("relPort", Some("relatedPort")),
    ("usernameFrag", Some("usernameFragment")),
    ("socket-id", None),
];
// The draft writes "maxWdith"; both spellings are read, the right one is written.
const ATTRIBUTES_V002: Names = &[
    ("videoMaxWidth", Some("maxWidth")),
    ("videoMaxHeight", Some("maxHeight")),
];

fn object(value: impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn text(object: Map<String, Value>) -> String {
    Value::Object(object).to_string()
}

fn rename(mut object: Map<String, Value>, names: Names) -> Map<String, Value> {
    for (old, new) in names {
        if let Some(value) = object.remove(*old)
            && let Some(new) = new
        {
            object.insert((*new).to_owned(), value);
        }
    }
    object
}

impl RTCCodec {
    /// As JSON text in a dialect. July knows no parameters but must not lose them, so they stay;
    /// the final specification has them as an object.
    pub fn to_json(&self, dialect: Dialect) -> String {
        let object = object(self);
        text(match dialect {
            Dialect::V001 => object,
            Dialect::V002 => {
                let mut object = rename(object, CODEC_V002);
                let kind = self.effective_kind();
                kind.map(|kind| object.insert("kind".into(), kind.as_str().into()));
                object
            }
            Dialect::Final => {
                let mut object = rename(object, CODEC_FINAL);
                let iana = self.facts().map_or(self.name.as_str(), |f| f.iana_name);
                object.insert("name".into(), iana.into());
                let params = self.params.iter();
                let params = params.map(|p| (p.name.clone(), json!(p.value.clone())));
                object.insert("parameters".into(), Value::Object(params.collect()));
                object
            }
        })
    }
}

impl RTCIceCandidateDescription {
    /// As JSON text in a dialect. July has a number as foundation, written where the foundation is
    /// one, always a `socket-id`, and no related address.
    pub fn to_json(&self, dialect: Dialect) -> String {
        let object = object(self);
        text(match dialect {
            Dialect::V001 => object,
            Dialect::V002 => {
                let mut object = rename(object, CANDIDATE_V002);
                let number = self.foundation.parse::<u32>().ok();
                number.map(|number| object.insert("foundation".into(), number.into()));
                object.entry("socket-id").or_insert_with(|| "".into());
                object
            }
            Dialect::Final => {
                let mut object = rename(object, CANDIDATE_FINAL);
                object.remove("component");
                object
            }
        })
    }
}

impl RTCConnectionSide {
    /// As JSON text in a dialect: nested in September; flat in July, with `context-id`, `secret`,
    /// `cname` and the fingerprints beside them. The final specification has separate objects, so
    /// there it is as in September, with `usernameFragment`.
    pub fn to_json(&self, dialect: Dialect) -> String {
        let mut all = object(self);
        match dialect {
            Dialect::V001 => {}
            Dialect::V002 => {
                let cname = all.remove("cname");
                all.clear();
                all.insert("context-id".into(), self.ice.username_frag.clone().into());
                all.insert("secret".into(), self.ice.password.clone().into());
                cname.map(|cname| all.insert("cname".into(), cname));
                let fingerprint = self.dtls.fingerprint.as_ref();
                fingerprint.map(|f| all.insert("fingerprints".into(), json!(f)));
            }
            Dialect::Final => {
                let ice = rename(object(&self.ice), CANDIDATE_FINAL);
                all.insert("ice".into(), Value::Object(ice));
            }
        }
        text(all)
    }
}

impl RTCMediaAttributes {
    /// As JSON text in a dialect.
    pub fn to_json(&self, dialect: Dialect) -> String {
        let object = object(self);
        text(match dialect {
            Dialect::V001 | Dialect::Final => object,
            Dialect::V002 => rename(object, ATTRIBUTES_V002),
        })
    }
}
