//! What is said: arrays of a name and an object.

use ortc_rooms::signalling::{RoomName, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a client asks.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    Presence {
        channel: RoomName,
    },
    Open {
        channel: RoomName,
        sender: UserId,
        max_allowed: u32,
    },
    Join {
        channel: RoomName,
        sender: UserId,
    },
}

/// As many may be in a channel whose opener says nothing of it.
const MAX_ALLOWED: u32 = 6;

#[derive(Deserialize)]
struct Channel {
    channel: RoomName,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    channel: RoomName,
    sender: UserId,
    #[serde(default)]
    max_allowed: Option<Count>,
}

/// Pages wrote it as text, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u32),
    Text(String),
}

#[derive(Deserialize)]
struct Join {
    channel: RoomName,
    sender: UserId,
}

/// Reads an array. The error is in words.
pub(super) fn read(text: &str) -> Result<Asked, String> {
    let read = serde_json::from_str::<(String, Value)>(text);
    let (name, value) =
        read.map_err(|error| format!("not an array of a name and an object: {error}"))?;
    fn of<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }
    match name.as_str() {
        "presence" => of(value).map(|Channel { channel }| Asked::Presence { channel }),
        "open-channel" => {
            let Open {
                channel,
                sender,
                max_allowed,
            } = of(value)?;
            let max_allowed = match max_allowed {
                None => MAX_ALLOWED,
                Some(Count::Number(count)) => count,
                Some(Count::Text(text)) => {
                    text.trim().parse().map_err(|_| "maxAllowed is a number")?
                }
            };
            if max_allowed == 0 {
                return Err("maxAllowed is at least 1".to_owned());
            }
            Ok(Asked::Open {
                channel,
                sender,
                max_allowed,
            })
        }
        "join-channel" => of(value).map(|Join { channel, sender }| Asked::Join { channel, sender }),
        _ => Err(format!(
            "{name:?} is none of presence, open-channel and join-channel"
        )),
    }
}

/// What is answered.
#[derive(Serialize)]
struct Answer<'a> {
    status: bool,
    channel: &'a RoomName,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<UserId>>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(super) fn presence(there: bool) -> String {
    json!(["presence", there]).to_string()
}

pub(super) fn opened(channel: &RoomName, result: Result<(), String>) -> String {
    answer("open-channel-resp", channel, result.map(|()| None))
}

pub(super) fn joined(channel: &RoomName, result: Result<Vec<UserId>, String>) -> String {
    answer("join-channel-resp", channel, result.map(Some))
}

fn answer(name: &str, channel: &RoomName, result: Result<Option<Vec<UserId>>, String>) -> String {
    let (status, users, message) = match result {
        Ok(users) => (true, users, None),
        Err(message) => (false, None, Some(message)),
    };
    let answer = Answer {
        status,
        channel,
        users,
        message,
    };
    serde_json::to_string(&(name, answer)).unwrap_or_default()
}

pub(super) fn error(message: &str) -> String {
    json!(["error", { "message": message }]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> RoomName {
        RoomName::new("2435937115056035").unwrap()
    }

    #[test]
    fn d53_the_arrays_are_those_of_the_seed() {
        let [opener, joiner] = ["gxh0oi2jrs", "2ilwvn9qq39"].map(|name| UserId::new(name).unwrap());
        assert_eq!(
            read(r#"[ "presence", { "channel": "2435937115056035" } ]"#),
            Ok(Asked::Presence { channel: channel() })
        );
        let open = r#"["open-channel",{"channel":"2435937115056035","sender":"gxh0oi2jrs","maxAllowed":6}]"#;
        let asked = Asked::Open {
            channel: channel(),
            sender: opener.clone(),
            max_allowed: 6,
        };
        assert_eq!(read(open), Ok(asked));
        assert_eq!(read(&open.replace(":6", ":\"6\"")), read(open));
        assert_eq!(read(&open.replace(",\"maxAllowed\":6", "")), read(open));
        let join =
            r#"["join-channel",{"channel":"2435937115056035","sender":"2ilwvn9qq39","more":1}]"#;
        assert_eq!(
            read(join),
            Ok(Asked::Join {
                channel: channel(),
                sender: joiner.clone()
            })
        );
        assert_eq!(presence(false), r#"["presence",false]"#);
        assert_eq!(
            opened(&channel(), Ok(())),
            r#"["open-channel-resp",{"status":true,"channel":"2435937115056035"}]"#
        );
        assert_eq!(
            joined(&channel(), Ok(vec![opener, joiner])),
            r#"["join-channel-resp",{"status":true,"channel":"2435937115056035","users":["gxh0oi2jrs","2ilwvn9qq39"]}]"#
        );
        assert_eq!(
            joined(&channel(), Err("full".into())),
            r#"["join-channel-resp",{"status":false,"channel":"2435937115056035","message":"full"}]"#
        );
        for bad in [
            "",
            "{}",
            "[]",
            "[\"presence\"]",
            r#"["presence",{}]"#,
            r#"["shout",{}]"#,
            r#"["open-channel",{"channel":"a","sender":"b","maxAllowed":0}]"#,
            r#"["presence",{"channel":" "}]"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
