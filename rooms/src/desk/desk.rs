//! The desk.

use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

use super::client::{CLOSE_GOODBYE, text};
use super::event::{Counters, DeskEvent};
use super::hall::Hall;
use super::house::House;
use super::in_memory::InMemory;
use super::locks::{lock, read};
use super::options::{Admission, DeskOptions};
use super::outgoing::Outgoing;
use super::seal::Ticket;
use super::seat::Seat;
use super::store::{RoomStore, StoreListener};
use crate::room::{Change, Refusal, RoomRecord};
use crate::signalling::{Hello, RoomInfo, RoomName, ServerMessage, UserId};

/// A server's logic without its sockets: who is there, in which rooms, and who is told what. A
/// clone is the same desk.
///
/// Within a tokio runtime: what is due later runs there.
#[derive(Clone)]
pub struct Desk {
    house: Arc<House>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("users", &self.users())
            .field("rooms", &read(&self.house.halls).len())
            .finish_non_exhaustive()
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new(DeskOptions::default())
    }
}

impl Desk {
    /// One whose rooms are in memory.
    pub fn new(options: DeskOptions) -> Self {
        Self::with_store(options, Arc::new(InMemory::default()))
    }

    /// One whose rooms are in a store, perhaps with those of other servers.
    /// Its name, and the key that resume tokens are sealed with, are the store's where it has some.
    pub fn with_store(mut options: DeskOptions, store: Arc<dyn RoomStore>) -> Self {
        if !store.node().is_empty() {
            store.node().clone_into(&mut options.node);
        }
        options.key = store.key().unwrap_or(options.key);
        let house = House::new(options, store);
        let listener: Arc<dyn StoreListener> = house.clone();
        house.store.listen(Arc::downgrade(&listener));
        Self { house }
    }

    /// Somebody arrives, or comes back. What goes out begins with `welcome`.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it may not: its user id is taken, its token is no good, or the desk has no
    /// place.
    pub async fn arrive(
        &self,
        hello: Hello,
        admission: Admission,
    ) -> Result<(Seat, Outgoing), Refusal> {
        let (client, connection, outgoing) = self.house.arrive(hello, admission).await?;
        let seat = Seat::new(self.house.clone(), client, connection);
        Ok((seat, outgoing))
    }

    /// Whether a hello has a resume token that this desk or one with the same key has sealed; it
    /// may have been used.
    pub fn recognises(&self, hello: &Hello) -> bool {
        let token = hello.resume.as_ref();
        token.is_some_and(|token| Ticket::unseal(&self.house.options.key, token).is_some())
    }

    /// The rooms that are not hidden, by name.
    pub fn rooms(&self) -> Vec<RoomInfo> {
        self.house.rooms(|_| true)
    }

    /// How many rooms are there, the hidden ones among them.
    pub fn room_count(&self) -> usize {
        read(&self.house.halls).len()
    }

    /// What is known of a room.
    pub fn room(&self, room: &RoomName) -> Option<Arc<RoomRecord>> {
        self.house.record(room)
    }

    /// What is known of all rooms, the hidden ones among them.
    pub fn records(&self) -> Vec<Arc<RoomRecord>> {
        let halls: Vec<_> = read(&self.house.halls).values().cloned().collect();
        let record = |hall: &Arc<Mutex<Hall>>| lock(hall).record.clone();
        halls.iter().filter_map(record).collect()
    }

    /// How many clients of this desk are there, those among them whose connection is lost and who
    /// may come back.
    pub fn users(&self) -> usize {
        read(&self.house.clients).len()
    }

    /// How many clients of this desk are connected.
    pub fn connected(&self) -> usize {
        let clients = read(&self.house.clients);
        clients
            .values()
            .filter(|client| client.lock().connected())
            .count()
    }

    /// Puts somebody out of a room.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no such room, or the user is not in it.
    pub async fn eject(&self, room: &RoomName, userid: &UserId, ban: bool) -> Result<(), Refusal> {
        let (by, userid) = (None, userid.clone());
        let change = Change::Eject { by, userid, ban };
        self.house.change(room, change).await.map(drop)
    }

    /// Ends a room for all.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no such room.
    pub async fn close(&self, room: &RoomName) -> Result<(), Refusal> {
        let change = Change::Close { by: None };
        self.house.change(room, change).await.map(drop)
    }

    /// Tells all clients that the server goes away, and ends their connections. They may come back
    /// after the time in milliseconds, to another server with the same key or to the next that runs
    /// here; absent: they need not.
    pub fn say_goodbye(&self, return_after_ms: Option<u32>) {
        *lock(&self.house.leaving) = Some(return_after_ms);
        let goodbye = text(&ServerMessage::Goodbye {
            return_after_ms,
            message: "the server goes away".to_owned(),
        });
        let clients: Vec<_> = read(&self.house.clients).values().cloned().collect();
        for client in clients {
            client.last_word(&goodbye, CLOSE_GOODBYE);
        }
    }

    /// What happens from now on. A listener that is slow loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<DeskEvent> {
        self.house.events.subscribe()
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.house.counters
    }
}
