//! A folder that fills from outside: files come as streams, whole or not at all, within bounds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::http::StatusCode;
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The most files of a folder.
const FILES: usize = 20_000;
/// The most that come at once.
const AT_ONCE: usize = 16;
/// So long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// Who is slower than this, in bytes per second, after [`SLOW_AFTER`], holds a place for nothing.
const SLOWEST: u64 = 4_096;
const SLOW_AFTER: Duration = Duration::from_secs(60);
/// The ending of what is not whole yet.
const PART: &str = "part";

/// Why something is not taken: a status and a sentence.
pub(crate) type Refused = (StatusCode, String);

pub(crate) struct Shelf {
    folder: PathBuf,
    /// The most bytes of one file, and of all.
    pub(crate) most: u64,
    quota: u64,
    ledger: Mutex<Ledger>,
    /// Looking at the folder and changing it exclude each other.
    order: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Ledger {
    stored: u64,
    coming: u64,
    at_once: usize,
}

/// A file that comes; removed if it does not become whole.
struct Part<'a> {
    shelf: &'a Shelf,
    path: PathBuf,
    bytes: u64,
    whole: bool,
}

impl Shelf {
    /// Makes the folder, and clears away what did not become whole before.
    pub(crate) fn open(folder: &Path, most: u64, quota: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == PART) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            most,
            quota,
            ledger: Mutex::default(),
            order: tokio::sync::Mutex::default(),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Takes the body into a file that nobody sees before it is whole; how many bytes it has.
    /// `declared` is what the request says of its length. `before` makes what lies beside it.
    ///
    /// # Errors
    ///
    /// A status and a sentence: too large, no room, too slow, cut off, the disk.
    pub(crate) async fn put<E>(
        &self,
        name: &str,
        body: Body,
        declared: Option<u64>,
        before: impl FnOnce(u64) -> E,
    ) -> Result<u64, Refused>
    where
        E: Future<Output = io::Result<()>>,
    {
        self.look().await?;
        if let Some(bytes) = declared {
            self.fits(bytes)?;
        }
        let path = self.path(&format!("{name}.{PART}"));
        let mut part = Part::new(self, path)?;
        let mut file = create(&part.path).await.map_err(disk)?;
        part.fill(&mut file, body).await?;
        file.flush().await.map_err(disk)?;
        file.sync_all().await.map_err(disk)?;
        drop(file);
        let _alone = self.order.lock().await;
        before(part.bytes).await.map_err(disk)?;
        let whole = self.path(name);
        tokio::fs::rename(&part.path, whole).await.map_err(disk)?;
        Ok(part.done())
    }

    /// Counts what is there: an operator may have taken some away.
    async fn look(&self) -> Result<(), Refused> {
        let _alone = self.order.lock().await;
        let folder = self.folder.clone();
        let looked = tokio::task::spawn_blocking(move || sum(&folder)).await;
        let (files, bytes) = looked
            .map_err(io::Error::other)
            .and_then(|sum| sum)
            .map_err(disk)?;
        self.ledger().stored = bytes;
        match files < FILES {
            true => Ok(()),
            false => Err(full()),
        }
    }

    fn fits(&self, bytes: u64) -> Result<(), Refused> {
        if bytes > self.most {
            return Err(self.too_large());
        }
        let ledger = self.ledger();
        let all = ledger.stored.saturating_add(ledger.coming);
        if all.saturating_add(bytes) > self.quota {
            return Err(full());
        }
        Ok(())
    }

    fn too_large(&self) -> Refused {
        let words = format!("this is too large: {} bytes are the most here", self.most);
        (StatusCode::PAYLOAD_TOO_LARGE, words)
    }

    /// The names of all that is whole.
    pub(crate) async fn names(&self) -> io::Result<Vec<String>> {
        let folder = self.folder.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let entries = std::fs::read_dir(folder)?.flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            let whole = names.filter(|name| !name.ends_with(".part"));
            Ok(whole.take(2 * FILES).collect())
        });
        looked.await.map_err(io::Error::other)?
    }

    /// Removes these.
    pub(crate) async fn remove(&self, names: &[String]) -> io::Result<()> {
        let _alone = self.order.lock().await;
        for name in names {
            tokio::fs::remove_file(self.path(name)).await?;
        }
        Ok(())
    }
}

/// A file that its owner alone can read.
async fn create(path: &Path) -> io::Result<File> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await
}

/// Whole or not at all.
pub(crate) async fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = path.with_extension(format!("new.{PART}"));
    let mut file = create(&part).await?;
    file.write_all(content).await?;
    file.sync_all().await?;
    tokio::fs::rename(&part, path).await
}

fn sum(folder: &Path) -> io::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0_usize, 0_u64);
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == PART)
        {
            continue;
        }
        if let Ok(about) = entry.metadata() {
            files = files.saturating_add(1);
            bytes = bytes.saturating_add(about.len());
        }
    }
    Ok((files, bytes))
}

fn full() -> Refused {
    let words = "the server has no room for more of these; its operator can make some";
    (StatusCode::INSUFFICIENT_STORAGE, words.to_owned())
}

fn disk(error: io::Error) -> Refused {
    tracing::warn!(%error, "what came could not be kept");
    let words = "the server cannot write it now; its log says why";
    (StatusCode::INTERNAL_SERVER_ERROR, words.to_owned())
}

impl<'a> Part<'a> {
    fn new(shelf: &'a Shelf, path: PathBuf) -> Result<Self, Refused> {
        let mut ledger = shelf.ledger();
        if ledger.at_once >= AT_ONCE {
            let words = "too many come at once; try again in a minute";
            return Err((StatusCode::SERVICE_UNAVAILABLE, words.to_owned()));
        }
        ledger.at_once = ledger.at_once.saturating_add(1);
        drop(ledger);
        Ok(Self {
            shelf,
            path,
            bytes: 0,
            whole: false,
        })
    }

    async fn fill(&mut self, file: &mut File, body: Body) -> Result<(), Refused> {
        let late = |words: &str| (StatusCode::REQUEST_TIMEOUT, words.to_owned());
        let begun = Instant::now();
        let mut chunks = body.into_data_stream();
        loop {
            let chunk = timeout(SILENCE, chunks.next()).await;
            let chunk = chunk.map_err(|_| late("nothing more came"))?;
            let Some(chunk) = chunk else { return Ok(()) };
            let chunk = chunk.map_err(|_| {
                let words = "what came was cut off".to_owned();
                (StatusCode::BAD_REQUEST, words)
            })?;
            let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.count(count)?;
            let allowed = SLOW_AFTER.saturating_add(Duration::from_secs(self.bytes / SLOWEST));
            if begun.elapsed() > allowed {
                return Err(late("it came too slowly"));
            }
            file.write_all(&chunk).await.map_err(disk)?;
        }
    }

    fn count(&mut self, more: u64) -> Result<(), Refused> {
        self.bytes = self.bytes.saturating_add(more);
        let mut ledger = self.shelf.ledger();
        ledger.coming = ledger.coming.saturating_add(more);
        if self.bytes > self.shelf.most {
            return Err(self.shelf.too_large());
        }
        match ledger.stored.saturating_add(ledger.coming) > self.shelf.quota {
            true => Err(full()),
            false => Ok(()),
        }
    }

    fn done(mut self) -> u64 {
        self.whole = true;
        self.bytes
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let mut ledger = self.shelf.ledger();
        ledger.at_once = ledger.at_once.saturating_sub(1);
        ledger.coming = ledger.coming.saturating_sub(self.bytes);
        if self.whole {
            ledger.stored = ledger.stored.saturating_add(self.bytes);
        } else {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// An id that sorts by time and that nobody guesses: seconds since 1970, then 96 random bits.
pub(crate) fn id(time: u64) -> Result<String, Refused> {
    let mut bytes = [0; 12];
    let rng = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&rng, &mut bytes)
        .map_err(|_| disk(io::Error::other("there is no randomness")))?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{time:010x}{random}"))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
