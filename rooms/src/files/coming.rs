//! Files that are sent on while they come: how far each is, for those who read it meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::hash::Hash;

/// Who waits looks this often whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// What has come of one file.
#[derive(Debug, Clone, Default)]
struct Came {
    path: PathBuf,
    /// Whole blocks that are on the disk, each as its hash says.
    blocks: u64,
    /// Another one each time that it begins: what was opened before may be another file.
    begun: u64,
    /// All of it is there, and is what its sender says.
    hash: Option<Hash>,
}

/// How far the files of a transfer are.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    files: Mutex<Vec<Came>>,
    more: Condvar,
    /// Of them, those that are folders.
    folders: Vec<bool>,
}

/// A file that was opened, and which of its beginnings that was.
pub(super) struct Opened {
    pub(super) file: File,
    begun: u64,
    path: PathBuf,
}

impl Coming {
    /// Of a transfer with as many files and folders; true where it is a folder.
    pub(crate) fn new(folders: Vec<bool>) -> Self {
        Self {
            files: Mutex::new(vec![Came::default(); folders.len()]),
            more: Condvar::new(),
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
        self.more.notify_all();
    }

    /// A file begins, so many blocks of which are there.
    pub(super) fn began(&self, file: u32, path: &Path, kept: u64) {
        self.note(file, |came| {
            *came = Came {
                path: path.to_owned(),
                blocks: kept,
                begun: came.begun.saturating_add(1),
                hash: None,
            };
        });
    }

    pub(super) fn wrote(&self, file: u32, count: u64) {
        self.note(file, |came| came.blocks = count);
    }

    pub(super) fn published(&self, file: u32, path: &Path, hash: Hash) {
        self.note(file, |came| {
            (came.path, came.hash) = (path.to_owned(), Some(hash));
        });
    }

    /// Where a file is that is complete.
    pub(super) fn complete(&self, file: u32) -> Option<PathBuf> {
        let files = self.files();
        let came = files.get(file as usize)?;
        came.hash.map(|_| came.path.clone())
    }

    /// Whether all are.
    pub(crate) fn is_complete(&self) -> bool {
        let files = self.files();
        let mut both = files.iter().zip(&self.folders);
        both.all(|(came, folder)| *folder || came.hash.is_some())
    }

    /// Waits for something of a file, until nobody wants it.
    fn wait<T>(
        &self,
        file: u32,
        stale: impl Fn() -> bool,
        ready: impl Fn(&Came) -> Option<T>,
    ) -> Option<T> {
        let mut files = self.files();
        while !stale() {
            if let Some(ready) = files.get(file as usize).and_then(&ready) {
                return Some(ready);
            }
            let waited = self.more.wait_timeout(files, LOOK);
            files = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// Waits for the hash of the whole. Blocks its thread.
    pub(super) fn hash(&self, file: u32, stale: impl Fn() -> bool) -> Option<Hash> {
        self.wait(file, stale, |came| came.hash)
    }

    /// Waits until a block is on the disk, and has the file open. Blocks its thread.
    pub(super) fn block(
        &self,
        file: u32,
        index: u64,
        opened: &mut Option<Opened>,
        stale: impl Fn() -> bool,
    ) -> io::Result<Option<()>> {
        loop {
            let there = |came: &Came| {
                let there = came.hash.is_some() || came.blocks > index;
                there.then(|| (came.path.clone(), came.begun))
            };
            let Some((path, begun)) = self.wait(file, &stale, there) else {
                return Ok(None);
            };
            let same = opened.as_ref();
            if same.is_some_and(|same| same.begun == begun && same.path == path) {
                return Ok(Some(()));
            }
            match File::open(&path) {
                Ok(file) => *opened = Some(Opened { file, begun, path }),
                // It gets its own name at this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(1));
                    if self.wait(file, &stale, |came| (came.path == path).then_some(())) == Some(())
                        && !path.exists()
                        && self.complete(file).is_some()
                    {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
