//! How a desk is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::clock::milliseconds;
use super::seal::SealKey;
use crate::signalling::{Hello, IceServer, Limits, MAX_MESSAGE, Role, RoomName, UserId};

type IceServers = Arc<dyn Fn(&UserId) -> Vec<IceServer> + Send + Sync>;

/// How a desk is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeskOptions {
    /// How long one whose connection is lost may take to come back: 30 s.
    pub grace: Duration,
    /// How long a call rings: 60 s.
    pub ring: Duration,
    /// What resume tokens are sealed with: servers that are to know each other's have the same.
    pub key: SealKey,
    /// What clients may have.
    pub limits: DeskLimits,
    /// Which STUN and TURN servers a user is told of.
    pub ice_servers: IceServers,
    /// The name of this server among others; empty where it is alone.
    pub node: String,
}

impl Default for DeskOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(30),
            ring: Duration::from_secs(60),
            key: SealKey::random(),
            limits: DeskLimits::default(),
            ice_servers: Arc::new(|_| Vec::new()),
            node: String::new(),
        }
    }
}

impl fmt::Debug for DeskOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskOptions")
            .field("grace", &self.grace)
            .field("ring", &self.ring)
            .field("limits", &self.limits)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl DeskOptions {
    pub(crate) fn told(&self) -> Limits {
        Limits {
            message_bytes: u32::try_from(MAX_MESSAGE).unwrap_or(u32::MAX),
            messages_per_second: self.limits.messages_per_second,
            rooms: u32::try_from(self.limits.rooms_per_user).unwrap_or(u32::MAX),
            grace_ms: u32::try_from(milliseconds(self.grace)).unwrap_or(u32::MAX),
        }
    }
}

/// What clients may have.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeskLimits {
    /// Users at once: 50,000.
    pub users: usize,
    /// Rooms at once: 10,000.
    pub rooms: usize,
    /// Rooms of one user at once: 16.
    pub rooms_per_user: usize,
    /// Users of one room at once, whatever its rules say: 257.
    pub users_per_room: usize,
    /// Bytes of all that the users of a room tell of themselves: 512 KiB.
    pub extras_per_room: usize,
    /// Bytes of messages that a client has not taken or not acknowledged: 256 KiB. Who is further
    /// behind loses its connection.
    pub queue_bytes: usize,
    /// What clients are told; the server that has the sockets sees to it.
    pub messages_per_second: u32,
}

impl Default for DeskLimits {
    fn default() -> Self {
        Self {
            users: 50_000,
            rooms: 10_000,
            rooms_per_user: 16,
            users_per_room: 257,
            extras_per_room: 512 * 1024,
            queue_bytes: 256 * 1024,
            messages_per_second: Limits::default().messages_per_second,
        }
    }
}

/// What a server found out of who arrives, before the desk hears of it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Admission {
    /// What it may do.
    pub role: Role,
    /// Who it is, proven: an earlier connection of the same user ends.
    pub userid: Option<UserId>,
    /// The only rooms that it may enter; absent: all.
    pub rooms: Option<Vec<RoomName>>,
    /// It is let in only if it resumes.
    pub resume_only: bool,
    /// It is the server's own: only so anybody has the role of a hub.
    pub(crate) own: bool,
}

impl Admission {
    /// One of this role, not proven to be anybody, free to enter all rooms.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            ..Self::default()
        }
    }

    /// Where roles are free to take: the one that it wishes.
    pub fn open(hello: &Hello) -> Self {
        Self::new(hello.role.unwrap_or_default())
    }

    /// The same, proven to be this user.
    pub fn with_userid(self, userid: UserId) -> Self {
        Self {
            userid: Some(userid),
            ..self
        }
    }

    /// The same, for these rooms alone.
    pub fn with_rooms(self, rooms: Vec<RoomName>) -> Self {
        Self {
            rooms: Some(rooms),
            ..self
        }
    }

    /// The server's own hub, under this user id, for this room.
    pub fn hub(userid: UserId, room: RoomName) -> Self {
        Self {
            own: true,
            ..Self::new(Role::Hub)
        }
        .with_userid(userid)
        .with_rooms(vec![room])
    }

    /// Only one who was let in before and comes back.
    pub fn returning() -> Self {
        Self {
            resume_only: true,
            ..Self::default()
        }
    }
}
