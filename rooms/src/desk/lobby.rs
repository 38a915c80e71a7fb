//! Those who watch the rooms are told of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::client::Client;
use super::hall::Hall;
use super::house::House;
use super::locks::{lock, read};
use super::watchers::Watcher;
use crate::signalling::{Extra, RoomInfo, RoomName, ServerMessage};

/// Changes are told together after this time.
const TOGETHER: Duration = Duration::from_millis(200);
/// About so many bytes of rooms are in a message.
const MESSAGE: usize = 32 * 1024;

impl House {
    /// Tells a client of the rooms, and from now on of their changes, or no longer.
    pub(crate) fn watch(&self, client: &Arc<Client>, watch: bool, channel: Option<String>) {
        let mut lobby = lock(&self.lobby);
        if !watch {
            lobby.watchers.remove(&client.userid);
            return;
        }
        let watcher = Watcher {
            client: client.clone(),
            channel,
            behind: false,
        };
        self.tell_all_rooms(&watcher);
        lobby.watchers.insert(client.userid.clone(), watcher);
    }

    /// A client that came back, and missed what it was told, gets all rooms again.
    pub(crate) fn watch_again(&self, client: &Client) {
        if let Some(watcher) = lock(&self.lobby).watchers.get(&client.userid) {
            self.tell_all_rooms(watcher);
        }
    }

    /// A client watches no longer.
    pub(crate) fn unwatch(&self, client: &Client) {
        lock(&self.lobby).watchers.remove(&client.userid);
    }

    /// A room changed: those who watch are told soon.
    pub(crate) fn note_for_lobby(&self, room: RoomName) {
        let mut lobby = lock(&self.lobby);
        if lobby.watchers.is_empty() {
            return;
        }
        lobby.changed.insert(room);
        if std::mem::replace(&mut lobby.telling, true) {
            return;
        }
        drop(lobby);
        let house = self.me.clone();
        tokio::spawn(async move {
            tokio::time::sleep(TOGETHER).await;
            if let Some(house) = house.upgrade() {
                house.tell_lobby();
            }
        });
    }

    fn tell_lobby(&self) {
        let mut lobby = lock(&self.lobby);
        lobby.telling = false;
        let changed = std::mem::take(&mut lobby.changed);
        let infos: Vec<_> = changed
            .into_iter()
            .map(|room| {
                let info = self.info(&room);
                (room, info)
            })
            .collect();
        for watcher in lobby.watchers.values_mut() {
            if self.far_behind(&watcher.client) {
                watcher.behind = true;
                continue;
            }
            if std::mem::take(&mut watcher.behind) {
                self.tell_all_rooms(watcher);
                continue;
            }
            let wanted = infos.iter().filter(|(room, _)| watcher.wants(room));
            let (mut rooms, mut gone) = (Vec::new(), Vec::new());
            for (room, info) in wanted {
                match info {
                    Some(info) => rooms.push(info.clone()),
                    None => gone.push(room.clone()),
                }
            }
            if !rooms.is_empty() || !gone.is_empty() {
                self.tell_rooms(&watcher.client, false, rooms, gone);
            }
        }
    }

    fn far_behind(&self, client: &Client) -> bool {
        client.lock().outbox.unsent() > self.options.limits.queue_bytes / 4
    }

    fn info(&self, room: &RoomName) -> Option<RoomInfo> {
        lock(&*self.hall(room)?).record.as_ref()?.info()
    }

    fn tell_all_rooms(&self, watcher: &Watcher) {
        let rooms = self.rooms(|room| watcher.wants(room));
        self.tell_rooms(&watcher.client, true, rooms, Vec::new());
    }

    /// The rooms that are not hidden, by name.
    pub(crate) fn rooms(&self, wanted: impl Fn(&RoomName) -> bool) -> Vec<RoomInfo> {
        let halls: Vec<_> = {
            let halls = read(&self.halls);
            let wanted = halls.iter().filter(|(room, _)| wanted(room));
            wanted.map(|(_, hall)| hall.clone()).collect()
        };
        let info = |hall: Arc<Mutex<Hall>>| lock(&hall).record.as_ref()?.info();
        let mut rooms: Vec<_> = halls.into_iter().filter_map(info).collect();
        rooms.sort_by(|one, other| one.sessionid.cmp(&other.sessionid));
        rooms
    }

    /// Tells of rooms, in as many messages as it takes. What owners tell of themselves is left out
    /// when it would fill the half of what may wait for a client, and rooms when they would.
    fn tell_rooms(
        &self,
        client: &Client,
        mut all: bool,
        rooms: Vec<RoomInfo>,
        mut gone: Vec<RoomName>,
    ) {
        let budget = self.options.limits.queue_bytes / 4;
        let (mut told, mut page, mut bytes) = (0_usize, Vec::new(), 0_usize);
        for mut room in rooms {
            let mut length = length(&room);
            if told.saturating_add(length) > budget {
                room.extra = Extra::Null;
                length = self::length(&room);
            }
            if told.saturating_add(length) > budget.saturating_mul(2) {
                break;
            }
            told = told.saturating_add(length);
            bytes = bytes.saturating_add(length);
            page.push(room);
            if bytes > MESSAGE {
                client.tell(&ServerMessage::Rooms {
                    all,
                    rooms: std::mem::take(&mut page),
                    gone: Vec::new(),
                });
                (all, bytes) = (false, 0);
            }
        }
        // Names of 128 bytes at the most.
        while gone.len() > 128 {
            let later = gone.split_off(128);
            client.tell(&ServerMessage::Rooms {
                all,
                rooms: Vec::new(),
                gone: std::mem::replace(&mut gone, later),
            });
            all = false;
        }
        if all || !page.is_empty() || !gone.is_empty() {
            client.tell(&ServerMessage::Rooms {
                all,
                rooms: page,
                gone,
            });
        }
    }
}

fn length(room: &RoomInfo) -> usize {
    serde_json::to_string(room).map_or(0, |text| text.len())
}
