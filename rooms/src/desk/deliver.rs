//! What becomes of rooms reaches the clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::client::{CLOSE_REPLACED, Client, text};
use super::hall::Hall;
use super::house::House;
use super::locks::{lock, write};
use super::store::{Changed, Moved, Post, Said, StoreListener, Update};
use crate::room::{Change, RoomRecord, difference};
use crate::signalling::{LeftReason, RoomName, ServerMessage, UserId};

/// A room's rules are looked at after so long at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl StoreListener for House {
    fn changed(&self, update: Update) {
        let Update {
            room,
            record,
            notices,
        } = update;
        let hall = self.hall_of(&room, record.is_some());
        let Some(hall) = hall else { return };
        let mut hall = lock(&hall);
        let before = hall.record.clone();
        let notices =
            notices.unwrap_or_else(|| difference(before.as_deref(), record.as_deref()).into());
        hall.record.clone_from(&record);
        let (entered, left) = self.enter_and_leave(&room, &mut hall);
        // Before the answer: who has heard that it is in the room can come back to it.
        for client in &entered {
            self.give_ticket(client, Some(&hall));
        }
        hall.tell(&notices, &left);
        let all = !same_rules(before.as_deref(), record.as_deref());
        let mut stale: Vec<_> = left.into_values().collect();
        if all {
            let here = hall.present.values();
            let new = |client: &&Arc<Client>| entered.iter().any(|new| Arc::ptr_eq(new, client));
            stale.extend(here.filter(|client| !new(client)).cloned());
        }
        let found = self.found(&hall);
        drop(hall);
        for client in found {
            let returned = Change::Returned(client.userid.clone(), self.options.node.clone());
            self.soon(room.clone(), returned);
        }
        for client in &stale {
            self.give_ticket(client, None);
        }
        let shown = |record: &Option<Arc<RoomRecord>>| {
            record.as_ref().is_some_and(|record| !record.policy.hidden)
        };
        if shown(&before) || shown(&record) {
            self.note_for_lobby(room.clone());
        }
        if let Some(record) = record {
            self.watch_time(before.as_deref(), &record);
        } else {
            write(&self.halls).remove(&room);
        }
    }

    fn posted(&self, to: &UserId, post: Post) -> bool {
        self.receive_post(to, post)
    }

    fn said(&self, said: Said) {
        let Some(hall) = self.hall(&said.room) else {
            return self.counters.count_dropped(1);
        };
        let hall = lock(&hall);
        let known = hall
            .record
            .as_ref()
            .is_some_and(|record| record.member(&said.from).is_some());
        if known {
            self.hand_out(&hall, said);
        } else {
            self.counters.count_dropped(1);
        }
    }

    fn moved(&self, moved: Moved) {
        let Some(client) = self.client(&moved.userid) else {
            return;
        };
        if client.session != moved.session {
            return;
        }
        client.close(CLOSE_REPLACED, "this user came to another server");
        let house = self.me.clone();
        if moved.replaced {
            tokio::spawn(async move {
                if let Some(house) = house.upgrade() {
                    house.depart(&client, LeftReason::Left).await;
                }
            });
        } else {
            self.unwatch(&client);
            self.vacate(&client);
            tokio::spawn(send_after(house, client, moved.seen));
        }
    }

    fn made(&self, room: &RoomName, change: &Change, changed: &Changed) {
        self.tell_events(room, change, changed);
    }
}

impl House {
    fn hall_of(&self, room: &RoomName, make: bool) -> Option<Arc<Mutex<Hall>>> {
        match self.hall(room) {
            None if make => Some(write(&self.halls).entry(room.clone()).or_default().clone()),
            hall => hall,
        }
    }

    /// Finds out which clients are in the room now, and which no longer.
    fn enter_and_leave(
        &self,
        room: &RoomName,
        hall: &mut Hall,
    ) -> (Vec<Arc<Client>>, HashMap<UserId, Arc<Client>>) {
        let record = hall.record.clone();
        let members = record.iter().flat_map(|record| &record.members);
        let mut entered = Vec::new();
        for member in members.filter(|member| member.node == self.options.node) {
            if hall.present.contains_key(&member.user.userid) {
                continue;
            }
            if let Some(client) = self.client(&member.user.userid) {
                client.lock().rooms.insert(room.clone());
                hall.present
                    .insert(member.user.userid.clone(), client.clone());
                entered.push(client);
            }
        }
        let here = |userid: &UserId| {
            let member = record.as_ref().and_then(|record| record.member(userid));
            member.is_some_and(|member| member.node == self.options.node)
        };
        let left: HashMap<_, _> = hall.present.extract_if(|userid, _| !here(userid)).collect();
        for client in left.values() {
            client.lock().rooms.remove(room);
        }
        (entered, left)
    }

    /// Those who are held to be lost by others, and are connected here.
    fn found(&self, hall: &Hall) -> Vec<Arc<Client>> {
        let members = hall.record.iter().flat_map(|record| &record.members);
        members
            .filter(|member| member.lost.is_some())
            .filter_map(|member| hall.present.get(&member.user.userid))
            .filter(|client| client.lock().connected())
            .cloned()
            .collect()
    }

    /// Hands out what is said to those of the room who are here.
    pub(crate) fn hand_out(&self, hall: &Hall, said: Said) {
        let Said {
            room,
            from,
            to,
            body,
        } = said;
        let message = text(&ServerMessage::Said {
            room,
            from: from.clone(),
            direct: to.is_some(),
            body,
        });
        let mut told = 0_u64;
        match &to {
            Some(to) => {
                if let Some(client) = hall.present.get(to) {
                    client.push(message);
                    told = 1;
                }
            }
            None => {
                for (_, client) in hall.present.iter().filter(|(userid, _)| **userid != from) {
                    client.push(message.clone());
                    told = told.saturating_add(1);
                }
            }
        }
        self.counters.count_told(told);
    }

    /// Sees to it that the room ends when its time is up.
    fn watch_time(&self, before: Option<&RoomRecord>, record: &RoomRecord) {
        let Some(at) = record.policy.close_at else {
            return;
        };
        let epoch = record.epoch;
        let same =
            move |other: &RoomRecord| other.epoch == epoch && other.policy.close_at == Some(at);
        if before.is_some_and(same) {
            return;
        }
        let (house, room) = (self.me.clone(), record.room.clone());
        tokio::spawn(async move {
            loop {
                let Some(house) = house.upgrade() else { return };
                let hall = house.hall(&room);
                let now = hall.and_then(|hall| lock(&hall).record.clone());
                let Some(now) = now.filter(|now| same(now)) else {
                    return;
                };
                let left = at.saturating_sub(house.store.now());
                if left == 0 {
                    // Unavailable: later.
                    let _ = house.change(&room, Change::TimeUp).await;
                }
                drop((house, now));
                let left = Duration::from_millis(left.max(1000));
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        });
    }
}

/// Whether what tokens say of a room is the same.
fn same_rules(before: Option<&RoomRecord>, after: Option<&RoomRecord>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            before.owner == after.owner
                && before.policy == after.policy
                && before.banned == after.banned
                && before.verifier == after.verifier
        }
        _ => false,
    }
}

/// What was said to a client that is at another server by now, and which it has not seen, goes there:
/// as soon as this server has heard that it has left its rooms here, and nothing more is said to it.
async fn send_after(house: Weak<House>, client: Arc<Client>, seen: u64) {
    for wait in 1..40 {
        if client.lock().rooms.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let said = client.lock().take_said(seen);
    if let (false, Some(house)) = (said.is_empty(), house.upgrade()) {
        let to = client.userid.clone();
        house.store.post(to, Post::Missed(said)).await;
    }
}
