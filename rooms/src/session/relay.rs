//! What a hub does with messages: each comes once, and goes on to those that it is for.

use std::time::{Duration, Instant};

use serde_json::json;

use super::clock::clock;
use super::frame::{self, Came, Frame, Way};
use super::link::PeerLink;
use super::lossy::send_lossy;
use super::state::{RoomEntry, Shared};
use crate::signalling::{Role, UserId};

/// What a hub says when messages to somebody are dropped.
const FULL: &str = "hub.full";
/// It is said once in this time.
const FULL_AGAIN: Duration = Duration::from_secs(1);

/// The kind of channel that something came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Sure,
    Lossy,
}

impl Shared {
    /// A hub passes on what somebody says, to all whom the room's session connects with it, or to
    /// one.
    pub(super) fn pass_on(&self, entry: &mut RoomEntry, from: &UserId, lane: Lane, came: Came) {
        let inspects = |user: &crate::signalling::User| user.role == Role::Inspector;
        let barred = entry.user(from).is_none_or(inspects);
        let allowed = match came.frame {
            Frame::Ping(_) | Frame::Pong(_) => true,
            Frame::Seen(_) => came.way.to.is_some(),
            Frame::Got(_) => false,
            Frame::Payload(_) => !barred && entry.state.session.data,
            Frame::Action(_) | Frame::Reply(_) => !barred,
        };
        if !allowed {
            return;
        }
        // Each has compared its clock with the hub's.
        let sent = entry.peers.get(from).map(|link| &link.clock);
        let sent = came.at.and_then(|at| sent?.to_own(at));
        let way = Way {
            to: None,
            from: Some(from.clone()),
            n: came.way.n.filter(|_| lane == Lane::Sure),
        };
        let Ok(written) = came.frame.write_on(sent.unwrap_or_else(clock), way) else {
            return;
        };
        let mut full = None;
        for to in entry.persons() {
            let wanted = came.way.to.as_ref().is_none_or(|wanted| *wanted == to);
            if !wanted || to == *from || !entry.connects(from, &to) {
                continue;
            }
            let Some(link) = entry.peers.get_mut(&to) else {
                continue;
            };
            if lane == Lane::Lossy {
                send_lossy(link, &written);
                continue;
            }
            let taken = link.outbox.push(written.clone());
            self.passed.message(taken);
            if !taken {
                full = Some(to);
            }
        }
        if let Some(full) = full
            && let Some(link) = entry.peers.get_mut(from)
        {
            tell_full(link, &full);
        }
    }
}

/// Tells a sender that a message of its was dropped, as somebody takes no more.
fn tell_full(link: &mut PeerLink, userid: &UserId) {
    let now = Instant::now();
    let since = link.told_full.map(|told| now.duration_since(told));
    if since.is_some_and(|since| since < FULL_AGAIN) {
        return;
    }
    link.told_full = Some(now);
    let frame = Frame::Action(frame::Action {
        name: FULL.to_owned(),
        body: json!({ "userid": userid }),
        id: None,
    });
    if let Ok(written) = frame.write(clock()) {
        link.outbox.push(written);
    }
}
