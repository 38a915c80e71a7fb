//! What goes by a hub is numbered, and sent again when the hub is lost.

use std::time::Instant;

use super::clock::clock;
use super::event::Event;
use super::frame::{Frame, Seen, Written};
use super::link::Route;
use super::state::{RoomEntry, Shared};
use crate::signalling::{RoomName, UserId};

impl RoomEntry {
    /// Puts a frame behind what waits for the hub: for one, or for all. False if too much waits.
    pub(super) fn push_by_hub(&mut self, to: Option<&UserId>, mut written: Written) -> bool {
        let hub = self.any_hub().map(|hub| hub.userid.clone());
        let link = hub.as_ref().and_then(|hub| self.peers.get(hub));
        let Some(outbox) = link.map(|link| link.outbox.clone()) else {
            return false;
        };
        let fresh = written.n.is_none() && written.counts;
        if fresh {
            self.expect(to);
            written.number(self.trail.next());
        }
        let goes = match to {
            Some(to) => written.addressed(to),
            None => written.clone(),
        };
        let taken = outbox.push(goes);
        if let Some(n) = written.n.filter(|_| taken && fresh) {
            self.trail.keep(n, to, &written, Instant::now());
        }
        if taken && written.large {
            self.trail.goes_large(to, Instant::now());
        }
        self.trail.by = hub;
        taken
    }

    /// What is said next is for this one, or for all.
    fn expect(&mut self, to: Option<&UserId>) {
        let persons = self.peers.iter().filter(|(_, link)| !link.is_hub);
        for (peer, _) in persons.filter(|(peer, _)| to.is_none_or(|to| to == *peer)) {
            self.trail.expect(peer);
        }
    }

    /// Tells those whose frames have come, or, where it is `first`, that they will be told.
    pub(super) fn tell_seen(&mut self, peer: &UserId, first: bool) {
        let Some(link) = self.peers.get_mut(peer) else {
            return;
        };
        if !first && link.came == link.told_came {
            return;
        }
        let n = link.came;
        if let Ok(written) = Frame::Seen(Seen { n }).write(clock())
            && self.push(peer, written)
            && let Some(link) = self.peers.get_mut(peer)
        {
            link.told_came = n;
        }
    }

    /// False if the frame of this number came before, by another way.
    pub(super) fn is_new(&mut self, from: &UserId, n: Option<u64>) -> bool {
        let (Some(n), Some(link)) = (n, self.peers.get_mut(from)) else {
            return true;
        };
        // Each sender's frames come in their order, whichever way.
        let new = n > link.came;
        link.came = n.max(link.came);
        new
    }
}

impl Shared {
    /// If the hub is another than before, or none, what went by the one before is sent again to
    /// those who may not have it.
    pub(super) fn send_again(&self, entry: &mut RoomEntry, room: &RoomName) {
        let hub = entry.any_hub().map(|hub| hub.userid.clone());
        if entry.trail.by.is_none() || entry.trail.by == hub {
            return;
        }
        entry.trail.by = None;
        for peer in entry.persons() {
            let (unseen, more) = entry.trail.unseen(&peer, Instant::now());
            let Some(link) = entry.peers.get(&peer) else {
                continue;
            };
            if matches!(link.route, Route::Direct) {
                continue;
            }
            let mut all = !more && !entry.trail.lacks_large(&peer, Instant::now());
            let outbox = link.outbox.clone();
            for written in unseen {
                all &= match hub {
                    Some(_) => entry.push_by_hub(Some(&peer), written),
                    None => outbox.push(written),
                };
            }
            if !all {
                let (room, user) = (room.clone(), entry.user_or_bare(&peer));
                let error = "messages may have been lost with the hub".to_owned();
                self.event(Event::DataError { room, user, error });
            }
        }
        entry.trail.forget_large();
    }
}
