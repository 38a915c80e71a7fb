//! What a desk keeps: its clients, its view of the rooms, and what it needs for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};

use tokio::sync::{broadcast, mpsc};

use super::client::{Client, text};
use super::event::{Counters, DeskEvent, events};
use super::hall::Hall;
use super::line::Lines;
use super::locks::{lock, read};
use super::options::DeskOptions;
use super::password::Passwords;
use super::seal::Ticket;
use super::store::{Changed, Post, RoomStore};
use super::watchers::Lobby;
use crate::room::{Change, Refusal};
use crate::signalling::{ErrorCode, RoomName, ServerMessage, UserId};

/// So many events wait for a listener that is slow; older ones are lost to it.
const EVENTS: usize = 4096;

pub(crate) struct House {
    pub(crate) me: Weak<House>,
    pub(crate) options: DeskOptions,
    pub(crate) store: Arc<dyn RoomStore>,
    pub(crate) clients: RwLock<HashMap<UserId, Arc<Client>>>,
    pub(crate) halls: RwLock<HashMap<RoomName, Arc<Mutex<Hall>>>>,
    pub(crate) lobby: Mutex<Lobby>,
    pub(crate) lines: Mutex<Lines>,
    /// Answers that go to users of other servers.
    pub(crate) replies: OnceLock<mpsc::Sender<(UserId, Post)>>,
    pub(crate) passwords: Passwords,
    pub(crate) events: broadcast::Sender<DeskEvent>,
    pub(crate) counters: Counters,
    /// The server goes away: in so many milliseconds clients may come back.
    pub(crate) leaving: Mutex<Option<Option<u32>>>,
}

impl House {
    pub(crate) fn new(options: DeskOptions, store: Arc<dyn RoomStore>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            options,
            store,
            clients: RwLock::default(),
            halls: RwLock::default(),
            lobby: Mutex::default(),
            lines: Mutex::default(),
            replies: OnceLock::new(),
            passwords: Passwords::default(),
            events: broadcast::channel(EVENTS).0,
            counters: Counters::default(),
            leaving: Mutex::default(),
        })
    }

    pub(crate) fn client(&self, userid: &UserId) -> Option<Arc<Client>> {
        read(&self.clients).get(userid).cloned()
    }

    pub(crate) fn hall(&self, room: &RoomName) -> Option<Arc<Mutex<Hall>>> {
        read(&self.halls).get(room).cloned()
    }

    pub(crate) fn event(&self, event: DeskEvent) {
        // Nobody may listen.
        let _ = self.events.send(event);
    }

    /// Changes a room, and tells who runs the desk.
    pub(crate) async fn change(&self, room: &RoomName, change: Change) -> Result<Changed, Refusal> {
        let result = self.store.change(room.clone(), change.clone()).await;
        match &result {
            Ok(changed) => self.tell_events(room, &change, changed),
            Err(refusal) if refusal.code == ErrorCode::RoomFull => {
                if let Change::Join(entrant) = &change {
                    let (room, userid) = (room.clone(), entrant.user.userid.clone());
                    self.event(DeskEvent::Full { room, userid });
                }
            }
            Err(_) => {}
        }
        result
    }

    pub(crate) fn tell_events(&self, room: &RoomName, change: &Change, changed: &Changed) {
        for event in events(room, change, changed) {
            self.event(event);
        }
    }

    /// The next resume token of a client, with what is known of its rooms now; absent if a later
    /// one was given meanwhile. `held` is a hall that the caller has locked.
    pub(crate) fn ticket(&self, client: &Client, held: Option<&Hall>) -> Option<(u64, String)> {
        let (number, rooms) = {
            let mut state = client.lock();
            state.tickets.given = state.tickets.given.saturating_add(1);
            let rooms: Vec<_> = state.rooms.iter().cloned().collect();
            (state.tickets.given, rooms)
        };
        let known = |room: &RoomName| match held {
            Some(hall) if hall.is(room) => hall.known_to(&client.userid),
            // Locked under another only from where changes are heard of, one after the other.
            _ => lock(&*self.hall(room)?).known_to(&client.userid),
        };
        let ticket = Ticket {
            userid: client.userid.clone(),
            session: client.session.clone(),
            number,
            life: self.store.life(),
            role: client.role,
            only: client.only.clone(),
            rooms: rooms.iter().filter_map(known).collect(),
        };
        let newest = client.lock().tickets.given == number;
        newest.then(|| (number, ticket.seal(&self.options.key)))
    }

    /// Gives a client its next resume token.
    pub(crate) fn give_ticket(&self, client: &Client, held: Option<&Hall>) {
        if let Some((number, resume)) = self.ticket(client, held) {
            client.give(number, text(&ServerMessage::Resume { resume }));
        }
    }
}
