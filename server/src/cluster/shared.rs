//! What the parts of a cluster's member have in common.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use async_nats::connection::State;
use async_nats::{Client, jetstream};
use ortc_rooms::desk::{Clock, SealKey, StoreListener};
use ortc_rooms::room::Refusal;
use ortc_rooms::signalling::{ErrorCode, RoomName};
use tokio::sync::{Notify, watch};

use super::bucket::{Bucket, Failure};
use super::options::ClusterOptions;
use super::view::View;

/// Rooms whose changes do not wait for each other.
const TURNS: usize = 64;

pub(super) struct Shared {
    pub(super) node: String,
    pub(super) options: ClusterOptions,
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) bucket: Bucket,
    pub(super) key: SealKey,
    pub(super) clock: Clock,
    view: Mutex<View>,
    /// The life of the bucket, and the revision up to which the listener has heard.
    pub(super) heard: watch::Sender<(u64, u64)>,
    pub(super) listener: OnceLock<Weak<dyn StoreListener>>,
    /// The bucket is to be looked at anew.
    pub(super) look: Notify,
    /// The servers that something was said to, and that have not said that it is done.
    behind: Mutex<BTreeSet<String>>,
    /// Held by who waits for them.
    pub(super) catching_up: tokio::sync::Mutex<()>,
    /// Held by who changes a room, so that those of one server do not get in each other's way.
    turns: [tokio::sync::Mutex<()>; TURNS],
    pub(super) figures: Figures,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) conflicts: AtomicU64,
    pub(super) unavailable: AtomicU64,
    pub(super) looks: AtomicU64,
    pub(super) dropped: AtomicU64,
}

pub(super) fn count(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

impl Shared {
    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behind(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listener(&self) -> Option<Arc<dyn StoreListener>> {
        self.listener.get().and_then(Weak::upgrade)
    }

    pub(super) fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// What is held while a room is changed. Some rooms have it in common.
    pub(super) fn turn(&self, room: &RoomName) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        let [first, rest @ ..] = &self.turns;
        let place = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        place
            .checked_sub(1)
            .and_then(|place| rest.get(place))
            .unwrap_or(first)
    }

    pub(super) fn subject(&self, node: &str) -> String {
        use base64::Engine as _;
        let node = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(node);
        format!("{}.node.{node}", self.options.bucket)
    }

    pub(super) fn refusal(&self, failure: &Failure) -> Refusal {
        count(&self.figures.unavailable);
        if let Failure::Unavailable(words) = failure {
            tracing::warn!("the rooms cannot be reached: {words}");
        }
        Refusal::new(
            ErrorCode::Unavailable,
            "the rooms cannot be reached now; try again in some seconds",
        )
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        node: String,
        options: ClusterOptions,
        client: Client,
        jetstream: jetstream::Context,
        bucket: Bucket,
        key: SealKey,
        life: u64,
    ) -> Self {
        Self {
            node,
            options,
            client,
            jetstream,
            bucket,
            key,
            clock: Clock::default(),
            view: Mutex::default(),
            heard: watch::channel((life, 0)).0,
            listener: OnceLock::new(),
            look: Notify::new(),
            behind: Mutex::default(),
            catching_up: tokio::sync::Mutex::default(),
            turns: [const { tokio::sync::Mutex::const_new(()) }; TURNS],
            figures: Figures::default(),
        }
    }
}
