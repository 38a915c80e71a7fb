//! Rooms of one process, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::clock::Clock;
use super::locks::lock;
use super::seal::random;
use super::store::{Changed, Claim, Later, Post, RoomStore, Said, StoreListener, Update};
use crate::room::{Change, Refusal, RoomRecord};
use crate::signalling::{ErrorCode, RoomName, UserId};

/// Rooms of one process. They end with it, and come back with those who have resume tokens.
pub struct InMemory {
    clock: Clock,
    life: u64,
    rooms: Mutex<HashMap<RoomName, Arc<RoomRecord>>>,
    listener: OnceLock<Weak<dyn StoreListener>>,
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InMemory")
            .field("rooms", &lock(&self.rooms).len())
            .finish_non_exhaustive()
    }
}

impl Default for InMemory {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            life: u64::from_le_bytes(random()),
            rooms: Mutex::default(),
            listener: OnceLock::new(),
        }
    }
}

impl InMemory {
    fn decide(&self, room: RoomName, change: Change) -> Result<Changed, Refusal> {
        let Some(listener) = self.listener.get().and_then(Weak::upgrade) else {
            return Err(Refusal::new(
                ErrorCode::Unavailable,
                "nobody listens to the rooms",
            ));
        };
        // Held until the listener has heard: it hears of changes in their order.
        let mut rooms = lock(&self.rooms);
        let before = rooms.get(&room).cloned();
        let decided = change.decide(before.as_deref(), self.clock.unique())?;
        let after = decided.record.map(Arc::new);
        match &after {
            Some(record) => rooms.insert(room.clone(), record.clone()),
            None => rooms.remove(&room),
        };
        let notices: Arc<[_]> = decided.notices.into();
        listener.changed(Update {
            room,
            record: after.clone(),
            notices: Some(notices.clone()),
        });
        Ok(Changed {
            before,
            after,
            notices,
        })
    }
}

impl RoomStore for InMemory {
    fn listen(&self, listener: Weak<dyn StoreListener>) {
        let _ = self.listener.set(listener);
    }

    fn change(&self, room: RoomName, change: Change) -> Later<'_, Result<Changed, Refusal>> {
        Box::pin(async move { self.decide(room, change) })
    }

    fn look(&self, room: RoomName) -> Later<'_, Result<Option<Arc<RoomRecord>>, Refusal>> {
        Box::pin(async move { Ok(lock(&self.rooms).get(&room).cloned()) })
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn life(&self) -> u64 {
        self.life
    }

    fn claim(&self, _: Claim) -> Later<'_, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn release(&self, _: UserId, _: String) -> Later<'_, ()> {
        Box::pin(async {})
    }

    fn post(&self, _: UserId, _: Post) -> Later<'_, bool> {
        Box::pin(async { false })
    }

    fn spread(&self, _: Vec<String>, _: Said) -> Later<'_, ()> {
        Box::pin(async {})
    }
}
