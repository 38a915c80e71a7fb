//! The store that a desk sees.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use ortc_rooms::desk::{Changed, Claim, Later, Post, RoomStore, Said, SealKey, StoreListener};
use ortc_rooms::room::{Change, Refusal, RoomRecord};
use ortc_rooms::signalling::{ErrorCode, RoomName, UserId};
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Failure};
use super::options::{ClusterError, ClusterOptions};
use super::shared::{Shared, count};
use super::stored::{KEY, StoredRoom, StoredUser, changed, room_key, user_key};
use super::{beat, peers, watch};

/// A user id that could not be given free is tried again after this time.
const RELEASE_AGAIN: Duration = Duration::from_secs(3);
/// So often a change is decided anew when others were faster.
const TRIES: u32 = 40;

/// A server's place among those that keep their rooms together.
pub struct Cluster {
    shared: Arc<Shared>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("node", &self.shared.node)
            .field("bucket", &self.shared.options.bucket)
            .finish_non_exhaustive()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().map(std::mem::take);
        for task in tasks.unwrap_or_default() {
            task.abort();
        }
    }
}

fn bucket_error(failure: Failure) -> ClusterError {
    match failure {
        Failure::Unavailable(words) => ClusterError::Bucket(words),
        Failure::Conflict => ClusterError::Bucket("somebody else writes all the time".to_owned()),
    }
}

impl Cluster {
    pub(super) async fn connect(url: &str, options: ClusterOptions) -> Result<Self, ClusterError> {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if options.bucket.is_empty() || !options.bucket.chars().all(fine) {
            return Err(ClusterError::Options(
                "the bucket's name has letters, digits, - and _".to_owned(),
            ));
        }
        let client = async_nats::ConnectOptions::new()
            .name("ortc server")
            .max_reconnects(None)
            .connection_timeout(options.patience)
            .reconnect_delay_callback(|tries| {
                Duration::from_millis(100)
                    .saturating_mul(u32::try_from(tries.min(10)).unwrap_or(10))
            })
            .connect(url)
            .await
            .map_err(|error| ClusterError::Unreachable(error.to_string()))?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(options.patience);
        let bucket = Bucket::open(&jetstream, &options)
            .await
            .map_err(bucket_error)?;
        let life = watch::life(&bucket).await.map_err(bucket_error)?;
        let made = Bytes::copy_from_slice(SealKey::random().as_bytes());
        let key = watch::read_or_write(&bucket, KEY, made)
            .await
            .map_err(bucket_error)?;
        let key = <[u8; 32]>::try_from(key.as_ref())
            .map(SealKey::from)
            .map_err(|_| ClusterError::Bucket("the key in the bucket is none".to_owned()))?;
        let mut node = options.node.clone();
        if node.is_empty() {
            node = made_up();
        }
        let shared = Shared::new(node, options, client, jetstream, bucket, key, life);
        Ok(Self {
            shared: Arc::new(shared),
            tasks: std::sync::Mutex::default(),
        })
    }

    /// The servers that live, this one among them.
    pub fn nodes(&self) -> Vec<String> {
        let view = self.shared.view();
        let missed = self.shared.options.missed;
        let alive = view.nodes.keys().filter(|node| view.alive(node, missed));
        alive.cloned().collect()
    }

    /// How many users all servers have.
    pub fn users(&self) -> usize {
        self.shared.view().users.len()
    }

    /// Whether NATS is reached.
    pub fn connected(&self) -> bool {
        self.shared.connected()
    }

    /// How often another server was faster, and a change was decided anew.
    pub fn conflicts(&self) -> u64 {
        self.shared.figures.conflicts.load(Ordering::Relaxed)
    }

    /// How often something was refused because NATS was not reached.
    pub fn unavailable(&self) -> u64 {
        self.shared.figures.unavailable.load(Ordering::Relaxed)
    }

    /// How often the whole bucket was looked at: once, and after each loss of NATS.
    pub fn looks(&self) -> u64 {
        self.shared.figures.looks.load(Ordering::Relaxed)
    }

    /// How many messages did not go to another server because NATS was not reached.
    pub fn dropped(&self) -> u64 {
        self.shared.figures.dropped.load(Ordering::Relaxed)
    }

    /// Says that this server goes: its users are lost at once, and may come back elsewhere.
    pub async fn leave(&self) {
        self.stop();
        beat::farewell(&self.shared).await;
    }

    /// Stops without a word, as one that is killed: for tests of what the others make of it.
    #[doc(hidden)]
    pub fn kill(&self) {
        self.stop();
    }

    fn stop(&self) {
        let tasks = self
            .tasks
            .lock()
            .map(|mut tasks| std::mem::take(&mut *tasks));
        for task in tasks.unwrap_or_default() {
            task.abort();
        }
    }
}

fn made_up() -> String {
    let key = SealKey::random();
    let bytes = key.as_bytes().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

impl Shared {
    /// A change of a room, decided on what is known or, if that is not the last word, on what is
    /// there.
    pub(super) async fn decide(
        &self,
        room: &RoomName,
        change: &Change,
    ) -> Result<Changed, Refusal> {
        if !self.connected() {
            return Err(self.refusal(&Failure::Unavailable("not connected".to_owned())));
        }
        peers::catch_up(self).await;
        let key = room_key(room);
        // Sixteen who enter at once would else overtake each other until one of them gives up.
        let _turn = self.turn(room).lock().await;
        let mut known = self.known(room);
        let mut fresh = false;
        for _ in 0..TRIES {
            let (before, version, revision) = match &known {
                Some((record, version, revision)) => (record.clone(), *version, *revision),
                None => (None, 0, 0),
            };
            let now = self.clock.unique();
            let decided = match change.clone().decide(before.as_deref(), now) {
                Ok(decided) => decided,
                Err(refusal) if fresh => return Err(refusal),
                Err(_) => {
                    known = self.fetch(&key).await?;
                    fresh = true;
                    continue;
                }
            };
            let unchanged = decided.record.as_ref() == before.as_deref();
            if unchanged && decided.notices.is_empty() {
                return Ok(changed(before, decided));
            }
            // On through the room's end and its next opening: who has missed both must notice it.
            let version = version.saturating_add(1);
            let stored = StoredRoom::new(version, &decided);
            let value = serde_json::to_vec(&stored).unwrap_or_default();
            match self.bucket.put(&key, value.into(), revision).await {
                Ok(revision) => {
                    self.wait_for(revision).await;
                    return Ok(changed(before, decided));
                }
                Err(Failure::Conflict) => {
                    count(&self.figures.conflicts);
                    known = self.fetch(&key).await?;
                    fresh = true;
                }
                Err(failure) => return Err(self.refusal(&failure)),
            }
        }
        Err(self.refusal(&Failure::Unavailable("others are faster".to_owned())))
    }

    #[allow(clippy::type_complexity)]
    fn known(&self, room: &RoomName) -> Option<(Option<Arc<RoomRecord>>, u64, u64)> {
        let view = self.view();
        let known = view.rooms.get(room)?;
        Some((Some(known.record.clone()), known.version, known.revision))
    }

    #[allow(clippy::type_complexity)]
    async fn fetch(
        &self,
        key: &str,
    ) -> Result<Option<(Option<Arc<RoomRecord>>, u64, u64)>, Refusal> {
        let found = self.bucket.get(key).await;
        let found = found.map_err(|failure| self.refusal(&failure))?;
        let stored = found
            .value
            .and_then(|value| serde_json::from_slice::<StoredRoom>(&value).ok());
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let record = stored.and_then(|stored| stored.record).map(Arc::new);
        Ok(Some((record, version, found.revision)))
    }

    /// Until the listener has heard of all up to a revision, or for some time.
    pub(super) async fn wait_for(&self, revision: u64) {
        let life = self.heard.borrow().0;
        let mut heard = self.heard.subscribe();
        let there = heard.wait_for(|(now, heard)| *now != life || *heard >= revision);
        if tokio::time::timeout(self.options.patience, there)
            .await
            .is_err()
        {
            // The watch stands still.
            self.look.notify_one();
        }
    }

    async fn claim(&self, claim: &Claim) -> Result<(), Refusal> {
        let key = user_key(&claim.userid);
        loop {
            let found = self.bucket.get(&key).await;
            let found = found.map_err(|failure| self.refusal(&failure))?;
            let holder = found
                .value
                .and_then(|value| serde_json::from_slice::<StoredUser>(&value).ok());
            let ticket = claim.ticket.unwrap_or(0);
            match holder {
                Some(holder) if holder.session == claim.session && ticket < holder.ticket => {
                    return Err(Refusal::new(
                        ErrorCode::BadToken,
                        "this token was used already; say hello without it",
                    ));
                }
                // One of this server's own is of somebody who is here no longer.
                Some(holder)
                    if holder.session != claim.session
                        && !claim.proven
                        && holder.node != self.node =>
                {
                    return Err(Refusal::new(
                        ErrorCode::UserIdTaken,
                        format!("somebody has the user id {}; choose another", claim.userid),
                    ));
                }
                _ => {}
            }
            let user = StoredUser {
                node: self.node.clone(),
                session: claim.session.clone(),
                ticket,
                seen: claim.seen.unwrap_or(0),
            };
            let value = serde_json::to_vec(&user).unwrap_or_default();
            match self.bucket.put(&key, value.into(), found.revision).await {
                Ok(revision) => {
                    self.wait_for(revision).await;
                    return Ok(());
                }
                Err(Failure::Conflict) => count(&self.figures.conflicts),
                Err(failure) => return Err(self.refusal(&failure)),
            }
        }
    }

    async fn release(&self, userid: &UserId, session: &str) -> Result<(), Failure> {
        let key = user_key(userid);
        let found = self.bucket.get(&key).await?;
        let holder = found
            .value
            .and_then(|value| serde_json::from_slice::<StoredUser>(&value).ok());
        let mine = |holder: &StoredUser| holder.node == self.node && holder.session == session;
        if holder.as_ref().is_some_and(mine) {
            self.bucket.remove(&key, found.revision).await?;
        }
        Ok(())
    }
}

impl RoomStore for Cluster {
    fn listen(&self, listener: Weak<dyn StoreListener>) {
        if self.shared.listener.set(listener).is_err() {
            return;
        }
        let tasks = [
            tokio::spawn(watch::watch(self.shared.clone())),
            tokio::spawn(beat::beat(self.shared.clone())),
            tokio::spawn(peers::hear(self.shared.clone())),
        ];
        if let Ok(mut running) = self.tasks.lock() {
            running.extend(tasks);
        }
    }

    fn node(&self) -> &str {
        &self.shared.node
    }

    fn key(&self) -> Option<SealKey> {
        Some(self.shared.key.clone())
    }

    fn change(&self, room: RoomName, change: Change) -> Later<'_, Result<Changed, Refusal>> {
        Box::pin(async move { self.shared.decide(&room, &change).await })
    }

    fn look(&self, room: RoomName) -> Later<'_, Result<Option<Arc<RoomRecord>>, Refusal>> {
        Box::pin(async move {
            let found = self.shared.fetch(&room_key(&room)).await?;
            if let Some((Some(_), _, revision)) = &found {
                self.shared.wait_for(*revision).await;
            }
            Ok(found.and_then(|(record, ..)| record))
        })
    }

    fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    fn life(&self) -> u64 {
        self.shared.heard.borrow().0
    }

    fn claim(&self, claim: Claim) -> Later<'_, Result<(), Refusal>> {
        Box::pin(async move { self.shared.claim(&claim).await })
    }

    fn used(&self, claim: Claim) -> Later<'_, ()> {
        Box::pin(async move {
            if self.shared.connected() && self.shared.claim(&claim).await.is_err() {
                tracing::debug!("a used resume token was not noted");
            }
        })
    }

    fn release(&self, userid: UserId, session: String) -> Later<'_, ()> {
        Box::pin(async move {
            let shared = self.shared.clone();
            if shared.release(&userid, &session).await.is_ok() {
                return;
            }
            let shared = Arc::downgrade(&shared);
            let retry = async move {
                loop {
                    tokio::time::sleep(RELEASE_AGAIN).await;
                    // With this server's end its user ids are free, too.
                    let Some(shared) = shared.upgrade() else {
                        return;
                    };
                    if shared.release(&userid, &session).await.is_ok() {
                        return;
                    }
                }
            };
            tokio::spawn(retry);
        })
    }

    fn post(&self, to: UserId, post: Post) -> Later<'_, bool> {
        Box::pin(async move { peers::post(&self.shared, to, post).await })
    }

    fn spread(&self, nodes: Vec<String>, said: Said) -> Later<'_, ()> {
        Box::pin(async move { peers::spread(&self.shared, nodes, said).await })
    }
}

/// Joins the servers that keep their rooms at this NATS, e.g. `nats://127.0.0.1:4222`. What comes
/// back is given to [`Desk::with_store`](ortc_rooms::desk::Desk::with_store).
///
/// # Errors
///
/// [`ClusterError`] if NATS cannot be reached, or has no JetStream.
pub async fn connect(url: &str, options: ClusterOptions) -> Result<Arc<Cluster>, ClusterError> {
    Cluster::connect(url, options).await.map(Arc::new)
}
