//! What is offered, as the receiver knows it.

use super::error::{Code, Error, Result};
use super::hash::Hash;
use super::id::TransferId;
use super::message::{Entry, Offer, VERSION};
use super::options::{MAX_DEPTH, MAX_ENTRIES};
use crate::signalling::Extra;

/// The longest key and the longest path that are taken, in bytes.
const MAX_KEY: usize = 256;
const MAX_PATH: usize = 32 * 1024;
/// All paths together: what an offer has this side hold.
const MAX_PATHS: usize = 8 * 1024 * 1024;

/// What is offered.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) id: TransferId,
    pub(super) key: String,
    /// Those who come later are to be offered it, too.
    pub(crate) keep: bool,
    /// What the one whose it is tells of itself, as a hub says.
    pub(super) extra: Extra,
    declared: usize,
    pub(crate) bytes: u64,
    entries: Vec<Entry>,
    /// What the paths take, and the files so far.
    paths: usize,
    sizes: u64,
}

impl Manifest {
    /// # Errors
    ///
    /// `Malformed`, `TooMany`.
    pub(super) fn new(offer: Offer) -> Result<Self> {
        if offer.version != VERSION || offer.key.len() > MAX_KEY {
            return Err(Error::malformed("an offer of another version"));
        }
        let declared = offer.entries as usize;
        if declared > MAX_ENTRIES {
            return Err(Error::new(Code::TooMany, "too many files in one offer"));
        }
        Ok(Self {
            id: offer.id,
            key: offer.key,
            keep: offer.keep,
            extra: offer.extra,
            declared,
            bytes: offer.bytes,
            entries: Vec::new(),
            paths: 0,
            sizes: 0,
        })
    }

    /// # Errors
    ///
    /// `Malformed`, `TooMany`.
    pub(super) fn add(&mut self, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let length: usize = entry.path.iter().map(String::len).sum();
            self.paths = self.paths.saturating_add(length);
            if self.entries.len() >= self.declared {
                return Err(Error::malformed("more files than offered"));
            }
            if entry.path.len() > MAX_DEPTH || self.paths > MAX_PATHS {
                return Err(Error::new(Code::TooMany, "too many or too deep folders"));
            }
            if entry.path.is_empty() || length > MAX_PATH || (entry.folder && entry.size > 0) {
                return Err(Error::malformed("no name of a file"));
            }
            let sizes = self.sizes.checked_add(entry.size);
            let sizes = sizes.filter(|sizes| *sizes <= self.bytes);
            self.sizes = sizes.ok_or_else(|| Error::malformed("more bytes than offered"))?;
            self.entries.push(entry);
        }
        Ok(())
    }

    /// # Errors
    ///
    /// `Malformed` if something is missing.
    pub(super) fn complete(&self) -> Result<()> {
        match self.entries.len() == self.declared && self.sizes == self.bytes {
            true => Ok(()),
            false => Err(Error::malformed("fewer files than offered")),
        }
    }

    /// The same with numbers for names: none of what the peer says becomes a path.
    pub(super) fn numbered(&self) -> Self {
        let entries = self.entries.iter().enumerate();
        let entries = entries.map(|(number, entry)| Entry {
            path: vec![number.to_string()],
            ..entry.clone()
        });
        Self {
            id: self.id.clone(),
            key: self.key.clone(),
            keep: self.keep,
            extra: Extra::Null,
            declared: self.declared,
            bytes: self.bytes,
            entries: entries.collect(),
            paths: self.paths,
            sizes: self.sizes,
        }
    }

    /// Whether it is the same, offered once more.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.key == other.key && self.bytes == other.bytes && self.entries == other.entries
    }

    /// Stands for the key where others may see it.
    pub(super) fn key_hash(&self) -> Hash {
        super::hash::hash_block(0, 0, self.key.as_bytes())
    }

    /// True for each that is a folder.
    pub(crate) fn are_folders(&self) -> Vec<bool> {
        self.entries.iter().map(|entry| entry.folder).collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// # Errors
    ///
    /// `Malformed` if there is none.
    pub(super) fn file(&self, file: u32) -> Result<&Entry> {
        let entry = self.entries.get(file as usize);
        let entry = entry.filter(|entry| !entry.folder);
        entry.ok_or_else(|| Error::malformed("no such file"))
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Vec<String>> {
        let folders = self.entries.iter().filter(|entry| entry.folder);
        folders.map(|entry| &entry.path)
    }
}
