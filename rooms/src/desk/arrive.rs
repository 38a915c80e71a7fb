//! Who arrives: for the first time, or back.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::client::{CLOSE_REPLACED, Client, Connection};
use super::event::DeskEvent;
use super::house::House;
use super::locks::{lock, read, write};
use super::options::Admission;
use super::outgoing::Outgoing;
use super::seal::{Ticket, random_id};
use super::store::Claim;
use crate::room::{Change, Refusal, Restoring, RoomRecord};
use crate::signalling::{
    ClosedReason, Envelope, ErrorCode, Extra, Hello, LeftReason, MAX_EXTRA, Role, ServerMessage,
    User, UserId, VERSION, Welcome,
};

/// A client, the number of its connection, and what goes out by it.
pub(crate) type Arrived = (Arc<Client>, u64, Outgoing);

fn refuse<T>(code: ErrorCode, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, message))
}

/// # Errors
///
/// [`Refusal`] if it is too long.
pub(crate) fn check_extra(extra: &Extra) -> Result<(), Refusal> {
    let bytes = serde_json::to_string(extra).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_EXTRA {
        let words = format!("what a user tells of itself has at most {MAX_EXTRA} bytes");
        return refuse(ErrorCode::TooLarge, words);
    }
    Ok(())
}

impl House {
    pub(crate) async fn arrive(
        &self,
        hello: Hello,
        admission: Admission,
    ) -> Result<Arrived, Refusal> {
        if hello.version != VERSION {
            let words = format!("this server speaks version {VERSION}");
            return refuse(ErrorCode::BadVersion, words);
        }
        check_extra(&hello.extra)?;
        let asks = hello.role == Some(Role::Hub) || admission.role == Role::Hub;
        if asks && !admission.own {
            return refuse(
                ErrorCode::NotAllowed,
                "the role of a hub is the server's own",
            );
        }
        if lock(&self.leaving).is_some() {
            return refuse(
                ErrorCode::Unavailable,
                "this server goes away; come back later",
            );
        }
        let ticket = hello
            .resume
            .as_ref()
            .and_then(|token| Ticket::unseal(&self.options.key, token));
        match ticket {
            Some(ticket) => self.resume(hello, admission, ticket).await,
            None if admission.resume_only => refuse(
                ErrorCode::BadToken,
                "this server wants a token, or one of its own to come back with",
            ),
            None => self.begin(hello, admission).await,
        }
    }

    /// For the first time.
    async fn begin(&self, hello: Hello, admission: Admission) -> Result<Arrived, Refusal> {
        let proven = admission.userid.is_some();
        let userid = match admission.userid.or(hello.userid) {
            Some(userid) => userid,
            None => UserId::new(random_id())
                .map_err(|error| Refusal::new(ErrorCode::Unavailable, error.to_string()))?,
        };
        if proven && let Some(before) = self.client(&userid) {
            self.replace(&before).await;
        }
        let user = User::new(userid, admission.role).with_extra(hello.extra);
        let client = Arc::new(Client::new(
            user,
            random_id(),
            admission.rooms,
            self.options.limits.queue_bytes,
        ));
        self.settle(&client, None, proven, None).await?;
        if client.role != Role::Hub {
            self.event(DeskEvent::Arrived {
                userid: client.userid.clone(),
                role: client.role,
            });
        }
        let line = client.lock().connect();
        Ok(self.welcome(client, line, false, 0))
    }

    /// Gives a client its place under its user id, if nobody has it.
    async fn settle(
        &self,
        client: &Arc<Client>,
        ticket: Option<u64>,
        proven: bool,
        seen: Option<u64>,
    ) -> Result<(), Refusal> {
        let taken = || {
            let words = format!("somebody has the user id {}; choose another", client.userid);
            refuse(ErrorCode::UserIdTaken, words)
        };
        {
            let mut clients = write(&self.clients);
            if clients.len() >= self.options.limits.users {
                return refuse(
                    ErrorCode::Unavailable,
                    "this server is full; try again later",
                );
            }
            match clients.entry(client.userid.clone()) {
                Entry::Occupied(_) => return taken(),
                Entry::Vacant(place) => place.insert(client.clone()),
            };
        }
        let claim = Claim {
            userid: client.userid.clone(),
            session: client.session.clone(),
            ticket,
            proven,
            seen,
        };
        if let Err(refusal) = self.store.claim(claim).await {
            self.forget(client);
            return Err(refusal);
        }
        Ok(())
    }

    /// Back, with a token of this server or of another with the same key.
    async fn resume(
        &self,
        hello: Hello,
        admission: Admission,
        ticket: Ticket,
    ) -> Result<Arrived, Refusal> {
        if admission
            .userid
            .as_ref()
            .is_some_and(|userid| *userid != ticket.userid)
        {
            return refuse(
                ErrorCode::BadToken,
                "the token is one user's, and what is to be resumed another's",
            );
        }
        match self.client(&ticket.userid) {
            Some(client) if client.session == ticket.session => {
                self.resume_here(&client, &hello, ticket.number).await
            }
            Some(before) if admission.userid.is_some() => {
                self.replace(&before).await;
                self.resume_elsewhere(hello, true, ticket).await
            }
            Some(_) => refuse(
                ErrorCode::UserIdTaken,
                format!("somebody else has the user id {} by now", ticket.userid),
            ),
            None => {
                let proven = admission.userid.is_some();
                self.resume_elsewhere(hello, proven, ticket).await
            }
        }
    }

    /// The client is known: its rooms hold, and messages go on.
    async fn resume_here(
        &self,
        client: &Arc<Client>,
        hello: &Hello,
        number: u64,
    ) -> Result<Arrived, Refusal> {
        let (rooms, whole, missed, heard, line) = {
            let mut state = client.lock();
            if number <= state.tickets.used {
                return refuse(
                    ErrorCode::BadToken,
                    "this token was used already; say hello without it",
                );
            }
            if state.gone {
                return refuse(ErrorCode::Unavailable, "just gone; try again");
            }
            state.tickets.shown = number;
            let rewound = !state.gap && state.outbox.rewind(hello.seen.unwrap_or(0));
            // A client that is told that 0 of its messages were seen takes it for a new beginning.
            let whole = rewound && state.heard > 0;
            let missed = match (whole, hello.seen) {
                (false, Some(_)) => state.unseen_said(),
                _ => Vec::new(),
            };
            if !whole {
                state.anew();
            }
            let rooms: Vec<_> = state.rooms.iter().cloned().collect();
            // The old connection ends here: what is told from now on goes out by the new one.
            (rooms, whole, missed, state.heard, state.connect())
        };
        let arrived = self.welcome(client.clone(), line, true, heard);
        let used = Claim {
            userid: client.userid.clone(),
            session: client.session.clone(),
            ticket: Some(number),
            proven: false,
            seen: None,
        };
        self.store.used(used).await;
        for room in &rooms {
            let returned = Change::Returned(client.userid.clone(), self.options.node.clone());
            // Those it is no longer in have told it so.
            let _ = self.change(room, returned).await;
            if !whole && let Some(hall) = self.hall(room) {
                lock(&hall).tell_state(client, self.store.now());
            }
        }
        for said in missed {
            client.push(said);
        }
        if !whole {
            self.watch_again(client);
        }
        let changed = !hello.extra.is_null() && client.lock().extra != hello.extra;
        if changed && let Err(refusal) = self.set_extra(client, hello.extra.clone()).await {
            client.error(refusal.code, refusal.message, None, None);
        }
        self.counters.count_resumed(1);
        self.event(DeskEvent::Resumed {
            userid: client.userid.clone(),
        });
        Ok(arrived)
    }

    /// The client was known to another server, or to this one before it was started again: its
    /// token tells what it was in.
    async fn resume_elsewhere(
        &self,
        hello: Hello,
        proven: bool,
        ticket: Ticket,
    ) -> Result<Arrived, Refusal> {
        let Ticket {
            userid,
            session,
            number,
            life,
            role,
            only,
            rooms,
        } = ticket;
        let user = User::new(userid, role).with_extra(hello.extra.clone());
        let queue_bytes = self.options.limits.queue_bytes;
        let client = Arc::new(Client::new(user, session, only, queue_bytes));
        {
            let mut state = client.lock();
            state.tickets.given = number;
            state.tickets.shown = number;
        }
        self.settle(&client, Some(number), proven, hello.seen)
            .await?;
        let make = life != self.store.life();
        for known in self.with_those_that_know(&client, rooms) {
            match self.restore(&client, known, make).await {
                Err(refusal) if refusal.code == ErrorCode::Unavailable => {
                    self.forget(&client);
                    let (userid, session) = (client.userid.clone(), client.session.clone());
                    self.store.release(userid, session).await;
                    return Err(refusal);
                }
                _ => {}
            }
        }
        self.counters.count_resumed(1);
        self.event(DeskEvent::Resumed {
            userid: client.userid.clone(),
        });
        let line = client.lock().connect();
        Ok(self.welcome(client, line, true, 0))
    }

    /// The rooms of a token, and those that know of the client though its token is older.
    fn with_those_that_know(&self, client: &Client, mut rooms: Vec<RoomRecord>) -> Vec<RoomRecord> {
        let halls: Vec<_> = read(&self.halls).values().cloned().collect();
        for hall in halls {
            if let Some(known) = lock(&hall).known_to(&client.userid)
                && rooms.iter().all(|room| room.room != known.room)
            {
                rooms.push(known);
            }
        }
        rooms
    }

    /// Brings a client back into a room, and the room with it. It is told how it is, or that it has
    /// ended.
    async fn restore(
        &self,
        client: &Arc<Client>,
        mut known: RoomRecord,
        make: bool,
    ) -> Result<(), Refusal> {
        let room = known.room.clone();
        for member in &mut known.members {
            member.node.clone_from(&self.options.node);
            member.user = client.user();
        }
        let full = read(&self.halls).len() >= self.options.limits.rooms;
        let restoring = Restoring {
            record: known,
            make: make && !full,
            grace: super::clock::milliseconds(self.options.grace),
        };
        let restored = self
            .change(&room, Change::Restore(Box::new(restoring)))
            .await;
        match restored {
            Ok(changed) => {
                if let Some(hall) = self.hall(&room) {
                    lock(&hall).tell_state(client, self.store.now());
                }
                if changed.before.is_none() {
                    self.await_owner(&changed);
                }
                Ok(())
            }
            Err(refusal) if refusal.code == ErrorCode::Unavailable => Err(refusal),
            Err(_) => {
                let reason = ClosedReason::Lost;
                client.tell(&ServerMessage::Closed { room, reason });
                Ok(())
            }
        }
    }

    /// What a client that is connected is told first.
    fn welcome(
        &self,
        client: Arc<Client>,
        (connection, closing): Connection,
        resumed: bool,
        seen: u64,
    ) -> Arrived {
        let resume = self.ticket(&client, None).unwrap_or_default().1;
        let mut welcome = Welcome::new(client.userid.clone(), client.role, resume);
        welcome.resumed = resumed;
        welcome.seen = seen;
        welcome.ice_servers = (self.options.ice_servers)(&client.userid);
        welcome.limits = self.options.told();
        let envelope = Envelope {
            seq: None,
            seen: None,
            message: Some(ServerMessage::Welcome(welcome)),
        };
        let text = serde_json::to_string(&envelope).unwrap_or_default();
        let outgoing = Outgoing::new(client.clone(), connection, closing, text);
        (client, connection, outgoing)
    }

    /// A user who is proven comes anew: what it had by an earlier connection ends.
    async fn replace(&self, before: &Arc<Client>) {
        before.close(CLOSE_REPLACED, "this user came by another connection");
        self.depart(before, LeftReason::Left).await;
    }
}
