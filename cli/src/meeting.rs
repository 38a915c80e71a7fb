//! Where sender and receiver meet: a room of a server.

use std::time::Duration;

use clap::Args;
use ortc_rooms::files::shown;
use ortc_rooms::session::{Error, Event, Events, Path, Room, RoomRequest, Session};
use ortc_rooms::signalling::{ErrorCode, RoomPolicy, SessionKind};
use serde_json::json;
use tokio::time::timeout;

use crate::code::Code;
use crate::failed::{Exit, Failed, WRONG_CODE};
use crate::lan::{self, Hub};
use crate::progress::Show;
use crate::reach::Reach;

/// Which server, and who one is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Meeting {
    #[command(flatten)]
    reach: Reach,
    /// A room's name: all who are in it, instead of one who has the code
    #[arg(long, value_name = "NAME")]
    pub(crate) room: Option<String>,
    /// An object a line on standard output, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// Both ends of a session, in a room.
pub(crate) struct Met {
    pub(crate) session: Session,
    pub(crate) events: Events,
    pub(crate) room: Room,
    /// The server, if it is this process.
    hub: Option<Hub>,
}

impl Met {
    /// Leaves, and ends all.
    pub(crate) async fn end(self) {
        let _ = timeout(Duration::from_secs(2), self.room.leave()).await;
        self.session.end();
        if let Some(hub) = self.hub {
            hub.close().await;
        }
    }
}

/// How the room is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// There must be none of the name.
    Open,
    /// It must be there, or come within this time.
    Join(Duration),
    Either,
}

impl Meeting {
    /// Goes to the room of the code, or that which was said.
    pub(crate) async fn go(&self, code: Option<&Code>, way: Way) -> Result<Met, Failed> {
        if let Some(code) = code.filter(|_| self.is_local()) {
            return self.nearby(code, way).await;
        }
        let secret = code.map(Code::to_string);
        let secret = secret.as_deref().or(self.reach.secret.as_deref());
        let (session, events) = self.reach.connect_knowing(secret).await?;
        let name = match (&self.room, code) {
            (Some(room), _) => room.clone(),
            (None, Some(code)) => code.room(),
            (None, None) => return Err("a code or --room is wanted".into()),
        };
        let room = enter(&session, &name, code.is_some(), way).await?;
        Ok(Met {
            session,
            events,
            room,
            hub: None,
        })
    }

    /// Whether the two find each other in their network.
    pub(crate) fn is_local(&self) -> bool {
        self.reach.server.is_none() && self.room.is_none()
    }

    /// The server that was named.
    pub(crate) fn server(&self) -> Option<&str> {
        self.reach.server.as_deref()
    }

    /// Meets in this network.
    async fn nearby(&self, code: &Code, way: Way) -> Result<Met, Failed> {
        let secret = code.to_string();
        if let Way::Join(patience) = way {
            let mut failed = None;
            for address in lan::find(code.word(), patience).await? {
                let connects = self.reach.connect_to(&address, Some(&secret));
                match timeout(Duration::from_secs(5), connects).await {
                    Ok(Ok((session, events))) => {
                        let room = enter(&session, &code.room(), true, way).await?;
                        return Ok(Met {
                            session,
                            events,
                            room,
                            hub: None,
                        });
                    }
                    Ok(Err(error)) => failed = Some(error),
                    Err(_) => {}
                }
            }
            return Err(failed.unwrap_or_else(|| "the sender is there and does not answer".into()));
        }
        let hub = Hub::open(code.word()).await?;
        let (session, events) = self.reach.connect_to(&hub.address, Some(&secret)).await?;
        let room = enter(&session, &code.room(), true, Way::Open).await?;
        Ok(Met {
            session,
            events,
            room,
            hub: Some(hub),
        })
    }
}

async fn enter(session: &Session, name: &str, secret: bool, way: Way) -> Result<Room, Error> {
    let request = || {
        let mut policy = RoomPolicy::default();
        policy.hidden = secret;
        policy.secret = secret;
        if secret {
            // One whose process was killed keeps its place for a while.
            policy.max_participants_allowed = 3;
        }
        RoomRequest::from(name)
            .session(SessionKind::data())
            .policy(policy)
    };
    let patience = match way {
        Way::Open => return session.open(request()).await,
        Way::Either => return session.open_or_join(request()).await,
        Way::Join(patience) => patience,
    };
    let end = tokio::time::Instant::now() + patience;
    loop {
        match session.join(request()).await {
            Err(Error::Refused {
                code: ErrorCode::NoSuchRoom | ErrorCode::RoomFull,
                ..
            }) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            entered => return entered,
        }
    }
}

/// Tells of what concerns both ends alike; an error if nothing more is to be hoped for.
pub(crate) fn common(event: &Event, show: &Show) -> Result<(), Failed> {
    match event {
        Event::Path { userid, path, .. } => {
            let object = json!({
                "event": "path",
                "with": userid,
                "direct": path.direct,
                "local": path.local,
                "remote": path.remote,
                "roundTripMs": path.round_trip.map(|time| time.as_secs_f64() * 1e3),
            });
            if show.is_json() {
                show.tell("", &object);
            }
            Ok(())
        }
        Event::SignallingLost { reason } => {
            let object = json!({ "event": "serverLost", "reason": reason });
            show.tell("the server is lost; trying to come back", &object);
            Ok(())
        }
        Event::Refused { message, .. } => {
            show.tell(message, &json!({ "event": "refused", "message": message }));
            Ok(())
        }
        Event::Ended { reason } => Err(format!("the server ended it: {}", shown(reason)).into()),
        _ => Ok(()),
    }
}

/// The command line of this process, with this put in, as one types it.
pub(crate) fn again(more: &[&str]) -> String {
    let mut words: Vec<String> = std::env::args().collect();
    if let Some(first) = words.first_mut() {
        let name = std::path::Path::new(first).file_name();
        *first = name.map_or("ortc".to_owned(), |name| name.to_string_lossy().into());
    }
    if more
        .first()
        .is_some_and(|flag| !words.iter().any(|word| word == flag))
    {
        words.extend(more.iter().map(|&word| word.to_owned()));
    }
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word, so that a shell takes it for one, and a terminal for nothing else.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", shown(word).replace('\'', r"'\''")),
    }
}

/// The way to the peer, in a sentence.
pub(crate) fn way(path: Option<&Path>) -> String {
    let Some(path) = path else {
        return String::new();
    };
    let kind = match path.direct {
        true => "direct",
        false => "by a relay",
    };
    match path.round_trip {
        Some(time) => format!("{kind}, {:.1} ms there and back", time.as_secs_f64() * 1e3),
        None => kind.to_owned(),
    }
}

pub(crate) fn wrong_code() -> Failed {
    Exit::boxed(
        WRONG_CODE,
        "the code is wrong: the sender was told of the attempt, and takes three at most",
    )
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("photo.jpg"), "photo.jpg");
        assert_eq!(quoted("my photo"), "'my photo'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert!(!quoted("a\x1b[2Jb").contains('\x1b'));
    }
}
