//! What users are to be told who missed changes of a room: the difference of two records.

use super::{Notice, RoomRecord};
use crate::signalling::{ClosedReason, LeftReason, ServerMessage};

/// What is told of the way from one record of a room to another, without the changes between them.
/// Why somebody left is not known any more: it counts as lost, or as the end of the room.
pub fn difference(before: Option<&RoomRecord>, after: Option<&RoomRecord>) -> Vec<Notice> {
    match (before, after) {
        (None, None) => Vec::new(),
        (Some(before), None) => ended(before),
        (None, Some(after)) => entered(after),
        (Some(before), Some(after)) if before.epoch != after.epoch => {
            let mut notices = ended(before);
            notices.extend(entered(after));
            notices
        }
        (Some(before), Some(after)) => changed(before, after),
    }
}

fn ended(before: &RoomRecord) -> Vec<Notice> {
    let closed = |reason| ServerMessage::Closed {
        room: before.room.clone(),
        reason,
    };
    before
        .members
        .iter()
        .map(|member| Notice::to_one(&member.user.userid, closed(ClosedReason::Closed)))
        .collect()
}

fn entered(after: &RoomRecord) -> Vec<Notice> {
    let state = || ServerMessage::Room(after.state(None));
    after
        .members
        .iter()
        .map(|member| Notice::to_one(&member.user.userid, state()))
        .collect()
}

fn changed(before: &RoomRecord, after: &RoomRecord) -> Vec<Notice> {
    let room = || after.room.clone();
    let mut notices = Vec::new();
    for member in &before.members {
        let userid = &member.user.userid;
        match after.member(userid) {
            Some(now) if now.since == member.since => {
                if now.user.extra != member.user.extra {
                    let message = ServerMessage::Extra {
                        userid: userid.clone(),
                        extra: now.user.extra.clone(),
                    };
                    notices.push(Notice::others(userid, message));
                }
            }
            still => {
                if still.is_none() {
                    let reason = if after.banned.contains(userid) {
                        ClosedReason::Banned
                    } else {
                        ClosedReason::Lost
                    };
                    let closed = ServerMessage::Closed {
                        room: room(),
                        reason,
                    };
                    notices.push(Notice::to_one(userid, closed));
                }
                let left = ServerMessage::Left {
                    room: room(),
                    userid: userid.clone(),
                    reason: LeftReason::Lost,
                };
                notices.push(Notice::others(userid, left));
            }
        }
    }
    for member in &after.members {
        let userid = &member.user.userid;
        if before
            .member(userid)
            .is_none_or(|old| old.since != member.since)
        {
            let joined = ServerMessage::Joined {
                room: room(),
                user: member.user.clone(),
            };
            notices.push(Notice::to_one(
                userid,
                ServerMessage::Room(after.state(None)),
            ));
            notices.push(Notice::others(userid, joined));
        }
    }
    if before.owner != after.owner {
        notices.push(Notice::all(ServerMessage::Owner {
            room: room(),
            userid: after.owner.clone(),
        }));
    }
    if before.policy != after.policy {
        notices.push(Notice::all(ServerMessage::Policy {
            room: room(),
            policy: after.policy.clone(),
        }));
    }
    if before.presenter != after.presenter {
        notices.push(Notice::all(ServerMessage::Presenter {
            room: room(),
            userid: after.presenter.clone(),
        }));
    }
    notices
}
