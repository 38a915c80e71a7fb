//! What is offered: files and folders of this side's disk.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ortc::RTCDataChannelMessage;

use super::coming::Coming;
use super::error::{Code, Error, Result};
use super::id::{TransferId, random_hex};
use super::manifest::Manifest;
use super::message::{Entry, Message, Offer, VERSION};
use super::name::shown;
use super::options::{MAX_DEPTH, MAX_ENTRIES};
use crate::signalling::Extra;

/// Bytes of JSON in one message with entries, about.
const PAGE: usize = 16 * 1024;

/// Files and folders to be sent, as they were when it was made.
///
/// The same source can be offered to several peers, and again to one whose connection was lost:
/// that one goes on where it was.
#[derive(Debug)]
pub struct Source {
    pub(super) items: Vec<Item>,
    pub(super) bytes: u64,
    pub(super) key: String,
    /// What was left out, and why.
    skipped: Vec<(PathBuf, Error)>,
    /// It is not all here yet.
    pub(super) coming: Option<Arc<Coming>>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) path: PathBuf,
}

impl Source {
    /// Looks at files and folders; folders with all that is in them. Nothing is read yet.
    ///
    /// Symbolic links are not followed, and what is neither file nor folder is left out, except
    /// where it is named itself: that is an error.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Permission`, `NotAFile`, `TooMany` with more than 100,000 files and folders or
    /// more than 32 folders in each other, `Io`.
    pub async fn open<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let paths: Vec<PathBuf> = paths.into_iter().map(Into::into).collect();
        let opened = tokio::task::spawn_blocking(move || Self::look(paths));
        opened
            .await
            .map_err(|error| Error::new(Code::Io, error.to_string()))?
    }

    fn look(paths: Vec<PathBuf>) -> Result<Self> {
        let mut source = Self {
            items: Vec::new(),
            bytes: 0,
            key: random_hex(),
            skipped: Vec::new(),
            coming: None,
        };
        for path in paths {
            // A link that is named itself is meant; so are `.` and `..`.
            let real = fs::canonicalize(&path).map_err(|error| of(&error, &path))?;
            let name = path.file_name().or_else(|| real.file_name());
            let name = name.map_or_else(|| "files".into(), |name| name.to_string_lossy().into());
            source.add(&real, vec![name], true)?;
        }
        Ok(source)
    }

    /// Whoever was offered a source with this key before can go on with it, from another process
    /// too. Else the key is random: who comes back after a restart of this side begins anew.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// What another offers, from where it comes to.
    pub(crate) fn passed(manifest: &Manifest, coming: &Arc<Coming>) -> Self {
        let items = manifest.entries().iter().map(|entry| Item {
            entry: entry.clone(),
            path: PathBuf::new(),
        });
        Self {
            items: items.collect(),
            bytes: manifest.bytes,
            key: manifest.key.clone(),
            skipped: Vec::new(),
            coming: Some(coming.clone()),
        }
    }

    fn add(&mut self, path: &Path, name: Vec<String>, named: bool) -> Result<()> {
        if name.len() > MAX_DEPTH {
            return Err(Error::new(
                Code::TooMany,
                "folders are too deep in each other",
            ));
        }
        if self.items.len() >= MAX_ENTRIES {
            return Err(Error::new(Code::TooMany, "too many files at once"));
        }
        let found = fs::symlink_metadata(path).map_err(|error| of(&error, path));
        let meta = match found {
            Ok(meta) if meta.is_file() => meta,
            Ok(meta) if meta.is_dir() => return self.add_folder(path, name, named),
            Ok(_) => return self.skip(path, not_a_file(path), named),
            Err(error) => return self.skip(path, error, named),
        };
        self.bytes = self.bytes.saturating_add(meta.len());
        self.items.push(Item {
            entry: Entry {
                path: name,
                size: meta.len(),
                modified: modified(&meta),
                folder: false,
            },
            path: path.to_owned(),
        });
        Ok(())
    }

    fn add_folder(&mut self, path: &Path, name: Vec<String>, named: bool) -> Result<()> {
        let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut inside = match listed {
            Ok(inside) => inside,
            Err(error) => return self.skip(path, of(&error, path), named),
        };
        if inside.is_empty() {
            self.items.push(Item {
                entry: Entry {
                    path: name,
                    size: 0,
                    modified: None,
                    folder: true,
                },
                path: path.to_owned(),
            });
            return Ok(());
        }
        inside.sort_by_key(fs::DirEntry::file_name);
        for one in inside {
            let mut name = name.clone();
            name.push(one.file_name().to_string_lossy().into());
            self.add(&one.path(), name, false)?;
        }
        Ok(())
    }

    fn skip(&mut self, path: &Path, error: Error, named: bool) -> Result<()> {
        if named {
            return Err(error);
        }
        self.skipped.push((path.to_owned(), error));
        Ok(())
    }

    /// What is said of it first.
    pub(crate) fn announced(
        &self,
        id: TransferId,
        keep: bool,
        extra: Extra,
    ) -> impl Iterator<Item = RTCDataChannelMessage> {
        let offer = Message::Offer(Offer {
            version: VERSION,
            id,
            key: self.key.clone(),
            entries: u32::try_from(self.items.len()).unwrap_or(u32::MAX),
            bytes: self.bytes,
            keep,
            extra,
        });
        let mut told = 0_usize;
        let pages = std::iter::from_fn(move || {
            let page = self.page(told);
            told = told.saturating_add(page.len());
            (!page.is_empty()).then_some(Message::Entries(page))
        });
        let all = std::iter::once(offer).chain(pages);
        let all = all.chain([Message::Offered {}]);
        all.map(|message| message.write())
    }

    /// Some entries from this one on, as many as a message takes.
    pub(super) fn page(&self, from: usize) -> Vec<Entry> {
        let mut page = Vec::new();
        let mut length = 0_usize;
        for item in self.items.get(from..).unwrap_or_default() {
            // Control characters take six bytes in JSON; file names have few.
            let names = item
                .entry
                .path
                .iter()
                .map(|name| name.len().saturating_add(4));
            length = length.saturating_add(names.sum()).saturating_add(80);
            if length > PAGE && !page.is_empty() {
                break;
            }
            page.push(item.entry.clone());
        }
        page
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        let files = self.items.iter().filter(|item| !item.entry.folder);
        files.count()
    }

    /// What is inside the folders and not sent, and why.
    pub fn skipped(&self) -> &[(PathBuf, Error)] {
        &self.skipped
    }
}

impl Item {
    /// Opens the file, if it still is what was offered.
    pub(super) fn open(&self) -> Result<File> {
        // Opening a pipe would wait for who writes into it.
        let meta = fs::symlink_metadata(&self.path).map_err(|error| of(&error, &self.path))?;
        if !meta.is_file() {
            return Err(not_a_file(&self.path));
        }
        let file = File::open(&self.path).map_err(|error| of(&error, &self.path))?;
        self.check(&file)?;
        Ok(file)
    }

    /// Whether the file has stayed as it was.
    pub(super) fn check(&self, file: &File) -> Result<()> {
        let meta = file.metadata().map_err(|error| of(&error, &self.path))?;
        let same = meta.is_file()
            && meta.len() == self.entry.size
            && modified(&meta) == self.entry.modified;
        match same {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    pub(super) fn changed(&self) -> Error {
        let name = name_of(&self.path);
        let text = format!("{} changed while it was to be sent", shown(&name));
        Error::new(Code::SourceChanged, text)
    }
}

fn modified(meta: &Metadata) -> Option<u64> {
    let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// The peer learns the name, not where it is.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into()
}

pub(super) fn of(error: &io::Error, path: &Path) -> Error {
    Error::of(error, &name_of(path))
}

fn not_a_file(path: &Path) -> Error {
    let name = shown(&name_of(path));
    Error::new(
        Code::NotAFile,
        format!("{name} is neither a file nor a folder"),
    )
}
