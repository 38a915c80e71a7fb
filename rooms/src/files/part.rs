//! A file that is not complete yet: the part that is there, and the hashes of its blocks.
//!
//! Both lie beside the file to be, under names that only who knows the key of the transfer comes
//! to. The state is written behind the block that it is about, a line each, so that whatever moment
//! a process ends at, what it says is there; and it is checked all the same.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::disk;
use super::error::{Code, Error, Result};
use super::hash::{BLOCK, Hash, Tree, block_size, blocks, hash_block, hash_pieces};
use super::name::{PART, STATE, shown};

/// Parts of one name and key, of transfers at the same time.
const MAX_PARTS: u32 = 100;
/// The first line of a state, in bytes.
const MAX_HEAD: u64 = 64 * 1024;

/// What a file is to become, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// A hash: the key itself is the sender's.
    pub(super) key: Hash,
    /// As it was offered.
    pub(super) path: Vec<String>,
    pub(super) size: u64,
}

/// An incomplete file, locked against other transfers.
pub(super) struct Part {
    file: File,
    /// Of files with more than one block.
    state: Option<File>,
    path: PathBuf,
    state_path: PathBuf,
    head: Head,
    tree: Tree,
}

impl Part {
    /// What is there of the file, or a new one. Reads all that is there.
    pub(super) fn open(folder: &Path, name: &str, head: &Head) -> Result<Self> {
        for number in 0..MAX_PARTS {
            let [path, state_path] = beside(folder, name, &head.key, number);
            let opened = Self::open_at(path, state_path, head);
            if let Some(part) = opened.map_err(|error| Error::of(&error, name))? {
                return Ok(part);
            }
        }
        let text = format!("too many parts of {}", shown(name));
        Err(Error::new(Code::Exists, text))
    }

    /// Removes what is left beside a file that has its name already.
    pub(super) fn clear(folder: &Path, name: &str, key: &Hash) {
        for path in beside(folder, name, key, 0) {
            let _ = fs::remove_file(path);
        }
    }

    /// `None` if somebody else has it.
    fn open_at(path: PathBuf, state_path: PathBuf, head: &Head) -> io::Result<Option<Self>> {
        if is_odd(&path)? || is_odd(&state_path)? {
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.clone().create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&path)?,
            opened => opened?,
        };
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(None);
        }
        let mut part = Self {
            file,
            state: None,
            path,
            state_path,
            head: head.clone(),
            tree: Tree::default(),
        };
        match part.listed()? {
            Some(listed) if listed.key != head.key => return Ok(None),
            Some(listed) if listed == *head => part.verify()?,
            _ => {}
        }
        part.cut()?;
        Ok(Some(part))
    }

    /// Whose state it is, if there is one.
    fn listed(&self) -> io::Result<Option<Head>> {
        let state = match File::open(&self.state_path) {
            Ok(state) => state,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut line = String::new();
        let read = BufReader::new(state.take(MAX_HEAD)).read_line(&mut line);
        // What is no state of ours tells nothing.
        Ok(read.ok().and_then(|_| serde_json::from_str(&line).ok()))
    }

    /// Takes the blocks that are on the disk as the state says.
    fn verify(&mut self) -> io::Result<()> {
        let state = BufReader::new(File::open(&self.state_path)?);
        self.file.seek(SeekFrom::Start(0))?;
        let mut data = vec![0; usize::try_from(BLOCK).unwrap_or_default()];
        let mut lines = state.split(b'\n');
        let _head = lines.next();
        for line in lines {
            let line = String::from_utf8(line?).unwrap_or_default();
            let index = self.tree.count();
            let size = usize::try_from(block_size(self.head.size, index)).unwrap_or_default();
            let (Some(hash), Some(data)) = (Hash::from_hex(&line), data.get_mut(..size)) else {
                break;
            };
            if size == 0 || self.file.read_exact(data).is_err() {
                break;
            }
            if hash_block(self.head.size, index, data) != hash {
                break;
            }
            self.tree.push(hash);
        }
        Ok(())
    }

    /// Cuts part and state to what was verified.
    fn cut(&mut self) -> io::Result<()> {
        let kept = self.tree.count();
        let end = kept.saturating_mul(BLOCK).min(self.head.size);
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        if blocks(self.head.size) <= 1 {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(kept == 0);
        let mut state = options.open(&self.state_path)?;
        if kept == 0 {
            let mut head = serde_json::to_vec(&self.head).unwrap_or_default();
            head.push(b'\n');
            state.write_all(&head)?;
        } else {
            let mut reader = BufReader::new(&state);
            let mut length = 0_u64;
            let mut line = Vec::new();
            for _ in 0..=kept {
                line.clear();
                length = length.saturating_add(reader.read_until(b'\n', &mut line)? as u64);
            }
            state.set_len(length)?;
            state.seek(SeekFrom::Start(length))?;
        }
        self.state = Some(state);
        Ok(())
    }

    /// Where it is, until it has its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The blocks that are there.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// They are not those of the file.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.tree = Tree::default();
        self.cut().map_err(|error| self.failed(&error))
    }

    /// The next block; false if it is not what its hash says. Then nothing was written.
    pub(super) fn write(&mut self, hash: Hash, pieces: &[Bytes]) -> Result<bool> {
        if hash_pieces(self.head.size, self.tree.count(), pieces) != hash {
            return Ok(false);
        }
        let written = self.append(hash, pieces);
        written.map_err(|error| self.failed(&error))?;
        self.tree.push(hash);
        Ok(true)
    }

    fn append(&mut self, hash: Hash, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            disk::write(&mut self.file, &self.path, piece)?;
        }
        match &mut self.state {
            Some(state) => state.write_all(format!("{hash}\n").as_bytes()),
            None => Ok(()),
        }
    }

    /// The hash of the whole, and the file under its present name, ready to get its own.
    pub(super) fn complete(&mut self, hash: Hash, modified: Option<u64>) -> Result<PathBuf> {
        let all = self.tree.count() == blocks(self.head.size);
        if !all || self.tree.clone().root() != hash {
            let text = format!("{} did not arrive as it was sent", self.name());
            return Err(Error::new(Code::Corrupt, text));
        }
        if let Some(time) =
            modified.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)))
        {
            // Not every file system takes every time.
            let _ = self.file.set_modified(time);
        }
        if blocks(self.head.size) > 1 {
            let synced = self.file.sync_all();
            synced.map_err(|error| self.failed(&error))?;
        }
        Ok(self.path.clone())
    }

    /// The file has its name: nothing is to be known of its parts.
    pub(super) fn published(self) {
        let _ = fs::remove_file(&self.state_path);
    }

    /// Throws it away.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.state_path);
    }

    fn name(&self) -> String {
        shown(self.head.path.last().map_or("", String::as_str))
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::of(error, &self.name())
    }
}

/// Where the part and the state are.
fn beside(folder: &Path, name: &str, key: &Hash, number: u32) -> [PathBuf; 2] {
    let key = key.to_string();
    let key = key.get(..8).unwrap_or_default();
    let number = match number {
        0 => String::new(),
        number => format!(".{number}"),
    };
    [PART, STATE].map(|end| folder.join(format!("{name}.{key}{number}{end}")))
}

/// Something else than a plain file of one name, which somebody put there.
fn is_odd(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(!meta.is_file() || links(&meta) > 1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn links(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(meta)
}

#[cfg(not(unix))]
fn links(_: &fs::Metadata) -> u64 {
    1
}
