//! What happens, for people or for programs.

use std::collections::BTreeMap;

use ortc_rooms::session::{Chat, Event, Origin, Payload, Recording};
use ortc_rooms::signalling::{Role, RoomInfo, User, UserId};
use serde_json::{Value, json};

use crate::clock;

/// In which form things are said on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A sentence a line.
    Words,
    /// A JSON object a line.
    Json,
}

impl Form {
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Words }
    }

    /// Says one thing. `kind` is the member `event` of the object.
    pub(crate) fn say(self, kind: &str, words: &str, mut object: Value) {
        if self == Self::Json {
            if let Some(members) = object.as_object_mut() {
                members.insert("event".into(), kind.into());
            }
            println!("{object}");
        } else {
            println!("{words}");
        }
    }
}

/// What kind of event, in words, and as an object.
type Told = (&'static str, String, Value);

/// Tells what happens in a session, by the names of those who are there.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) form: Form,
    names: BTreeMap<UserId, String>,
}

impl Report {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            names: BTreeMap::new(),
        }
    }

    /// Says what happened, if it is of interest.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::SessionConnected { room } => room.users.iter().for_each(|user| self.know(user)),
            Event::Joined { user, .. } | Event::Extra { user, .. } => self.know(user),
            _ => {}
        }
        if let Some((kind, words, object)) = self.told(event) {
            self.form.say(kind, &words, object);
        }
    }

    fn know(&mut self, user: &User) {
        // Those who left are remembered for their last words, but not without end.
        if self.names.len() < 10_000 || self.names.contains_key(&user.userid) {
            self.names.insert(user.userid.clone(), name(user));
        }
    }

    /// What somebody calls itself, else its id.
    pub(crate) fn name(&self, userid: &UserId) -> String {
        let known = self.names.get(userid).cloned();
        known.unwrap_or_else(|| plain(userid.as_str()))
    }

    fn told(&self, event: &Event) -> Option<Told> {
        let told = self.of_server(event).or_else(|| self.of_people(event));
        told.or_else(|| self.of_media(event))
            .or_else(|| of_words(event))
    }

    fn of_server(&self, event: &Event) -> Option<Told> {
        Some(match event {
            Event::LocalConnected {
                userid, resumed, ..
            } => (
                "connected",
                format!(
                    "connected as {userid}{}",
                    if *resumed { " again" } else { "" }
                ),
                json!({ "userid": userid, "resumed": resumed }),
            ),
            Event::SignallingLost { reason } => (
                "lost",
                format!("the server is lost, media go on: {}", plain(reason)),
                json!({ "reason": reason }),
            ),
            Event::SessionConnected { room } => (
                "room",
                format!(
                    "in {} with {}",
                    plain(room.room.as_str()),
                    others(room.users.len())
                ),
                json!({ "room": room.room, "users": room.users, "owner": room.owner }),
            ),
            Event::Closed { reason, .. } => (
                "closed",
                format!("out of the room: {}", word(reason)),
                json!({ "reason": reason }),
            ),
            Event::Refused { code, message, .. } => (
                "refused",
                plain(message),
                json!({ "code": code, "message": message }),
            ),
            Event::Ended { reason } => (
                "ended",
                format!("ended: {}", plain(reason)),
                json!({ "reason": reason }),
            ),
            _ => return None,
        })
    }

    fn of_people(&self, event: &Event) -> Option<Told> {
        Some(match event {
            Event::Joined { user, .. } => (
                "joined",
                format!("{} came{}", name(user), time_of(user)),
                json!({ "user": user }),
            ),
            Event::Left { user, reason, .. } => (
                "left",
                format!("{} left", name(user)),
                json!({ "user": user, "reason": reason }),
            ),
            Event::Owner { userid, .. } => (
                "owner",
                format!("{} owns the room now", self.name(userid)),
                json!({ "userid": userid }),
            ),
            Event::Connected { user, .. } => (
                "peer",
                format!("connected to {}", name(user)),
                json!({ "user": user }),
            ),
            Event::Disconnected { user, reason, .. } => (
                "peerLost",
                format!("{} cannot be reached, trying again: {reason}", name(user)),
                json!({ "user": user, "reason": reason.to_string() }),
            ),
            Event::Impostor { user, reason, .. } => (
                "impostor",
                format!("NOT connected to {}: {}", name(user), plain(reason)),
                json!({ "user": user, "reason": reason }),
            ),
            Event::CallRequest(call) => (
                "call",
                format!("{} calls", name(&call.from)),
                json!({ "from": call.from, "call": call.call }),
            ),
            _ => return None,
        })
    }

    fn of_media(&self, event: &Event) -> Option<Told> {
        Some(match event {
            Event::Stream(stream) if stream.origin == Origin::Remote => (
                "stream",
                format!(
                    "{} sends {}",
                    self.name(&stream.userid),
                    carried(stream.session)
                ),
                json!({
                    "userid": stream.userid, "streamid": stream.stream_id, "session": stream.session,
                }),
            ),
            Event::StreamEnded {
                userid, stream_id, ..
            } => (
                "streamEnded",
                format!("{} stopped a stream", self.name(userid)),
                json!({ "userid": userid, "streamid": stream_id }),
            ),
            Event::Mute(mute) | Event::Unmute(mute) => {
                let (kind, what) = match event {
                    Event::Mute(_) => ("mute", "is muted"),
                    _ => ("unmute", "is heard again"),
                };
                (
                    kind,
                    format!("{} {what}", self.name(&mute.userid)),
                    json!({
                        "userid": mute.userid, "streamid": mute.stream_id, "kinds": mute.kinds,
                    }),
                )
            }
            Event::ScreenShareStarted { userid, .. } => (
                "presenter",
                format!("{} presents", self.name(userid)),
                json!({ "userid": userid }),
            ),
            Event::ScreenShareEnded { .. } => (
                "presenter",
                "nobody presents".into(),
                json!({ "userid": null }),
            ),
            _ => return None,
        })
    }
}

fn of_words(event: &Event) -> Option<Told> {
    match event {
        Event::Message(message) => {
            let (words, data) = match &message.data {
                Payload::Text(text) => (plain(text), json!(text)),
                Payload::Json(value) => (plain(&value.to_string()), value.clone()),
                Payload::Bytes(bytes) => {
                    let count = bytes.len();
                    (format!("({count} bytes)"), json!({ "bytes": count }))
                }
                _ => return None,
            };
            Some((
                "message",
                format!("{}: {words}", name(&message.from)),
                json!({ "from": message.from, "data": data }),
            ))
        }
        Event::Action(action) => {
            if let Ok(Some(Recording { on })) = action.read() {
                let what = match on {
                    true => "records the room",
                    false => "records the room no longer",
                };
                return Some((
                    "recordingBy",
                    format!("{} {what}", name(&action.from)),
                    json!({ "from": action.from, "on": on }),
                ));
            }
            let chat: Chat = action.read().ok().flatten()?;
            Some((
                "chat",
                format!("{}: {}", name(&action.from), plain(&chat.text)),
                json!({ "from": action.from, "text": chat.text }),
            ))
        }
        _ => None,
    }
}

/// How somebody is called: by the name it gives itself, else by its id.
pub(crate) fn name(user: &User) -> String {
    if user.role == Role::Hub {
        return "the server".to_owned();
    }
    let given = user.extra.get("name").and_then(Value::as_str);
    plain(given.unwrap_or(user.userid.as_str()))
}

/// What time it is there, if that is told.
fn time_of(user: &User) -> String {
    let there = clock::there(&user.extra, jiff::Timestamp::now());
    there.map_or_else(String::new, |time| format!("; it is {time} there"))
}

/// Text of others, without what a terminal would obey and what changes the order of its words.
pub(crate) fn plain(text: &str) -> String {
    let escaped = |c: char| {
        let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || bidi {
            c.escape_unicode().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escaped).collect()
}

/// A room in a list.
pub(crate) fn room(info: &RoomInfo) -> String {
    let owner = info.extra.get("name").and_then(Value::as_str);
    format!(
        "{}\t{} of {}\t{}{}",
        plain(info.sessionid.as_str()),
        info.users,
        info.places,
        plain(owner.unwrap_or(info.userid.as_str())),
        if info.password { "\tpassword" } else { "" },
    )
}

fn others(users: usize) -> String {
    match users.saturating_sub(1) {
        0 => "nobody else".into(),
        1 => "one other".into(),
        more => format!("{more} others"),
    }
}

/// A reason, as its JSON has it.
fn word(reason: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(reason).unwrap_or_default();
    value.as_str().unwrap_or("unknown").to_owned()
}

fn carried(session: ortc_rooms::signalling::SessionKind) -> String {
    let parts = [
        (session.audio, "audio"),
        (session.video, "video"),
        (session.screen, "a screen"),
    ];
    let there: Vec<&str> = parts
        .into_iter()
        .filter(|part| part.0)
        .map(|part| part.1)
        .collect();
    if there.is_empty() {
        "nothing yet".into()
    } else {
        there.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nobody() {
        assert_eq!(plain("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("gpj.\u{202e}exe\n"), "gpj.\\u{202e}exe\\u{a}");
        assert_eq!(plain("Müller 😀"), "Müller 😀");
    }
}
