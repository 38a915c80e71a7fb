//! Bounds and choices of a transfer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::coming::Coming;
use crate::signalling::Extra;

/// Files and folders of one transfer that are ever sent.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// How long a lost transfer waits for its peer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Components of a path.
pub(super) const MAX_DEPTH: usize = 32;

/// How a source is sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SendOptions {
    /// Bytes a second, at most.
    pub(super) limit: Option<u64>,
    pub(super) patience: Duration,
    pub(crate) keep: bool,
    /// By a hub: what the one whose it is tells of itself.
    pub(crate) extra: Extra,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            limit: None,
            patience: PATIENCE,
            keep: false,
            extra: Extra::Null,
        }
    }
}

impl SendOptions {
    /// Bytes a second, at most. Default: as fast as the path takes them.
    #[must_use]
    pub fn limit(mut self, bytes_per_second: u64) -> Self {
        self.limit = Some(bytes_per_second.max(1));
        self
    }

    /// How long a transfer whose connection is lost waits for the peer to be connected again, to go
    /// on by itself; 0: not at all. Default: two minutes. Of a session's transfers: who has a
    /// channel alone brings the next one.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Who comes into the room later is offered it, too, as long as this side is in the room.
    /// Default: no. Of a room's transfers, within
    /// [`kept_files`](crate::session::SessionOptions::kept_files).
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }
}

/// What becomes of a file whose name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NameTaken {
    /// It gets another name: `photo (1).jpg`.
    #[default]
    Rename,
    /// It replaces the file that is there.
    Overwrite,
    /// The transfer fails with `Exists`.
    Fail,
}

/// How an offer is accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReceiveOptions {
    pub(super) name_taken: NameTaken,
    pub(super) quota: Quota,
    /// `None`: all.
    pub(super) files: Option<Vec<u32>>,
    pub(super) limit: Option<u64>,
    pub(super) patience: Duration,
    /// Told how far it is, for those who read it meanwhile.
    pub(super) coming: Option<Arc<Coming>>,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self {
            name_taken: NameTaken::default(),
            quota: Quota::new(u64::MAX),
            files: None,
            limit: None,
            patience: PATIENCE,
            coming: None,
        }
    }
}

impl ReceiveOptions {
    /// For those who read it while it comes: what is there stays there until it goes on.
    pub(crate) fn coming(coming: Arc<Coming>) -> Self {
        Self {
            name_taken: NameTaken::Overwrite,
            coming: Some(coming),
            ..Self::default()
        }
    }

    /// Bytes a second, at most, but for the first MiB or so. Default: as fast as they come.
    #[must_use]
    pub fn limit(mut self, bytes_per_second: u64) -> Self {
        self.limit = Some(bytes_per_second.max(1));
        self
    }

    /// How long a transfer whose connection is lost waits for the peer to offer the rest, to go on
    /// by itself; 0: not at all. Default: two minutes. Of a session's transfers.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What becomes of a file whose name is taken. Default: it gets another one.
    #[must_use]
    pub fn name_taken(mut self, name_taken: NameTaken) -> Self {
        self.name_taken = name_taken;
        self
    }

    /// What may still be written; shared by all transfers that are given a clone. Default: no
    /// bound but the disk.
    #[must_use]
    pub fn quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// Only these of the offered files, by their place in the offer. Default: all.
    #[must_use]
    pub fn only(mut self, files: impl IntoIterator<Item = u32>) -> Self {
        self.files = Some(files.into_iter().collect());
        self
    }
}

/// Bytes that may be written, all clones together.
#[derive(Debug, Clone)]
pub struct Quota(Arc<AtomicU64>);

impl Quota {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes so many bytes, if they are left.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        taken.is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_add(bytes))
            });
    }
}
