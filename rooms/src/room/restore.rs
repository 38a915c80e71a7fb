//! A room that its server lost comes back with those who return.

use super::decide::{Decided, Restoring};
use super::{Member, Notice, Refusal, RoomRecord};
use crate::signalling::{ErrorCode, ServerMessage, User, UserId};

fn over() -> Refusal {
    Refusal::new(
        ErrorCode::NoSuchRoom,
        "the room that you were in has ended; join it again",
    )
}

impl Restoring {
    pub(super) fn decide(self, record: Option<&RoomRecord>, now: u64) -> Result<Decided, Refusal> {
        let Self {
            record: known,
            make,
            grace,
        } = self;
        let Some(returning) = known.members.first().cloned() else {
            return Err(over());
        };
        let mut record = match record {
            Some(record) if record.epoch == known.epoch => record.clone(),
            Some(_) => return Err(over()),
            None if make => return Ok(remade(known, returning, now, grace)),
            None => return Err(over()),
        };
        let userid = returning.user.userid.clone();
        if record.member(&userid).is_some() {
            let notices = record.returned(&userid, &returning.node)?;
            return Ok(Decided {
                record: Some(record),
                notices,
            });
        }
        let barred = record.banned.contains(&userid) || record.verifier != known.verifier;
        if barred || record.rebuilt.is_none_or(|until| until < now) {
            return Err(over());
        }
        let joined = joined(&record, returning.user.clone());
        record.put_in_order(returning);
        Ok(Decided {
            record: Some(record),
            notices: vec![Notice::others(&userid, joined)],
        })
    }
}

/// The room as the first one knows it who comes back. Its owner is held to be on its way: nobody
/// else owns the room before the grace is over.
fn remade(known: RoomRecord, returning: Member, now: u64, grace: u64) -> Decided {
    let mut record = known;
    record.members.clear();
    record.rebuilt = Some(now.saturating_add(grace));
    if record.owner != returning.user.userid {
        let owner = User::new(record.owner.clone(), Default::default());
        record.members.push(Member {
            user: owner,
            since: record.epoch,
            lost: Some(now),
            node: returning.node.clone(),
        });
    }
    record.presenter = record
        .presenter
        .filter(|presenter| *presenter == returning.user.userid);
    record.put_in_order(returning);
    Decided {
        record: Some(record),
        notices: Vec::new(),
    }
}

fn joined(record: &RoomRecord, user: User) -> ServerMessage {
    ServerMessage::Joined {
        room: record.room.clone(),
        user,
    }
}

impl RoomRecord {
    /// Where it was among those who came before and after it.
    fn put_in_order(&mut self, member: Member) {
        let at = self
            .members
            .partition_point(|other| other.since <= member.since);
        self.members.insert(at, member);
    }

    /// Those whose connection is lost, with the time of the loss.
    pub fn lost_members(&self) -> impl Iterator<Item = (&UserId, u64)> {
        self.members
            .iter()
            .filter_map(|member| Some((&member.user.userid, member.lost?)))
    }
}
