//! Connections that are lost, and clients that go.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::event::DeskEvent;
use super::house::House;
use super::locks::{lock, write};
use super::store::Changed;
use crate::room::{Change, Refusal};
use crate::signalling::{ErrorCode, LeftReason, Role, RoomName};

/// What must become of a room is tried again after this time, and after twice as long each time,
const AGAIN: Duration = Duration::from_millis(250);
/// but not after more.
const AGAIN_AT_MOST: Duration = Duration::from_secs(5);

/// A room is without its owner for so long at most: then another owns it, though the owner may still
/// come back into it.
const WITHOUT_OWNER: Duration = Duration::from_secs(8);

impl House {
    /// A connection is lost: if it is the client's present one, the grace begins.
    pub(crate) fn lose(&self, client: &Arc<Client>, connection: u64) {
        if !client.lock().disconnect(connection) {
            return;
        }
        let here = self.client(&client.userid);
        if !here.is_some_and(|here| Arc::ptr_eq(&here, client)) {
            // It is at another server.
            return;
        }
        if client.lock().gap {
            self.counters.count_overflowed(1);
        }
        self.event(DeskEvent::Lost {
            userid: client.userid.clone(),
        });
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (house, client, grace) = (self.me.clone(), client.clone(), self.options.grace);
        let still = move |client: &Client| {
            let state = client.lock();
            state.connection == connection && !state.connected()
        };
        runtime.spawn(async move {
            if let Some(house) = house.upgrade() {
                house.note_lost(&client).await;
            }
            let first = grace.min(WITHOUT_OWNER);
            tokio::time::sleep(first).await;
            if grace > first && still(&client) {
                let Some(house) = house.upgrade() else { return };
                house.disown(&client).await;
            }
            tokio::time::sleep(grace.saturating_sub(first)).await;
            let Some(house) = house.upgrade() else { return };
            if still(&client) {
                house.depart(&client, LeftReason::Lost).await;
            }
        });
    }

    async fn note_lost(&self, client: &Client) {
        let rooms: Vec<_> = client.lock().rooms.iter().cloned().collect();
        for room in rooms {
            if client.lock().connected() {
                return;
            }
            let (userid, node) = (client.userid.clone(), self.options.node.clone());
            let lost = Change::Lost {
                userid: userid.clone(),
                node: node.clone(),
            };
            // Not there, nothing is lost; not available, the end of the grace says it.
            let _ = self.change(&room, lost).await;
            if client.lock().connected() {
                // It came back meanwhile, and perhaps its word was heard first.
                let _ = self.change(&room, Change::Returned(userid, node)).await;
            }
        }
    }

    /// Rooms of one who is lost get another owner.
    async fn disown(&self, client: &Client) {
        let rooms: Vec<_> = client.lock().rooms.iter().cloned().collect();
        for room in rooms {
            let record = self.hall(&room).and_then(|hall| lock(&hall).record.clone());
            let lost = record.filter(|record| record.owner == client.userid);
            let lost = lost.and_then(|record| record.member(&client.userid)?.lost);
            if let Some(lost) = lost {
                let userid = client.userid.clone();
                // Not available, the end of the grace says it.
                let _ = self.change(&room, Change::Succeed { userid, lost }).await;
            }
        }
    }

    /// A client goes: it leaves its rooms, and its user id is free.
    pub(crate) async fn depart(&self, client: &Arc<Client>, reason: LeftReason) {
        let rooms: Vec<_> = {
            let mut state = client.lock();
            if std::mem::replace(&mut state.gone, true) {
                return;
            }
            state.rooms.iter().cloned().collect()
        };
        self.unwatch(client);
        self.hang_up(&client.userid).await;
        for room in rooms {
            let leave = Change::Leave(client.userid.clone(), reason);
            if let Err(refusal) = self.change(&room, leave.clone()).await
                && refusal.code == ErrorCode::Unavailable
            {
                self.insist(room, leave);
            }
        }
        self.forget(client);
        let (userid, session) = (client.userid.clone(), client.session.clone());
        self.store.release(userid, session).await;
        if client.role != Role::Hub {
            self.event(DeskEvent::Gone {
                userid: client.userid.clone(),
            });
        }
    }

    /// A client has no place here any longer, whatever becomes of its rooms.
    pub(crate) fn forget(&self, client: &Arc<Client>) {
        client.lock().gone = true;
        self.vacate(client);
    }

    /// A client is not to be found here any longer.
    pub(crate) fn vacate(&self, client: &Arc<Client>) {
        let mut clients = write(&self.clients);
        if clients
            .get(&client.userid)
            .is_some_and(|there| Arc::ptr_eq(there, client))
        {
            clients.remove(&client.userid);
        }
    }

    /// Tries a change again until the rooms can be reached.
    pub(crate) fn insist(&self, room: RoomName, change: Change) {
        let house = self.me.clone();
        tokio::spawn(async move {
            let mut pause = AGAIN;
            loop {
                tokio::time::sleep(pause).await;
                let Some(house) = house.upgrade() else { return };
                match house.change(&room, change.clone()).await {
                    Err(Refusal {
                        code: ErrorCode::Unavailable,
                        ..
                    }) => pause = pause.saturating_mul(2).min(AGAIN_AT_MOST),
                    _ => return,
                }
            }
        });
    }

    /// Makes a change from where nobody can wait.
    pub(crate) fn soon(&self, room: RoomName, change: Change) {
        let house = self.me.clone();
        tokio::spawn(async move {
            if let Some(house) = house.upgrade() {
                // Refused, there is nothing to change any longer.
                let _ = house.change(&room, change).await;
            }
        });
    }

    /// A room was made again, and its owner is held to be on its way: not for longer than the grace.
    pub(crate) fn await_owner(&self, changed: &Changed) {
        let Some(record) = &changed.after else { return };
        for (userid, lost) in record.lost_members() {
            let (room, userid) = (record.room.clone(), userid.clone());
            let (house, grace) = (self.me.clone(), self.options.grace);
            tokio::spawn(async move {
                tokio::time::sleep(grace).await;
                if let Some(house) = house.upgrade() {
                    house.insist(room, Change::Expire { userid, lost });
                }
            });
        }
    }
}
