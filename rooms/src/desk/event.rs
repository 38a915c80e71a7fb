//! What a desk tells who runs it, for hooks, logs and figures.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::room::Change;
use crate::signalling::{
    CallId, CallStatus, LeftReason, Role, RoomName, ServerMessage, SessionKind, UserId,
};

use super::store::Changed;

/// What happened at a desk. In a cluster each happens at one server alone: where it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum DeskEvent {
    /// Somebody arrived.
    Arrived {
        /// Who.
        userid: UserId,
        /// What it may do.
        role: Role,
    },
    /// Somebody came back.
    Resumed {
        /// Who.
        userid: UserId,
    },
    /// Somebody's connection is lost.
    Lost {
        /// Who.
        userid: UserId,
    },
    /// Somebody is gone.
    Gone {
        /// Who.
        userid: UserId,
    },
    /// A room began.
    RoomOpened {
        /// Which.
        room: RoomName,
        /// Its owner.
        userid: UserId,
    },
    /// A room ended.
    RoomClosed {
        /// Which.
        room: RoomName,
    },
    /// Somebody entered a room.
    Joined {
        /// Which.
        room: RoomName,
        /// Who.
        userid: UserId,
    },
    /// A room had no place for somebody.
    Full {
        /// Which.
        room: RoomName,
        /// Who.
        userid: UserId,
    },
    /// Somebody left a room.
    Left {
        /// Which.
        room: RoomName,
        /// Who.
        userid: UserId,
        /// Why.
        reason: LeftReason,
    },
    /// Another owns a room.
    Owner {
        /// Which.
        room: RoomName,
        /// Who.
        userid: UserId,
    },
    /// Something became of a call.
    Call {
        /// Which.
        call: CallId,
        /// Who calls.
        from: UserId,
        /// Who is called.
        to: UserId,
        /// What became of it; [`CallStatus::Ringing`] is the first.
        status: CallStatus,
        /// How long the two were connected, in milliseconds, of a call that ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasted_ms: Option<u64>,
        /// What for.
        session: SessionKind,
    },
}

/// The events of a change.
pub(crate) fn events(room: &RoomName, change: &Change, changed: &Changed) -> Vec<DeskEvent> {
    let mut events = Vec::new();
    let room = || room.clone();
    if let (None, Some(record)) = (&changed.before, &changed.after) {
        let userid = record.owner.clone();
        events.push(DeskEvent::RoomOpened {
            room: room(),
            userid,
        });
    }
    // A hub is the server's own.
    let person = |userid: &UserId| {
        let known = [&changed.before, &changed.after];
        let mut known = known.into_iter().flatten();
        !known.any(|record| record.hub().is_some_and(|hub| hub.user.userid == *userid))
    };
    if let Change::Open(_, entrant) | Change::Join(entrant) = change
        && entrant.user.role != Role::Hub
    {
        let userid = entrant.user.userid.clone();
        events.push(DeskEvent::Joined {
            room: room(),
            userid,
        });
    }
    for notice in changed.notices.iter() {
        match &notice.message {
            ServerMessage::Left { userid, reason, .. } if person(userid) => {
                events.push(DeskEvent::Left {
                    room: room(),
                    userid: userid.clone(),
                    reason: *reason,
                })
            }
            ServerMessage::Owner { userid, .. } => events.push(DeskEvent::Owner {
                room: room(),
                userid: userid.clone(),
            }),
            _ => {}
        }
    }
    if changed.before.is_some() && changed.after.is_none() {
        events.push(DeskEvent::RoomClosed { room: room() });
    }
    events
}

/// What a desk counted since it began.
#[derive(Debug, Default)]
pub struct Counters {
    heard: AtomicU64,
    told: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
    resumed: AtomicU64,
    overflowed: AtomicU64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident, $count:ident;)*) => {
        impl Counters {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> u64 {
                    self.$name.load(Ordering::Relaxed)
                }

                pub(crate) fn $count(&self, more: u64) {
                    self.$name.fetch_add(more, Ordering::Relaxed);
                }
            )*
        }
    };
}

counters! {
    /// Messages of clients.
    heard, count_heard;
    /// Messages to clients of what others say.
    told, count_told;
    /// Messages that were for somebody who is here no longer, or too far behind.
    dropped, count_dropped;
    /// Messages of clients that were answered by an error.
    errors, count_errors;
    /// Connections that went on where an earlier one stopped.
    resumed, count_resumed;
    /// Connections that ended because too much waited for their client.
    overflowed, count_overflowed;
}
