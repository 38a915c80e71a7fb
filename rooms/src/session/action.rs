//! Messages with a name, which one may wish an answer to.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::clock;
use super::error::{Error, Result};
use super::frame::{self, Frame, Written};
use crate::signalling::{RoomName, User};

/// A message with a name: `x.chat` and the like.
///
/// ```
/// use ortc_rooms::session::Action;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Vote {
///     yes: bool,
/// }
///
/// impl Action for Vote {
///     const NAME: &'static str = "example.vote";
/// }
/// ```
pub trait Action: Serialize + DeserializeOwned {
    /// The name, unique by what it begins with.
    const NAME: &'static str;
}

/// A line of chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// What is said.
    pub text: String,
}

impl Action for Chat {
    const NAME: &'static str = "x.chat";
}

/// A hand is raised, or lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// Raised.
    pub up: bool,
}

impl Action for Hand {
    const NAME: &'static str = "x.hand";
}

/// The room is recorded by who says so, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// It is.
    pub on: bool,
}

impl Action for Recording {
    const NAME: &'static str = "x.recording";
}

/// A clock that all see. Times are milliseconds since 1970 of the sender's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// When it ends, while it runs.
    pub until: f64,
    /// How long it is in all, in milliseconds: what it shows upwards is counted from there.
    #[serde(default)]
    pub length: f64,
    /// Whether it runs.
    pub running: bool,
    /// It counts up.
    #[serde(default)]
    pub upwards: bool,
    /// When this was sent; while it stands, what remains is `until - at`.
    pub at: f64,
}

impl Action for Timer {
    const NAME: &'static str = "x.timer";
}

/// A message with a name that came.
#[derive(Debug)]
#[non_exhaustive]
pub struct ActionEvent {
    /// In which room.
    pub room: RoomName,
    /// Of whom.
    pub from: User,
    /// Its name.
    pub name: String,
    /// What it says.
    pub body: Value,
    /// When it was sent: milliseconds since 1970 of this side's clock, once both are compared.
    pub sent: Option<f64>,
    /// Where an answer goes, if one is wanted.
    pub reply: Option<Reply>,
}

impl ActionEvent {
    /// What it says, if it is of this type.
    ///
    /// # Errors
    ///
    /// [`Error::Form`] if it has the type's name and not its form.
    pub fn read<A: Action>(&self) -> Result<Option<A>> {
        if self.name != A::NAME {
            return Ok(None);
        }
        let read = serde_json::from_value(self.body.clone());
        read.map(Some)
            .map_err(|error| Error::Form(error.to_string()))
    }
}

/// Where the answer to an action goes: once.
pub struct Reply {
    send: Box<dyn FnOnce(Written) + Send + Sync>,
    id: String,
}

impl Reply {
    pub(super) fn new(id: String, send: impl FnOnce(Written) + Send + Sync + 'static) -> Self {
        let send = Box::new(send);
        Self { send, id }
    }

    /// Answers.
    ///
    /// # Errors
    ///
    /// [`Error::Form`] if it has no JSON form; [`Error::TooLarge`].
    pub fn answer(self, body: impl Serialize) -> Result<()> {
        let body = serde_json::to_value(body).map_err(|error| Error::Form(error.to_string()))?;
        self.send(body, None)
    }

    /// Answers that it went wrong.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`].
    pub fn fail(self, error: impl Into<String>) -> Result<()> {
        self.send(Value::Null, Some(error.into()))
    }

    fn send(self, body: Value, error: Option<String>) -> Result<()> {
        let id = self.id;
        let written = Frame::Reply(frame::Reply { id, body, error }).write(clock())?;
        (self.send)(written);
        Ok(())
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("id", &self.id).finish()
    }
}

/// An action as it is sent.
pub(super) fn action_frame<A: Action>(action: &A) -> Result<Frame> {
    let body = serde_json::to_value(action).map_err(|error| Error::Form(error.to_string()))?;
    Ok(Frame::Action(frame::Action {
        name: A::NAME.to_owned(),
        body,
        id: None,
    }))
}
