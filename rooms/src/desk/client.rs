//! What a desk knows of one client, over all its connections.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use serde_json::value::RawValue;
use tokio::sync::watch;

use super::locks::lock;
use super::outbox::{Outbox, Overflow};
use crate::signalling::{ErrorCode, Extra, Role, RoomName, ServerMessage, User, UserId};

/// Why a connection ends: the code of a WebSocket's close frame, and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The code.
    pub code: u16,
    /// In words.
    pub reason: String,
}

/// The code of a WebSocket's close frame for who says what is not UTF-8 or not JSON.
pub const CLOSE_MALFORMED: u16 = 1007;
/// The code for who breaks a rule, or is too slow.
pub const CLOSE_POLICY: u16 = 1008;
/// The code for a message that is too long.
pub const CLOSE_TOO_BIG: u16 = 1009;
/// The code of a server that goes away: come back.
pub const CLOSE_GOODBYE: u16 = 4000;
/// The code for a connection that another of the same user replaced.
pub const CLOSE_REPLACED: u16 = 4001;
/// The code for who is not let in, and need not come back.
pub const CLOSE_REFUSED: u16 = 4003;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) userid: UserId,
    pub(crate) role: Role,
    /// From one hello without a resume token to the end.
    pub(crate) session: String,
    /// The only rooms that it may enter.
    pub(crate) only: Option<Vec<RoomName>>,
    /// Held while something that it said is done: what comes by its next connection waits for what
    /// came by the one before.
    pub(crate) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// What changes of a client.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) extra: Extra,
    pub(crate) outbox: Outbox,
    /// What went to it is no longer whole: it gets the state of its rooms when it comes back.
    pub(crate) gap: bool,
    /// The number of its last message.
    pub(crate) heard: u64,
    /// The number that it was last told of.
    pub(crate) told: u64,
    /// The rooms that it is in.
    pub(crate) rooms: BTreeSet<RoomName>,
    pub(crate) tickets: Tickets,
    /// The newest resume token, which is yet to go out. It goes without a number: a lost one is not
    /// missed, since each welcome has a newer one, and an old one is not sent again.
    pub(crate) token: Option<Arc<str>>,
    line: Option<Line>,
    /// Counts its connections.
    pub(crate) connection: u64,
    /// It has left, or did not come back: nothing brings it back.
    pub(crate) gone: bool,
}

/// The present connection.
#[derive(Debug)]
struct Line {
    waker: Option<Waker>,
    closing: watch::Sender<Option<Closing>>,
    /// What is told without a number after all that waits, before the connection ends.
    last: Option<(String, Closing)>,
}

/// The number of a connection, and what is told of its end.
pub(crate) type Connection = (u64, watch::Receiver<Option<Closing>>);

/// Which resume tokens were given and used.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    /// The number of the last one given.
    pub(crate) given: u64,
    /// All up to this one are used.
    pub(crate) used: u64,
    /// The one that brought the present connection: used once the client has shown that it knows
    /// of the next.
    pub(crate) shown: u64,
}

impl Client {
    pub(crate) fn new(
        user: User,
        session: String,
        only: Option<Vec<RoomName>>,
        queue_bytes: usize,
    ) -> Self {
        Self {
            userid: user.userid,
            role: user.role,
            session,
            only,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                extra: user.extra,
                outbox: Outbox::new(queue_bytes),
                gap: false,
                heard: 0,
                told: 0,
                rooms: BTreeSet::new(),
                tickets: Tickets::default(),
                token: None,
                line: None,
                connection: 0,
                gone: false,
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn user(&self) -> User {
        User::new(self.userid.clone(), self.role).with_extra(self.lock().extra.clone())
    }

    /// Says something to it, now or when it comes back.
    pub(crate) fn push(&self, text: Arc<str>) {
        let waker = self.lock().push(text);
        wake(waker);
    }

    /// Gives it the resume token of this number, unless there is a newer one.
    pub(crate) fn give(&self, number: u64, token: Arc<str>) {
        let waker = {
            let mut state = self.lock();
            if state.tickets.given != number {
                return;
            }
            state.token = Some(token);
            state.waker()
        };
        wake(waker);
    }

    /// Says something to it, made into text first.
    pub(crate) fn tell(&self, message: &ServerMessage) {
        self.push(text(message));
    }

    pub(crate) fn error(
        &self,
        code: ErrorCode,
        words: impl Into<String>,
        about: Option<u64>,
        room: Option<&RoomName>,
    ) {
        self.tell(&ServerMessage::Error {
            code,
            message: words.into(),
            about,
            room: room.cloned(),
        });
    }

    /// Ends its connection, if it has one.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let waker = self.lock().close(code, reason);
        wake(waker);
    }

    /// Ends its connection, after what waits to go out and these words, which are told without a
    /// number.
    pub(crate) fn last_word(&self, words: &str, code: u16) {
        let waker = self.lock().last_word(words, code);
        wake(waker);
    }
}

impl State {
    pub(crate) fn push(&mut self, text: Arc<str>) -> Option<Waker> {
        if self.gap || self.gone {
            return None;
        }
        match self.outbox.push(text) {
            Ok(()) => self.waker(),
            Err(Overflow) => {
                self.gap = true;
                self.outbox = self.outbox.emptied();
                self.close(CLOSE_POLICY, "too slow: too much waits to be read")
            }
        }
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) -> Option<Waker> {
        let mut line = self.line.take()?;
        line.closing.send_replace(Some(Closing {
            code,
            reason: reason.to_owned(),
        }));
        line.waker.take()
    }

    fn last_word(&mut self, words: &str, code: u16) -> Option<Waker> {
        let closing = Closing {
            code,
            reason: "the server goes away".to_owned(),
        };
        let line = self.line.as_mut()?;
        line.last = Some((format!(r#"{{"message":{words}}}"#), closing));
        line.waker.take()
    }

    /// The words after which the connection ends, if there are some.
    pub(crate) fn take_last_word(&mut self) -> Option<String> {
        let (words, closing) = self.line.as_mut()?.last.take()?;
        wake(self.close(closing.code, &closing.reason));
        Some(words)
    }

    pub(crate) fn waker(&mut self) -> Option<Waker> {
        self.line.as_mut()?.waker.take()
    }

    /// A new connection takes the place of the one before, which is told. What is told of the new
    /// one's end, and its number.
    pub(crate) fn connect(&mut self) -> Connection {
        wake(self.close(
            CLOSE_REPLACED,
            "another connection of this user took its place",
        ));
        // The welcome has a newer one.
        self.token = None;
        self.connection = self.connection.saturating_add(1);
        let (closing, closed) = watch::channel(None);
        self.line = Some(Line {
            waker: None,
            closing,
            last: None,
        });
        (self.connection, closed)
    }

    /// Whether this is the present connection.
    pub(crate) fn on(&self, connection: u64) -> bool {
        self.connection == connection && self.line.is_some()
    }

    pub(crate) fn connected(&self) -> bool {
        self.line.is_some()
    }

    /// The connection is lost. False if it is not the present one.
    pub(crate) fn disconnect(&mut self, connection: u64) -> bool {
        if self.connection != connection || self.gone {
            return false;
        }
        self.line = None;
        true
    }

    pub(crate) fn listen(&mut self, waker: &Waker) {
        if let Some(line) = &mut self.line {
            line.waker = Some(waker.clone());
        }
    }

    /// Takes what was said to it and it has not seen: its end here.
    pub(crate) fn take_said(&mut self, seen: u64) -> Vec<Box<RawValue>> {
        self.outbox.rewind(seen);
        self.gone = true;
        let raw = |text: Arc<str>| RawValue::from_string(text.as_ref().to_owned()).ok();
        self.unseen_said().into_iter().filter_map(raw).collect()
    }

    /// What others said, of all that waits to go out, which waits no longer.
    pub(crate) fn unseen_said(&mut self) -> Vec<Arc<str>> {
        std::iter::from_fn(|| self.outbox.next())
            .map(|(_, text)| text)
            .filter(|text| text.starts_with(r#"{"said":"#))
            .collect()
    }

    /// Numbers start anew, and nothing waits.
    pub(crate) fn anew(&mut self) {
        self.outbox = self.outbox.emptied();
        (self.gap, self.heard, self.told) = (false, 0, 0);
    }
}

/// A message as all its receivers get it.
pub(crate) fn text(message: &ServerMessage) -> Arc<str> {
    serde_json::to_string(message).unwrap_or_default().into()
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
