//! Files that are sent on while they come: how far each is, for those who read it meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::{Code, Error, Result};
use super::hash::Hash;

/// What has come of one file.
#[derive(Debug, Clone, Default)]
struct Came {
    place: Place,
    /// Whole blocks that are on the disk, each as its hash says.
    blocks: u64,
    /// All of it is there, and is what its sender says.
    hash: Option<Hash>,
    /// Its sender has no more of it.
    given_up: bool,
}

/// Where a file is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Another one each time that it begins: what was opened before may be another file.
    begun: u64,
}

/// How far the files of a transfer are.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    files: Mutex<Vec<Came>>,
    /// Something was noted.
    more: watch::Sender<()>,
    /// Of them, those that are folders.
    folders: Vec<bool>,
}

impl Coming {
    /// Of a transfer with as many files and folders; true where it is a folder.
    pub(crate) fn new(folders: Vec<bool>) -> Self {
        Self {
            files: Mutex::new(vec![Came::default(); folders.len()]),
            more: watch::Sender::default(),
            folders,
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<Came>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, file: u32, f: impl FnOnce(&mut Came)) {
        if let Some(came) = self.files().get_mut(file as usize) {
            f(came);
        }
        self.more.send_replace(());
    }

    /// A file begins, so many blocks of which are there.
    pub(super) fn began(&self, file: u32, path: &Path, kept: u64) {
        self.note(file, |came| {
            *came = Came {
                place: Place {
                    path: path.to_owned(),
                    begun: came.place.begun.saturating_add(1),
                },
                blocks: kept,
                ..Came::default()
            };
        });
    }

    pub(super) fn wrote(&self, file: u32, count: u64) {
        self.note(file, |came| came.blocks = count);
    }

    pub(super) fn given_up(&self, file: u32) {
        self.note(file, |came| came.given_up = true);
    }

    pub(super) fn published(&self, file: u32, path: &Path, hash: Hash) {
        self.note(file, |came| {
            path.clone_into(&mut came.place.path);
            came.hash = Some(hash);
        });
    }

    /// Where a file is that is complete.
    pub(super) fn complete(&self, file: u32) -> Option<PathBuf> {
        let files = self.files();
        let came = files.get(file as usize)?;
        came.hash.map(|_| came.place.path.clone())
    }

    /// Whether all are.
    pub(crate) fn is_complete(&self) -> bool {
        self.has(|_| true)
    }

    /// Whether those that somebody wants are.
    pub(crate) fn has(&self, wants: impl Fn(u32) -> bool) -> bool {
        let files = self.files();
        let mut all = (0..).zip(files.iter().zip(&self.folders));
        all.all(|(file, (came, folder))| *folder || came.hash.is_some() || !wants(file))
    }

    /// Waits for something of a file. Cancel-safe.
    ///
    /// # Errors
    ///
    /// It does not come.
    async fn wait<T>(&self, file: u32, ready: impl Fn(&Came) -> Option<T>) -> Result<T> {
        let mut more = self.more.subscribe();
        let look = |came: &Came| match ready(came) {
            None if came.given_up => {
                let text = "its sender has no more of it";
                Some(Err(Error::new(Code::SourceChanged, text)))
            }
            found => found.map(Ok),
        };
        loop {
            let found = self.files().get(file as usize).and_then(look);
            if let Some(found) = found {
                return found;
            }
            // Its sender is this one's own.
            let _ = more.changed().await;
        }
    }

    /// Waits for the hash of the whole. Cancel-safe.
    pub(super) async fn hash(&self, file: u32) -> Result<Hash> {
        self.wait(file, |came| came.hash).await
    }

    /// Waits until a block is on the disk; where. Cancel-safe.
    pub(super) async fn block(&self, file: u32, index: u64) -> Result<Place> {
        let there = |came: &Came| {
            let there = came.hash.is_some() || came.blocks > index;
            there.then(|| came.place.clone())
        };
        self.wait(file, there).await
    }

    /// Waits until it is elsewhere. Cancel-safe.
    pub(super) async fn moved(&self, file: u32, from: &Place) {
        let moved = |came: &Came| (came.place != *from || came.given_up).then_some(());
        let _ = self.wait(file, moved).await;
    }
}
