//! Where sender and receiver meet: a room of a server.

use std::time::Duration;

use clap::Args;
use ortc_rooms::files::shown;
use ortc_rooms::session::{Error, Event, Events, Path, Room, RoomRequest, Session};
use ortc_rooms::signalling::{ErrorCode, RoomPolicy, SessionKind};
use serde_json::json;

use crate::code::Code;
use crate::failed::{Exit, Failed, WRONG_CODE};
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
