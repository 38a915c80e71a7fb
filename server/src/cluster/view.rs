//! What a server has seen of the bucket, and what follows from what it sees next.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use ortc_rooms::desk::{Moved, Update};
use ortc_rooms::room::RoomRecord;
use ortc_rooms::signalling::{RoomName, UserId};

use super::stored::{Of, StoredNode, StoredRoom, StoredUser};

/// A room as last seen.
#[derive(Debug, Clone)]
pub(super) struct KnownRoom {
    pub(super) revision: u64,
    pub(super) version: u64,
    pub(super) record: Arc<RoomRecord>,
}

/// What a server has seen of the bucket.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) rooms: HashMap<RoomName, KnownRoom>,
    pub(super) users: HashMap<UserId, (u64, StoredUser)>,
    /// The servers, with how many beats of this one came since their last.
    pub(super) nodes: BTreeMap<String, Beats>,
    /// What of the bucket was seen since a new look at all of it; absent: all of it.
    looked: Option<(HashSet<RoomName>, HashSet<UserId>)>,
    /// Beats of this server since then.
    beats: u32,
    /// What tells that something is there no longer, and at which beat it was seen.
    markers: VecDeque<(String, u64, u32)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Beats {
    pub(super) revision: u64,
    /// So many beats of this server came after the other's last.
    pub(super) missed: u32,
}

/// What follows from what was seen.
#[derive(Debug)]
pub(super) enum Effect {
    Room(Update),
    /// A user is at another server now, or another session of it is.
    Moved(Moved),
}

impl View {
    /// From now on all that is there comes once, and then what changes.
    pub(super) fn look_anew(&mut self) {
        self.looked = Some(Default::default());
        self.beats = 0;
        self.markers.clear();
    }

    /// What has told for so many beats that something is there no longer, and need not any more.
    pub(super) fn old_markers(&mut self, beats: u32) -> Vec<(String, u64)> {
        let mut old = Vec::new();
        while let Some((_, _, seen)) = self.markers.front()
            && seen.saturating_add(beats) <= self.beats
        {
            old.extend(self.markers.pop_front().map(|(key, at, _)| (key, at)));
        }
        old
    }

    /// All that is there has come: what did not is there no longer.
    pub(super) fn looked(&mut self) -> Vec<Effect> {
        let Some((rooms, users)) = self.looked.take() else {
            return Vec::new();
        };
        self.users.retain(|userid, _| users.contains(userid));
        let gone: Vec<_> = self
            .rooms
            .extract_if(|room, _| !rooms.contains(room))
            .collect();
        let ended = |(room, _)| {
            Effect::Room(Update {
                room,
                record: None,
                notices: None,
            })
        };
        gone.into_iter().map(ended).collect()
    }

    /// Something was written, or removed where the value is absent.
    pub(super) fn see(
        &mut self,
        me: &str,
        key: &str,
        value: Option<&[u8]>,
        revision: u64,
    ) -> Option<Effect> {
        if value.is_none() {
            self.mark(key, revision);
        }
        match Of::read(key) {
            Of::Room(room) => {
                let stored = value.and_then(|value| serde_json::from_slice(value).ok());
                let ended = |stored: &StoredRoom| stored.record.is_none();
                if stored.as_ref().is_some_and(ended) {
                    self.mark(key, revision);
                }
                self.see_room(room, stored, revision)
            }
            Of::User(userid) => {
                let stored = value.and_then(|value| serde_json::from_slice(value).ok());
                self.see_user(me, userid, stored, revision)
            }
            Of::Node(node) => {
                let alive = value.and_then(|value| serde_json::from_slice(value).ok());
                self.see_node(me, node, alive, revision);
                None
            }
            Of::Other => None,
        }
    }

    fn mark(&mut self, key: &str, revision: u64) {
        self.markers
            .push_back((key.to_owned(), revision, self.beats));
    }

    fn see_room(
        &mut self,
        room: RoomName,
        stored: Option<StoredRoom>,
        revision: u64,
    ) -> Option<Effect> {
        let known = self.rooms.remove(&room);
        let replay = self.looked.is_some();
        let notices = match (&stored, &known) {
            (Some(stored), known) => {
                let before = known.as_ref().map_or(0, |known| known.version);
                // In a new look at the bucket it may be another life of it.
                (stored.version == before.saturating_add(1) && !replay).then(|| stored.notices())
            }
            (None, _) => None,
        };
        let record = stored.as_ref().and_then(|stored| stored.record.clone());
        let version = stored.map_or(0, |stored| stored.version);
        let Some(record) = record.map(Arc::new) else {
            known.as_ref()?;
            return Some(Effect::Room(Update {
                room,
                record: None,
                notices,
            }));
        };
        if let Some((rooms, _)) = &mut self.looked {
            rooms.insert(room.clone());
        }
        let same = known.is_some_and(|known| known.record == record);
        let now = KnownRoom {
            revision,
            version,
            record: record.clone(),
        };
        self.rooms.insert(room.clone(), now);
        if same && notices.as_ref().is_none_or(|notices| notices.is_empty()) {
            return None;
        }
        Some(Effect::Room(Update {
            room,
            record: Some(record),
            notices,
        }))
    }

    fn see_user(
        &mut self,
        me: &str,
        userid: UserId,
        stored: Option<StoredUser>,
        revision: u64,
    ) -> Option<Effect> {
        let before = self.users.remove(&userid);
        let stored = stored?;
        if let Some((_, users)) = &mut self.looked {
            users.insert(userid.clone());
        }
        let moved = before.filter(|(_, before)| {
            before.node == me && (stored.node != me || stored.session != before.session)
        });
        let effect = moved.map(|(_, before)| {
            Effect::Moved(Moved {
                userid: userid.clone(),
                replaced: before.session != stored.session,
                session: before.session,
                seen: stored.seen,
            })
        });
        self.users.insert(userid, (revision, stored));
        effect
    }

    fn see_node(&mut self, me: &str, node: String, alive: Option<StoredNode>, revision: u64) {
        if alive.is_none() {
            self.nodes.remove(&node);
            return;
        }
        if node == me && self.looked.is_none() {
            self.beats = self.beats.saturating_add(1);
            for beats in self.nodes.values_mut() {
                beats.missed = beats.missed.saturating_add(1);
            }
        }
        let missed = 0;
        self.nodes.insert(node, Beats { revision, missed });
    }

    /// Whether a server lives: its beats come. One that is not known has as much time to show itself.
    pub(super) fn alive(&self, node: &str, missed: u32) -> bool {
        match self.nodes.get(node) {
            Some(beats) => beats.missed < missed,
            None => self.beats < missed,
        }
    }
}
