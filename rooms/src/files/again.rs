//! Transfers that go on by themselves: what brings another channel after one was lost, and who of
//! those that wait a new offer is for.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{self, error::TrySendError};

use super::manifest::Manifest;
use super::transfer::Control;

/// Offers of one transfer that wait to be gone on with; beyond them each is a new one.
const WAITING: usize = 4;

/// What another attempt is made with, if there is to be one.
pub(crate) type Next<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// Waits for the peer to be there again, and makes another channel to it.
pub(crate) type Again<C> = Box<dyn FnMut() -> Next<C> + Send>;

/// What was accepted and is not over.
pub(crate) struct Accepted<C> {
    entries: Mutex<Vec<Entry<C>>>,
}

struct Entry<C> {
    /// Who offered it.
    peer: String,
    manifest: Arc<Manifest>,
    lost: Arc<AtomicBool>,
    controls: mpsc::UnboundedSender<Control>,
    offers: mpsc::Sender<C>,
}

/// The receiver's end of an entry.
pub(super) struct Awaited<C> {
    lost: Arc<AtomicBool>,
    offers: mpsc::Receiver<C>,
}

impl<C> Default for Accepted<C> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<C> Accepted<C> {
    pub(super) fn add(
        &self,
        peer: String,
        manifest: Arc<Manifest>,
        controls: mpsc::UnboundedSender<Control>,
    ) -> Awaited<C> {
        let lost = Arc::new(AtomicBool::new(false));
        let (offers, awaited) = mpsc::channel(WAITING);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| !entry.offers.is_closed());
        entries.push(Entry {
            peer,
            manifest,
            lost: lost.clone(),
            controls,
            offers,
        });
        Awaited {
            lost,
            offers: awaited,
        }
    }

    /// Gives the channel of an offer to the transfer that goes on with it; back, if there is none.
    ///
    /// One that still runs is gone on with only under its own id: another id is another wish.
    pub(super) fn route(&self, peer: &str, manifest: &Manifest, channel: C) -> Option<C> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| !entry.offers.is_closed());
        let entry = entries.iter().find(|entry| {
            let this = manifest.id == entry.manifest.id || entry.lost.load(Ordering::Acquire);
            entry.peer == peer && this && entry.manifest.same(manifest)
        });
        let Some(entry) = entry else {
            return Some(channel);
        };
        if entry.offers.capacity() > 0 && !entry.lost.load(Ordering::Acquire) {
            let _ = entry.controls.send(Control::Interrupt);
        }
        entry
            .offers
            .try_send(channel)
            .err()
            .map(|error| match error {
                TrySendError::Full(channel) | TrySendError::Closed(channel) => channel,
            })
    }
}

impl<C> Awaited<C> {
    /// The channel of the next offer of the same. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<C> {
        self.lost.store(true, Ordering::Release);
        let channel = self.offers.recv().await;
        self.lost.store(false, Ordering::Release);
        channel
    }
}
