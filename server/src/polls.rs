//! Those who poll: what each was told, and when it asked last.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use governor::DefaultDirectRateLimiter;
use ortc_rooms::desk::{CLOSE_POLICY, Closing, Out, Outgoing, Seat};
use ortc_rooms::signalling::Envelope;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use crate::metrics::Counted;

/// A request waits so long for something to tell.
const WAIT: Duration = Duration::from_secs(25);
/// A client that asks for nothing for so long is lost.
pub(crate) const QUIET: Duration = Duration::from_secs(12);
/// The most messages of one answer.
const BATCH: usize = 64;

/// Those who poll, by ids that cannot be guessed.
#[derive(Default)]
pub(crate) struct Polls {
    clients: Mutex<HashMap<String, Arc<Client>>>,
}

pub(crate) struct Client {
    pub(crate) seat: tokio::sync::Mutex<Option<Seat>>,
    pub(crate) out: tokio::sync::Mutex<Waiting>,
    pub(crate) pace: DefaultDirectRateLimiter,
    asked: Mutex<Asked>,
    _counted: Counted,
}

/// When it asked last, and whether it is waiting for an answer.
struct Asked {
    at: Instant,
    waits: usize,
}

/// What was told and may not have arrived, with its numbers, and what comes after.
pub(crate) struct Waiting {
    outgoing: Outgoing,
    told: VecDeque<(u64, Box<RawValue>)>,
    ended: Option<Closing>,
}

impl Client {
    pub(crate) fn new(
        seat: Seat,
        outgoing: Outgoing,
        pace: DefaultDirectRateLimiter,
        counted: Counted,
    ) -> Self {
        Self {
            seat: Some(seat).into(),
            out: tokio::sync::Mutex::new(Waiting {
                outgoing,
                told: VecDeque::new(),
                ended: None,
            }),
            pace,
            _counted: counted,
            asked: Mutex::new(Asked {
                at: Instant::now(),
                waits: 0,
            }),
        }
    }

    /// It asked for something.
    pub(crate) fn asks(&self) {
        lock(&self.asked).at = Instant::now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Polls {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.clients).len()
    }

    /// Takes one in.
    pub(crate) fn put(&self, id: String, client: Client) {
        lock(&self.clients).insert(id, Arc::new(client));
    }

    /// The client of an id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Client>> {
        lock(&self.clients).get(id).cloned()
    }

    /// Takes a client away.
    pub(crate) fn end(&self, id: &str) -> Option<Arc<Client>> {
        lock(&self.clients).remove(id)
    }

    /// Takes those away who ask for nothing.
    pub(crate) fn quiet(&self) -> Vec<Arc<Client>> {
        let mut clients = lock(&self.clients);
        let quiet = |client: &Arc<Client>| {
            let asked = lock(&client.asked);
            asked.waits == 0 && asked.at.elapsed() > QUIET
        };
        clients
            .extract_if(|_, client| quiet(client))
            .map(|(_, client)| client)
            .collect()
    }
}

/// One request that waits.
pub(crate) struct Waits<'a>(&'a Client);

impl<'a> Waits<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        let mut asked = lock(&client.asked);
        asked.waits = asked.waits.saturating_add(1);
        drop(asked);
        Self(client)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut asked = lock(&self.0.asked);
        asked.waits = asked.waits.saturating_sub(1);
        asked.at = Instant::now();
    }
}

impl Waiting {
    /// What the client has not seen, again if it was told before, as soon as there is something.
    /// Cancel safe: what was taken is told the next time.
    pub(crate) async fn after(&mut self, seen: u64) -> Result<Vec<Box<RawValue>>, Closing> {
        self.told.retain(|(number, _)| *number > seen);
        if self.told.is_empty() && self.ended.is_none() {
            let outgoing = &mut self.outgoing;
            if let Ok(next) = timeout(WAIT, outgoing.next()).await {
                self.take(next);
            }
        }
        while self.told.len() < BATCH && self.ended.is_none() {
            match self.outgoing.next().now_or_never() {
                Some(next) => self.take(next),
                None => break,
            }
        }
        if let (true, Some(ended)) = (self.told.is_empty(), &self.ended) {
            return Err(ended.clone());
        }
        let messages = self.told.iter().map(|(_, text)| text.clone()).collect();
        // What has no number is told once.
        self.told.retain(|(number, _)| *number != u64::MAX);
        Ok(messages)
    }

    fn take(&mut self, next: Option<Out>) {
        match next {
            Some(Out::Text(text)) => {
                let number = Envelope::<IgnoredAny>::from_json(&text)
                    .ok()
                    .and_then(|e| e.seq);
                if let Ok(text) = RawValue::from_string(text) {
                    self.told.push_back((number.unwrap_or(u64::MAX), text));
                }
            }
            Some(Out::Close(closing)) => self.ended = Some(closing),
            Some(_) => {}
            None => {
                self.ended.get_or_insert(Closing {
                    code: CLOSE_POLICY,
                    reason: "the connection has ended".to_owned(),
                });
            }
        }
    }
}
