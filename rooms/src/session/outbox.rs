//! What waits to be sent to one peer: it outlives connections.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortc::{RTCConnection, RTCConnectionState, RTCDataChannel, RTCDataChannelOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::{LARGE, PROTOCOL, Written};
use super::payload::MAX_PAYLOAD;
use super::unsure::Unsure;

/// Messages that wait.
const MAX_WAITING: usize = 1024;
/// Large messages that go at once, each over its own channel.
const MAX_LARGE: usize = 4;
/// How long a large message may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a peer has to say what it got over the channel of before.
const HEARING: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Written>,
    bytes: usize,
    /// Written by this many writers before; only the last one writes.
    generation: u64,
    /// Being sent over channels of their own.
    large: usize,
    /// Of those, that were cut off.
    cut: usize,
    closed: bool,
    unsure: Unsure,
}

/// Messages for one peer, in order.
#[derive(Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if too much waits.
    pub(super) fn push(&self, written: Written) -> bool {
        {
            let mut inner = self.lock();
            let bytes = inner.bytes.saturating_add(written.bytes);
            let full = inner.waiting.len() >= MAX_WAITING || bytes > 2 * MAX_PAYLOAD;
            if inner.closed || full {
                return false;
            }
            inner.bytes = bytes;
            inner.waiting.push_back(written);
        }
        self.changed.notify_waiters();
        true
    }

    /// Whether all has been sent, large messages too.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.waiting.is_empty() && inner.large == 0 && !inner.unsure.waits()
    }

    /// Takes out what waits, for another way.
    pub(super) fn take(&self) -> VecDeque<Written> {
        let mut inner = self.lock();
        inner.bytes = 0;
        inner.unsure = Unsure::default();
        std::mem::take(&mut inner.waiting)
    }

    /// How many large messages were cut off since this was asked last.
    pub(super) fn cut(&self) -> usize {
        std::mem::take(&mut self.lock().cut)
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().bytes
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.unsure = Unsure::default();
        inner.waiting.clear();
        inner.bytes = 0;
        drop(inner);
        self.changed.notify_waiters();
    }

    /// There is another channel: the number of its writer.
    pub(super) fn begin(&self) -> u64 {
        let mut inner = self.lock();
        inner.unsure.begin();
        inner.generation = inner.generation.saturating_add(1);
        let generation = inner.generation;
        drop(inner);
        self.changed.notify_waiters();
        generation
    }

    /// The peer has got so many messages over its channels.
    pub(super) fn got(&self, count: u64) {
        let mut inner = self.lock();
        for written in inner.unsure.got(count).into_iter().rev() {
            inner.bytes = inner.bytes.saturating_add(written.bytes);
            inner.waiting.push_front(written);
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The next message; `None` when another writer has taken over, or it is closed.
    async fn next(&self, generation: u64) -> Option<Written> {
        loop {
            let changed = self.changed.notified();
            {
                let mut inner = self.lock();
                if inner.closed || inner.generation != generation {
                    return None;
                }
                let large = inner.waiting.front().is_some_and(|first| first.large);
                let waits = inner.unsure.waits() || (large && inner.large >= MAX_LARGE);
                if !waits && let Some(written) = inner.waiting.pop_front() {
                    inner.unsure.goes(&written);
                    inner.bytes = inner.bytes.saturating_sub(written.bytes);
                    inner.large = inner.large.saturating_add(usize::from(large));
                    return Some(written);
                }
            }
            changed.await;
        }
    }

    fn large_sent(&self, whole: bool) {
        let mut inner = self.lock();
        inner.large = inner.large.saturating_sub(1);
        inner.cut = inner.cut.saturating_add(usize::from(!whole));
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Sends what waits and comes over this channel, for as long as it is open. `rate`: the most
    /// bytes in a second.
    pub(super) async fn write(
        self: std::sync::Arc<Self>,
        connection: RTCConnection,
        channel: RTCDataChannel,
        generation: u64,
        rate: Option<f64>,
    ) {
        let mut late = None;
        let mut budget = Instant::now();
        loop {
            // Only what can go is taken: the rest waits for another channel.
            while channel.opened().await.is_err() {
                match channel.ready_state() {
                    ortc::RTCDataChannelState::Connecting => {
                        // Nobody is reached for now.
                        if !self.is_of(generation) {
                            return;
                        }
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    _ => return,
                }
            }
            let late = *late.get_or_insert_with(|| Instant::now() + HEARING);
            let written = tokio::select! {
                written = self.next(generation) => written,
                _ = channel.closed() => return,
                // It counts nothing: what is lost is lost.
                () = sleep_until(late), if self.waits(generation) => {
                    self.lock().unsure.forget();
                    continue;
                }
            };
            let Some(written) = written else {
                return;
            };
            if let Some(rate) = rate {
                sleep_until(budget).await;
                #[allow(clippy::cast_precision_loss)]
                let share = Duration::try_from_secs_f64(written.bytes as f64 / rate);
                budget = budget.max(Instant::now()) + share.unwrap_or_default();
            }
            if written.large {
                let outbox = self.clone();
                let connection = connection.clone();
                tokio::spawn(async move {
                    let sent = timeout(PATIENCE, send_large(&connection, written)).await;
                    outbox.large_sent(sent.unwrap_or(false));
                });
                continue;
            }
            for message in written.messages {
                if channel.send(message).await.is_err() {
                    return;
                }
            }
        }
    }

    fn waits(&self, generation: u64) -> bool {
        let inner = self.lock();
        inner.generation == generation && inner.unsure.waits()
    }

    fn is_of(&self, generation: u64) -> bool {
        let inner = self.lock();
        !inner.closed && inner.generation == generation
    }
}

/// Over a channel of its own, so that others do not wait for it. False if it may not have come.
async fn send_large(connection: &RTCConnection, written: Written) -> bool {
    let options = RTCDataChannelOptions::default().protocol(PROTOCOL);
    let Ok(channel) = connection.create_data_channel(LARGE, options) else {
        return false;
    };
    for message in written.messages {
        if let Err(error) = channel.send(message).await {
            tracing::debug!(target: "ortc_rooms::session", %error, "a large message is cut off");
            return false;
        }
    }
    let out = channel.flush().await.is_ok();
    channel.close();
    channel.closed().await;
    // A channel that the two sides have closed has brought all.
    out && connection.state() == RTCConnectionState::Connected
}
