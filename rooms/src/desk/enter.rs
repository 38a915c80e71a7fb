//! Rooms are opened and entered.

use std::sync::Arc;

use super::arrive::check_extra;
use super::client::Client;
use super::house::House;
use super::locks::{lock, read};
use crate::room::{Change, Entrant, Opening, Refusal, RoomRecord};
use crate::signalling::{Enter, ErrorCode, Extra, RoomName, RoomPolicy};

/// The most bytes of a room's rules.
const MAX_POLICY: usize = 2048;
/// Between the look at a room and the change others may open or end it, but not for ever.
const TRIES: usize = 8;

/// Whether a room may, or must, be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Open,
    Join,
    OpenOrJoin,
}

impl House {
    pub(crate) fn record(&self, room: &RoomName) -> Option<Arc<RoomRecord>> {
        lock(&*self.hall(room)?).record.clone()
    }

    /// Brings a client into a room. The answer goes to the client with the change itself.
    pub(crate) async fn enter(
        &self,
        client: &Arc<Client>,
        how: How,
        enter: Enter,
        about: Option<u64>,
    ) -> Result<(), Refusal> {
        self.check_enter(client, &enter)?;
        for _ in 0..TRIES {
            let there = match self.record(&enter.room) {
                None if how != How::Open => self.store.look(enter.room.clone()).await?,
                there => there,
            };
            let result = match (how, there) {
                (How::Open, _) | (How::OpenOrJoin, None) => self.open(client, &enter, about).await,
                (_, there) => self.join(client, &enter, about, there).await,
            };
            match result {
                Err(refusal) if how == How::OpenOrJoin => match refusal.code {
                    ErrorCode::RoomExists | ErrorCode::NoSuchRoom => {}
                    _ => return Err(refusal),
                },
                Err(refusal) if refusal.code == ErrorCode::BadPassword => {
                    // The room may be another by now, with another password.
                    let now = self.record(&enter.room).map(|record| record.epoch);
                    return match now {
                        None if how == How::Join => Err(no_such_room()),
                        _ => Err(refusal),
                    };
                }
                result => return result,
            }
        }
        Err(Refusal::new(
            ErrorCode::Unavailable,
            "the room changes too fast; try again",
        ))
    }

    fn check_enter(&self, client: &Client, enter: &Enter) -> Result<(), Refusal> {
        let allowed = |only: &Vec<RoomName>| only.contains(&enter.room);
        if !client.only.as_ref().is_none_or(allowed) {
            return Err(Refusal::new(
                ErrorCode::NotAllowed,
                "your token is not for this room",
            ));
        }
        let state = client.lock();
        let most = self.options.limits.rooms_per_user;
        if state.rooms.len() >= most && !state.rooms.contains(&enter.room) {
            return Err(Refusal::new(
                ErrorCode::TooManyRooms,
                format!("you are in {most} rooms, and may not be in more; leave one"),
            ));
        }
        Ok(())
    }

    async fn open(
        &self,
        client: &Arc<Client>,
        enter: &Enter,
        about: Option<u64>,
    ) -> Result<(), Refusal> {
        if read(&self.halls).len() >= self.options.limits.rooms {
            return Err(Refusal::new(
                ErrorCode::TooManyRooms,
                "this server has no place for another room; try again later",
            ));
        }
        if self.record(&enter.room).is_some() {
            return Err(Refusal::new(
                ErrorCode::RoomExists,
                "a room of this name is there already; join it",
            ));
        }
        let verifier = match &enter.password {
            Some(password) => Some(self.passwords.verifier(password.clone()).await?),
            None => None,
        };
        let opening = Opening {
            room: enter.room.clone(),
            session: enter.session,
            policy: self.fit_policy(enter.policy.clone().unwrap_or_default())?,
            verifier,
        };
        let entrant = self.entrant(client, None, about);
        let change = Change::Open(Box::new(opening), Box::new(entrant));
        self.change(&enter.room, change).await.map(drop)
    }

    async fn join(
        &self,
        client: &Arc<Client>,
        enter: &Enter,
        about: Option<u64>,
        there: Option<Arc<RoomRecord>>,
    ) -> Result<(), Refusal> {
        let record = there.ok_or_else(no_such_room)?;
        let verified = match (&enter.password, &record.verifier) {
            (Some(password), Some(verifier)) => {
                let right = self
                    .passwords
                    .verify(password.clone(), verifier.clone())
                    .await?;
                right.then(|| verifier.clone())
            }
            _ => None,
        };
        self.check_extras(&record, client)?;
        let entrant = self.entrant(client, verified, about);
        let change = Change::Join(Box::new(entrant));
        self.change(&enter.room, change).await.map(drop)
    }

    fn entrant(&self, client: &Client, verified: Option<String>, about: Option<u64>) -> Entrant {
        Entrant {
            user: client.user(),
            node: self.options.node.clone(),
            verified,
            about,
        }
    }

    /// Rules within what the desk allows.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if they are too long.
    pub(crate) fn fit_policy(&self, mut policy: RoomPolicy) -> Result<RoomPolicy, Refusal> {
        let bytes = serde_json::to_string(&policy).map_or(usize::MAX, |text| text.len());
        if bytes > MAX_POLICY {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!("a room's rules have at most {MAX_POLICY} bytes"),
            ));
        }
        let most = self.options.limits.users_per_room.saturating_sub(1);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        policy.max_participants_allowed = policy.max_participants_allowed.min(most);
        Ok(policy)
    }

    /// What all users of a room tell of themselves is bounded.
    fn check_extras(&self, record: &RoomRecord, client: &Client) -> Result<(), Refusal> {
        let length = |extra: &Extra| match extra {
            Extra::Null => 0,
            extra => serde_json::to_string(extra).map_or(0, |text| text.len()),
        };
        let others = record
            .members
            .iter()
            .filter(|member| member.user.userid != client.userid)
            .map(|member| length(&member.user.extra));
        let own = length(&client.lock().extra);
        if own > 0 && others.fold(own, usize::saturating_add) > self.options.limits.extras_per_room
        {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                "the users of this room tell too much of themselves; tell less",
            ));
        }
        Ok(())
    }

    /// A client tells something else of itself, in all its rooms.
    pub(crate) async fn set_extra(&self, client: &Client, extra: Extra) -> Result<(), Refusal> {
        check_extra(&extra)?;
        let (rooms, before) = {
            let mut state = client.lock();
            let before = std::mem::replace(&mut state.extra, extra.clone());
            (state.rooms.clone(), before)
        };
        for record in rooms.iter().filter_map(|room| self.record(room)) {
            if let Err(refusal) = self.check_extras(&record, client) {
                client.lock().extra = before;
                return Err(refusal);
            }
        }
        for room in &rooms {
            let change = Change::Extra(client.userid.clone(), extra.clone());
            match self.change(room, change).await {
                // Put out meanwhile.
                Err(refusal) if refusal.code == ErrorCode::NotInRoom => {}
                Err(refusal) if refusal.code == ErrorCode::NoSuchRoom => {}
                result => {
                    result?;
                }
            }
        }
        Ok(())
    }
}

fn no_such_room() -> Refusal {
    Refusal::new(
        ErrorCode::NoSuchRoom,
        "no room of this name is there; open it",
    )
}
