//! Files that hubs keep: what comes once, and goes to whoever wants it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ortc::RTCDataChannel;
use tokio::runtime;
use tokio::sync::mpsc;

use crate::files::coming::Coming;
use crate::files::manifest::Manifest;
use crate::files::{Choice, Code, Error, FileOffer, Result, Source, Transfer, TransferId};
use crate::signalling::{Extra, User, UserId};

/// What is not complete waits for its sender for so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Transfers that are kept at once; each may have many files.
const MOST: usize = 1000;

/// Where hubs keep the files that go by them, and how much of that; for all hubs of a server.
///
/// Each is a folder, whose name is a BLAKE3 hash, with numbers for names in it. It is the hub's
/// alone: what is left there from before is removed.
#[derive(Debug)]
pub struct HubFiles {
    folder: PathBuf,
    most: u64,
    lasting: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first.
    all: Vec<Arc<Stored>>,
    refused: u64,
}

/// What one hub keeps, until it ends.
#[derive(Debug)]
pub(super) struct House {
    pub(super) files: Arc<HubFiles>,
    pub(super) hub: UserId,
}

impl Drop for House {
    fn drop(&mut self) {
        self.files.forget(&self.hub);
    }
}

/// How much hubs keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubFilesStats {
    /// Transfers.
    pub transfers: usize,
    /// Bytes of them, those that have not come yet included.
    pub bytes: u64,
    /// Transfers that went on without being kept, as there was no place; their senders were told.
    pub refused: u64,
    /// Receivers for whom there is something, and who have taken nothing of it for ten seconds.
    pub stalled: usize,
}

/// What one of a room offers.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) hub: UserId,
    pub(super) from: UserId,
    /// What that one told of itself.
    pub(super) extra: Extra,
    pub(super) manifest: Arc<Manifest>,
    pub(super) source: Arc<Source>,
    pub(super) coming: Arc<Coming>,
    pub(super) folder: PathBuf,
    made: Instant,
    /// To whom it goes.
    downs: Mutex<Vec<Transfer>>,
    /// It comes over one channel at a time.
    pub(super) feeding: Arc<tokio::sync::Mutex<()>>,
    /// To whom it goes, and where to bring its sender's next channel for that.
    running: Mutex<HashMap<Goes, Next>>,
    told: Mutex<std::collections::BTreeSet<UserId>>,
    used: Mutex<Instant>,
}

type Goes = (UserId, TransferId);
type Next = mpsc::Sender<FileOffer<RTCDataChannel>>;

impl HubFiles {
    /// Makes the folder if it is missing. `bytes`: how much is kept, at most.
    ///
    /// # Errors
    ///
    /// The folder cannot be made, read or cleared.
    pub fn open(folder: impl Into<PathBuf>, bytes: u64) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        for one in fs::read_dir(&folder)? {
            let one = one?;
            if is_name(&one.file_name().to_string_lossy()) && one.file_type()?.is_dir() {
                fs::remove_dir_all(one.path())?;
            }
        }
        Ok(Self {
            folder,
            most: bytes,
            lasting: Duration::MAX,
            kept: Mutex::default(),
        })
    }

    /// How long what is for those who come later is kept, from when it was offered. Default: as
    /// long as the hub is there.
    #[must_use]
    pub fn lasting(mut self, lasting: Duration) -> Self {
        self.lasting = lasting;
        self
    }

    /// How much is kept.
    pub fn stats(&self) -> HubFilesStats {
        let mut kept = self.kept();
        kept.prune(self.lasting);
        HubFilesStats {
            transfers: kept.all.len(),
            bytes: kept.bytes(),
            refused: kept.refused,
            stalled: kept.all.iter().map(|one| one.stalled()).sum(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where an offer is kept.
    ///
    /// # Errors
    ///
    /// `Quota` if there is no place; those of the disk.
    pub(super) fn place(
        &self,
        hub: &UserId,
        from: &User,
        manifest: &Arc<Manifest>,
    ) -> Result<Arc<Stored>> {
        let kept = &mut *self.kept();
        kept.prune(self.lasting);
        let mut all = kept.all.iter();
        let same = all.find(|one| one.is(hub, &from.userid) && one.manifest.same(manifest));
        if let Some(same) = same {
            return Ok(same.clone());
        }
        while kept.all.len() >= MOST
            || kept.bytes().saturating_add(manifest.bytes) > self.most.max(1)
        {
            let idle = kept.all.iter().position(|one| Arc::strong_count(one) == 1);
            let Some(idle) = idle.filter(|_| manifest.bytes <= self.most) else {
                kept.refused = kept.refused.saturating_add(1);
                return Err(Error::new(Code::Quota, self.full(manifest.bytes)));
            };
            kept.all.remove(idle);
        }
        let stored = Stored::new(&self.folder, hub, from, manifest);
        let stored = stored.inspect_err(|error| {
            tracing::warn!(target: "ortc_rooms::session", %error, "no files are kept");
            kept.refused = kept.refused.saturating_add(1);
        });
        let stored = stored.map_err(|error| Error::of(&error, "the files of the room"))?;
        let stored = Arc::new(stored);
        kept.all.push(stored.clone());
        Ok(stored)
    }

    fn full(&self, bytes: u64) -> String {
        match bytes > self.most {
            true => format!(
                "of files the room's server keeps {} bytes at most",
                self.most
            ),
            false => "the room's server has no place left for files".to_owned(),
        }
    }

    /// What is complete, and is to be offered to those who come later.
    pub(super) fn for_later(&self, hub: &UserId) -> Vec<Arc<Stored>> {
        let mut kept = self.kept();
        kept.prune(self.lasting);
        let all = kept.all.iter().filter(|one| one.hub == *hub);
        let all = all.filter(|one| one.manifest.keep && one.coming.is_complete());
        all.cloned().collect()
    }

    /// A hub has ended.
    pub(super) fn forget(&self, hub: &UserId) {
        self.kept().all.retain(|one| one.hub != *hub);
    }
}

impl Kept {
    fn bytes(&self) -> u64 {
        let bytes = self.all.iter().map(|one| one.manifest.bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// Nobody gets what is removed, nor ever did want it again.
    fn prune(&mut self, lasting: Duration) {
        self.all.retain(|one| {
            let used = *one.used.lock().unwrap_or_else(PoisonError::into_inner);
            let complete = one.coming.is_complete();
            let lasting = complete && one.manifest.keep && one.made.elapsed() < lasting;
            let waits = !complete && used.elapsed() < PATIENCE;
            Arc::strong_count(one) > 1 || lasting || waits
        });
    }
}

impl Stored {
    fn new(folder: &Path, hub: &UserId, from: &User, manifest: &Arc<Manifest>) -> io::Result<Self> {
        let name = blake3::hash(crate::random::id().as_bytes()).to_hex();
        let folder = folder.join(name.as_str());
        fs::create_dir(&folder)?;
        let coming = Arc::new(Coming::new(manifest.are_folders()));
        Ok(Self {
            hub: hub.clone(),
            from: from.userid.clone(),
            extra: from.extra.clone(),
            manifest: manifest.clone(),
            source: Arc::new(Source::passed(manifest, &coming)),
            coming,
            folder,
            made: Instant::now(),
            downs: Mutex::default(),
            feeding: Arc::default(),
            running: Mutex::default(),
            told: Mutex::default(),
            used: Mutex::new(Instant::now()),
        })
    }

    fn is(&self, hub: &UserId, from: &UserId) -> bool {
        self.hub == *hub && self.from == *from
    }

    /// It begins to go to somebody: who brings its sender's later channels. Or, if it goes there
    /// already, the offer is brought to it.
    pub(super) fn goes(
        self: &Arc<Self>,
        to: &UserId,
        id: &TransferId,
        offer: FileOffer<RTCDataChannel>,
    ) -> Option<(Going, FileOffer<RTCDataChannel>)> {
        let mut running = self.running();
        let goes = (to.clone(), id.clone());
        let offer = match running.get(&goes) {
            Some(there) => match there.try_send(offer) {
                Ok(()) => return None,
                Err(error) => error.into_inner(),
            },
            None => offer,
        };
        let (next, newer) = mpsc::channel(1);
        running.insert(goes.clone(), next);
        drop(running);
        self.tell(to);
        let stored = self.clone();
        let going = Going {
            stored,
            goes,
            newer,
        };
        Some((going, offer))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Goes, Next>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn downs(&self) -> MutexGuard<'_, Vec<Transfer>> {
        let mut downs = self.downs.lock().unwrap_or_else(PoisonError::into_inner);
        downs.retain(|down| !down.progress().state.is_over());
        downs
    }

    /// It goes to one more.
    pub(super) fn goes_by(&self, down: &Transfer) {
        self.downs().push(down.clone());
    }

    fn stalled(&self) -> usize {
        let downs = self.downs();
        downs.iter().filter(|down| down.progress().stalled).count()
    }

    /// Whether all is here that a receiver takes.
    pub(super) fn has(&self, chosen: Option<&Choice>) -> bool {
        let wants = |file| chosen.is_none_or(|chosen| chosen.has(file));
        self.coming.has(wants)
    }

    /// Somebody is offered it; false if that was so before.
    pub(super) fn tell(&self, user: &UserId) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(user.clone())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        let folder = Gone(std::mem::take(&mut self.folder));
        // Large files take a while, and who drops this may hold a lock.
        if let Ok(runtime) = runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(folder));
        }
    }
}

/// A folder that goes when this does: also where the runtime ends before its turn.
struct Gone(PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// It goes to somebody, as long as this is there.
pub(super) struct Going {
    pub(super) stored: Arc<Stored>,
    goes: Goes,
    pub(super) newer: mpsc::Receiver<FileOffer<RTCDataChannel>>,
}

impl Drop for Going {
    fn drop(&mut self) {
        let mut running = self.stored.running();
        self.newer.close();
        if running.get(&self.goes).is_some_and(mpsc::Sender::is_closed) {
            running.remove(&self.goes);
        }
        let used = self.stored.used.lock();
        *used.unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Whether a folder may be one of ours.
fn is_name(name: &str) -> bool {
    name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit())
}
