//! One connection of a client: what it says is done.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::client::{CLOSE_MALFORMED, CLOSE_REPLACED, CLOSE_TOO_BIG, Client, Closing, wake};
use super::enter::How;
use super::house::House;
use super::locks::lock;
use super::outgoing::heard;
use super::store::Said;
use crate::room::{Change, Refusal};
use crate::signalling::{
    BadMessage, ClientMessage, Envelope, ErrorCode, LeftReason, MAX_MESSAGE, RoomName, UserId,
};

/// The deepest JSON.
const MAX_DEPTH: usize = 64;

/// One connection of a client. Dropped, the connection is lost, and the client may come back.
pub struct Seat {
    house: Arc<House>,
    client: Arc<Client>,
    connection: u64,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat")
            .field("userid", &self.client.userid)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// Why a connection must end.
pub type Violation = Closing;

fn violation(code: u16, reason: impl Into<String>) -> Violation {
    Violation {
        code,
        reason: reason.into(),
    }
}

impl Seat {
    pub(crate) fn new(house: Arc<House>, client: Arc<Client>, connection: u64) -> Self {
        Self {
            house,
            client,
            connection,
        }
    }

    /// Who it is.
    pub fn userid(&self) -> &UserId {
        &self.client.userid
    }

    /// The connection is lost: the client may come back within the grace. The same as to drop it.
    pub fn lost(self) {
        drop(self);
    }

    /// The client goes, and does not come back.
    pub async fn gone(self) {
        let present = self.client.lock().on(self.connection);
        if present {
            self.house.depart(&self.client, LeftReason::Left).await;
        }
    }

    /// The client says something: the text of one envelope. It is done before the next.
    ///
    /// What the client may not do it is told; what it may not say ends the connection.
    ///
    /// Not cancel safe: what was begun may or may not be done.
    ///
    /// # Errors
    ///
    /// [`Violation`] if the text is too long or not an envelope, or another connection of the same
    /// user took this one's place.
    pub async fn said(&mut self, text: &str) -> Result<(), Violation> {
        let envelope = read(text)?;
        let client = self.client.clone();
        let _turn = client.turn.lock().await;
        let Some((message, number)) = self.note(&envelope)? else {
            return Ok(());
        };
        self.house.counters.count_heard(1);
        let message: ClientMessage = match serde_json::from_str(message.get()) {
            Ok(message) => message,
            Err(error) => {
                let words = format!("not a message that this server knows: {error}");
                self.refuse(Refusal::new(ErrorCode::BadMessage, words), number, None);
                return Ok(());
            }
        };
        let room = room_of(&message);
        if let Err(refusal) = self.obey(message, number).await {
            self.refuse(refusal, number, room.as_ref());
        }
        Ok(())
    }

    fn refuse(&self, refusal: Refusal, about: Option<u64>, room: Option<&RoomName>) {
        self.house.counters.count_errors(1);
        self.client
            .error(refusal.code, refusal.message, about, room);
    }

    /// Takes the numbers of an envelope. Its message, if it is a new one.
    #[allow(clippy::type_complexity)]
    fn note<'a>(
        &self,
        envelope: &'a Envelope<Box<RawValue>>,
    ) -> Result<Option<(&'a RawValue, Option<u64>)>, Violation> {
        let mut state = self.client.lock();
        if !state.on(self.connection) {
            return Err(violation(
                CLOSE_REPLACED,
                "this connection is the user's no longer",
            ));
        }
        // It has read the welcome, and the token in it.
        state.tickets.used = state.tickets.used.max(state.tickets.shown);
        if let Some(seen) = envelope.seen {
            state.outbox.seen(seen);
        }
        let Some(message) = &envelope.message else {
            return Ok(None);
        };
        if let Some(number) = envelope.seq {
            if number <= state.heard {
                return Ok(None);
            }
            if heard(&mut state, number) {
                let waker = state.waker();
                drop(state);
                wake(waker);
            }
        }
        Ok(Some((message, envelope.seq)))
    }

    async fn obey(&mut self, message: ClientMessage, about: Option<u64>) -> Result<(), Refusal> {
        let (house, client) = (&self.house, &self.client);
        let me = client.userid.clone();
        match message {
            ClientMessage::Hello(_) => Err(Refusal::new(
                ErrorCode::BadHello,
                "hello is the first message, and the only one",
            )),
            ClientMessage::Rooms { watch, channel } => {
                house.watch(client, watch, channel);
                Ok(())
            }
            ClientMessage::Open(enter) => house.enter(client, How::Open, enter, about).await,
            ClientMessage::Join(enter) => house.enter(client, How::Join, enter, about).await,
            ClientMessage::OpenOrJoin(enter) => {
                house.enter(client, How::OpenOrJoin, enter, about).await
            }
            ClientMessage::Leave { room } => {
                self.change(&room, Change::Leave(me, LeftReason::Left))
                    .await
            }
            ClientMessage::Close { room } => {
                self.change(&room, Change::Close { by: Some(me) }).await
            }
            ClientMessage::Eject { room, userid, ban } => {
                let by = Some(me);
                self.change(&room, Change::Eject { by, userid, ban }).await
            }
            ClientMessage::Owner { room, userid } => {
                self.change(&room, Change::HandOver(me, userid)).await
            }
            ClientMessage::Say { room, to, body } => {
                let said = Said {
                    room,
                    from: me,
                    to,
                    body,
                };
                self.say(said).await
            }
            ClientMessage::Call { call, to, session } => {
                house.call(client, call, to, session).await
            }
            ClientMessage::Answer { call, to, answer } => {
                house.answer(client, call, to, answer).await
            }
            ClientMessage::Extra { extra } => house.set_extra(client, extra).await,
            ClientMessage::Policy { room, policy } => {
                let policy = Box::new(house.fit_policy(policy)?);
                self.change(&room, Change::Policy(me, policy)).await
            }
            ClientMessage::Present { room, on } => {
                self.change(&room, Change::Present(me, on)).await
            }
            ClientMessage::Bye {} => {
                house.depart(client, LeftReason::Left).await;
                client.close(1000, "goodbye");
                Ok(())
            }
        }
    }

    /// Changes a room that the client is in. Of others it learns nothing.
    async fn change(&self, room: &RoomName, change: Change) -> Result<(), Refusal> {
        let inside = self.client.lock().rooms.contains(room);
        if !inside {
            return Err(not_in_room());
        }
        self.house.change(room, change).await.map(drop)
    }

    /// Says something in a room: to those who are here at once, to the others by the store.
    async fn say(&self, said: Said) -> Result<(), Refusal> {
        if said.body.get().len() > MAX_MESSAGE - 1024 {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                "what is said is too long; say it in parts",
            ));
        }
        let hall = self.house.hall(&said.room).ok_or_else(not_in_room)?;
        let elsewhere = {
            let hall = lock(&hall);
            let record = match &hall.record {
                Some(record) if hall.present.contains_key(&said.from) => record.clone(),
                _ => return Err(not_in_room()),
            };
            let here = &self.house.options.node;
            let mut nodes: Vec<String> = match &said.to {
                Some(to) => match record.member(to) {
                    Some(member) => vec![member.node.clone()],
                    None => {
                        return Err(Refusal::new(
                            ErrorCode::NoSuchUser,
                            format!("{to} is not in this room"),
                        ));
                    }
                },
                None => record.members.iter().map(|at| at.node.clone()).collect(),
            };
            nodes.sort_unstable();
            nodes.dedup();
            nodes.retain(|node| node != here);
            let elsewhere = (!nodes.is_empty()).then(|| (nodes, said.clone()));
            self.house.hand_out(&hall, said);
            elsewhere
        };
        if let Some((nodes, said)) = elsewhere {
            self.house.store.spread(nodes, said).await;
        }
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.lose(&self.client, self.connection);
    }
}

fn not_in_room() -> Refusal {
    Refusal::new(
        ErrorCode::NotInRoom,
        "you are not in this room; join it first",
    )
}

fn room_of(message: &ClientMessage) -> Option<RoomName> {
    match message {
        ClientMessage::Open(enter)
        | ClientMessage::Join(enter)
        | ClientMessage::OpenOrJoin(enter) => Some(enter.room.clone()),
        ClientMessage::Leave { room }
        | ClientMessage::Close { room }
        | ClientMessage::Eject { room, .. }
        | ClientMessage::Owner { room, .. }
        | ClientMessage::Say { room, .. }
        | ClientMessage::Policy { room, .. }
        | ClientMessage::Present { room, .. } => Some(room.clone()),
        _ => None,
    }
}

/// Reads an envelope; its message is looked at later.
fn read(text: &str) -> Result<Envelope<Box<RawValue>>, Violation> {
    if text.len() <= MAX_MESSAGE && too_deep(text) {
        return Err(violation(CLOSE_MALFORMED, "JSON is too deep"));
    }
    // A struct's reader takes an array of its members, too.
    if text.len() <= MAX_MESSAGE && !text.trim_start().starts_with('{') {
        return Err(violation(CLOSE_MALFORMED, "not an object"));
    }
    Envelope::from_json(text).map_err(|error| {
        let code = match error {
            BadMessage::TooLarge(..) => CLOSE_TOO_BIG,
            BadMessage::Malformed(_) => CLOSE_MALFORMED,
        };
        violation(code, error.to_string())
    })
}

/// Whether arrays and objects are nested deeper than others, who read what is said, care for.
fn too_deep(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}
