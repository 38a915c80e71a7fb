//! Which room is entered, and how.

use std::fmt;

use super::error::Result;
use crate::signalling::{BadName, Direction, Enter, RoomInfo, RoomName, RoomPolicy, SessionKind};

/// Which room is opened or joined, and how. A name alone will do.
///
/// ```
/// use ortc_rooms::session::RoomRequest;
///
/// let lesson = RoomRequest::from("lesson").password("chalk").max_participants(9);
/// # let _ = lesson;
/// ```
#[derive(Clone)]
#[must_use]
pub struct RoomRequest {
    room: std::result::Result<RoomName, BadName>,
    password: Option<String>,
    session: SessionKind,
    policy: Option<RoomPolicy>,
}

impl RoomRequest {
    fn new(room: std::result::Result<RoomName, BadName>) -> Self {
        Self {
            room,
            password: None,
            session: SessionKind::audio_video().and_data(),
            policy: None,
        }
    }

    /// A room of a name that nobody guesses.
    pub fn random() -> Self {
        Self::new(RoomName::new(crate::random::id()))
    }

    /// The password that the room has or gets.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// What it carries, of who opens it; default audio, video and data in all directions.
    pub fn session(mut self, session: SessionKind) -> Self {
        self.session = session;
        self
    }

    /// Who sends to whom, of who opens it.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.session = self.session.with_direction(direction);
        self
    }

    /// Its rules, of who opens it.
    pub fn policy(mut self, policy: RoomPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The most users beside the one who opens it.
    pub fn max_participants(mut self, count: u32) -> Self {
        let mut policy = self.policy.unwrap_or_default();
        policy.max_participants_allowed = count;
        self.policy = Some(policy);
        self
    }

    pub(super) fn enter(self) -> Result<Enter> {
        self.session.direction()?;
        let mut enter = Enter::new(self.room?);
        enter.password = self.password;
        enter.session = self.session;
        enter.policy = self.policy;
        Ok(enter)
    }
}

impl From<&str> for RoomRequest {
    fn from(name: &str) -> Self {
        Self::new(RoomName::new(name))
    }
}

impl From<String> for RoomRequest {
    fn from(name: String) -> Self {
        Self::new(RoomName::new(name))
    }
}

impl From<RoomName> for RoomRequest {
    fn from(name: RoomName) -> Self {
        Self::new(Ok(name))
    }
}

impl From<&RoomName> for RoomRequest {
    fn from(name: &RoomName) -> Self {
        Self::new(Ok(name.clone()))
    }
}

impl From<&RoomInfo> for RoomRequest {
    fn from(info: &RoomInfo) -> Self {
        Self::new(Ok(info.sessionid.clone())).session(info.session)
    }
}

impl fmt::Debug for RoomRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomRequest")
            .field("room", &self.room)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("session", &self.session)
            .field("policy", &self.policy)
            .finish()
    }
}
