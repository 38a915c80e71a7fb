//! Calls: one user asks another, who may be in no room.
//!
//! Who is called and says yes meets the caller in a room of their own, `call/` and the ids of the
//! caller and the call, which both enter: nothing is sent before.

use tokio::sync::watch;

use super::error::{Error, Result};
use super::event::CallRequest;
use super::handle::Session;
use super::request::RoomRequest;
use super::room::Room;
use super::state::CallEntry;
use crate::signalling::{
    Answer, CallId, CallStatus, ClientMessage, Direction, RoomName, RoomPolicy, SessionKind, UserId,
};

/// A call that this side asked for. Dropping it changes nothing.
#[derive(Debug)]
pub struct Call {
    session: Session,
    id: CallId,
    to: UserId,
    kind: SessionKind,
    status: watch::Receiver<Option<CallStatus>>,
}

impl Session {
    /// Asks somebody for a call. It is heard wherever it is connected to the server.
    ///
    /// # Errors
    ///
    /// [`Error::Contradiction`]; [`Error::Ended`].
    pub fn call(&self, to: &UserId, session: SessionKind) -> Result<Call> {
        session.direction()?;
        let id = CallId::new(crate::random::id())?;
        let (sender, status) = watch::channel(None);
        let mut state = self.shared().lock();
        if state.over {
            return Err(Error::Ended);
        }
        state.calls.retain(|_, entry| !entry.status.is_closed());
        state.calls_asked = state.calls_asked.saturating_add(1);
        let entry = CallEntry {
            order: state.calls_asked,
            status: sender,
        };
        state.calls.insert(id.as_str().to_owned(), entry);
        // Under the lock: refusals come in the order of questions.
        self.shared().tell(ClientMessage::Call {
            call: id.clone(),
            to: to.clone(),
            session,
        });
        drop(state);
        Ok(Call {
            session: self.clone(),
            id,
            to: to.clone(),
            kind: session,
            status,
        })
    }
}

impl Call {
    /// Its id.
    pub fn id(&self) -> &CallId {
        &self.id
    }

    /// What became of it up to now.
    pub fn status(&self) -> Option<CallStatus> {
        *self.status.borrow()
    }

    /// Waits for what becomes of it: anything but ringing. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`].
    pub async fn answered(&mut self) -> Result<CallStatus> {
        let decided = |status: &Option<CallStatus>| {
            status.is_some_and(|status| status != CallStatus::Ringing)
        };
        let status = self.status.wait_for(decided).await;
        let status = status.map_err(|_| Error::Ended)?;
        status.ok_or(Error::Ended)
    }

    /// Asks no longer, or ends the call once it was accepted.
    pub fn cancel(&self) {
        self.session.shared().tell(ClientMessage::Answer {
            call: self.id.clone(),
            to: self.to.clone(),
            answer: Answer::Cancel,
        });
        // The server tells the other alone.
        self.session
            .shared()
            .call_status(&self.id, CallStatus::Cancelled);
    }

    /// Enters the room of the call, once it was accepted.
    ///
    /// # Errors
    ///
    /// As [`Session::open_or_join`].
    pub async fn enter(&self) -> Result<Room> {
        enter(&self.session, &self.session.userid(), &self.id, self.kind).await
    }
}

/// Answers to calls.
impl Session {
    /// Says yes to a call, and enters its room.
    ///
    /// # Errors
    ///
    /// As [`open_or_join`](Self::open_or_join).
    pub async fn accept(&self, request: &CallRequest) -> Result<Room> {
        self.answer(request, Answer::Accept);
        enter(self, &request.from.userid, &request.call, request.session).await
    }

    /// Says no to a call.
    pub fn reject(&self, request: &CallRequest) {
        self.answer(request, Answer::Reject);
    }

    /// Says to a call that another goes on.
    pub fn busy(&self, request: &CallRequest) {
        self.answer(request, Answer::Busy);
    }

    fn answer(&self, request: &CallRequest, answer: Answer) {
        self.shared().tell(ClientMessage::Answer {
            call: request.call.clone(),
            to: request.from.userid.clone(),
            answer,
        });
    }
}

async fn enter(
    session: &Session,
    caller: &UserId,
    call: &CallId,
    kind: SessionKind,
) -> Result<Room> {
    let name = RoomName::new(format!("call/{caller}/{call}"))?;
    let mut policy = RoomPolicy {
        hidden: true,
        ..RoomPolicy::default()
    };
    // Two, unless it was asked for otherwise.
    let said = kind.oneway || kind.broadcast || kind.many_to_many || kind.direction.is_some();
    let kind = match said {
        true => kind,
        false => kind.with_direction(Direction::OneToOne),
    };
    if kind.direction()? == Direction::OneToOne {
        policy.max_participants_allowed = 1;
    }
    let request = RoomRequest::from(name).session(kind).policy(policy);
    session.open_or_join(request).await
}
