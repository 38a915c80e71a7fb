//! The changes of a room as values: what a store of rooms is asked for.

use super::{Entrant, Notice, Opening, Refusal, RoomRecord};
use crate::signalling::{ErrorCode, Extra, LeftReason, RoomPolicy, UserId};

/// What is to become of a room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change {
    /// It begins, with its opener in it.
    Open(Box<Opening>, Box<Entrant>),
    /// Somebody enters.
    Join(Box<Entrant>),
    /// Somebody comes back whose server was lost, with what it knows of the room.
    Restore(Box<Restoring>),
    /// Somebody leaves.
    Leave(UserId, LeftReason),
    /// Somebody's connection is lost.
    Lost {
        /// Who.
        userid: UserId,
        /// The server that it was connected to: another by now, and nothing changes.
        node: String,
    },
    /// Somebody whose connection is lost did not come back.
    Expire {
        /// Who.
        userid: UserId,
        /// When the connection was lost: another time by now, and nothing changes.
        lost: u64,
    },
    /// The owner's connection is lost for longer than a room should be without an owner.
    Succeed {
        /// Who owns the room: another by now, and nothing changes.
        userid: UserId,
        /// When the connection was lost: another time by now, and nothing changes.
        lost: u64,
    },
    /// Somebody's connection is there again, at this server.
    Returned(UserId, String),
    /// Somebody is put out.
    Eject {
        /// By whom; absent: by who runs the server.
        by: Option<UserId>,
        /// Who.
        userid: UserId,
        /// For as long as the room is there.
        ban: bool,
    },
    /// It ends for all.
    Close {
        /// By whom; absent: by who runs the server.
        by: Option<UserId>,
    },
    /// Its time is up, if its rules still say so.
    TimeUp,
    /// The first makes the second the owner.
    HandOver(UserId, UserId),
    /// Its rules change.
    Policy(UserId, Box<RoomPolicy>),
    /// Somebody tells something else of itself.
    Extra(UserId, Extra),
    /// Somebody takes the presenter's place, or gives it back.
    Present(UserId, bool),
}

/// What one who comes back knows of a room that its server may have lost.
#[derive(Debug, Clone)]
pub struct Restoring {
    /// The room as it was, with no other members than the one who comes back.
    pub record: RoomRecord,
    /// The room may be made again: the servers knew nothing of it since they started.
    pub make: bool,
    /// How long the owner's place is kept for it, in milliseconds.
    pub grace: u64,
}

/// What a decision makes of a room, and who is told.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The room; absent: it has ended.
    pub record: Option<RoomRecord>,
    /// Who is told what.
    pub notices: Vec<Notice>,
}

fn no_such_room() -> Refusal {
    Refusal::new(
        ErrorCode::NoSuchRoom,
        "no room of this name is there; open it",
    )
}

impl Change {
    /// Decides the change of a room, absent if there is none of the name, at a time in milliseconds
    /// since 1970.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the room's rules forbid it, or there is no room.
    pub fn decide(self, record: Option<&RoomRecord>, now: u64) -> Result<Decided, Refusal> {
        match self {
            Change::Open(opening, opener) => {
                if record.is_some() {
                    return Err(Refusal::new(
                        ErrorCode::RoomExists,
                        "a room of this name is there already; join it",
                    ));
                }
                let (record, notices) = RoomRecord::open(*opening, *opener, now)?;
                Ok(Decided {
                    record: Some(record),
                    notices,
                })
            }
            Change::Restore(restoring) => restoring.decide(record, now),
            change => {
                let mut record = record.ok_or_else(no_such_room)?.clone();
                let notices = change.apply(&mut record, now)?;
                Ok(Decided {
                    record: (!record.ended()).then_some(record),
                    notices,
                })
            }
        }
    }

    fn apply(self, record: &mut RoomRecord, now: u64) -> Result<Vec<Notice>, Refusal> {
        match self {
            Change::Join(entrant) => record.join(*entrant, now),
            Change::Leave(userid, reason) => record.leave(&userid, reason),
            Change::Lost { userid, node } => {
                if record.member(&userid).is_some_and(|at| at.node == node) {
                    record.lost(&userid, now);
                }
                Ok(Vec::new())
            }
            Change::Expire { userid, lost } => match record.member(&userid) {
                Some(member) if member.lost == Some(lost) => {
                    record.leave(&userid, LeftReason::Lost)
                }
                _ => Ok(Vec::new()),
            },
            Change::Succeed { userid, lost } => Ok(record.succeed(&userid, lost)),
            Change::Returned(userid, node) => record.returned(&userid, &node),
            Change::Eject { by, userid, ban } => match by {
                Some(by) => record.eject(&by, &userid, ban),
                None => record.put_out(&userid, ban),
            },
            Change::Close { by } => match by {
                Some(by) => record.close(&by),
                None => Ok(record.shut()),
            },
            Change::TimeUp => match record.policy.close_at {
                Some(at) if at <= now => Ok(record.time_up()),
                _ => Ok(Vec::new()),
            },
            Change::HandOver(by, to) => record.hand_over(&by, &to),
            Change::Policy(by, policy) => record.set_policy(&by, *policy),
            Change::Extra(userid, extra) => record.set_extra(&userid, extra),
            Change::Present(userid, on) => record.present(&userid, on),
            Change::Open(..) | Change::Restore(_) => Ok(Vec::new()),
        }
    }
}
