//! Which files of a transfer have arrived already, for one that is gone on with.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::options::MAX_ENTRIES;
use super::target::Target;

/// The longest journal that is read, in bytes.
const MAX_READ: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Line {
    /// As it was offered.
    path: Vec<String>,
    /// Where it is, seen from the target.
    at: PathBuf,
}

/// Lies in the target until the transfer is complete.
pub(super) struct Journal {
    path: PathBuf,
    file: Option<File>,
    arrived: HashMap<Vec<String>, PathBuf>,
}

impl Journal {
    pub(super) fn open(target: &Target, key: &Hash) -> Self {
        let key = key.to_string();
        let key = key.get(..16).unwrap_or_default();
        // A peer's name never begins so.
        let path = target.path().join(format!(".ortc-{key}.files"));
        let arrived = read(&path, target).unwrap_or_default();
        Self {
            path,
            file: None,
            arrived,
        }
    }

    /// Where a file is that arrived before.
    pub(super) fn arrived(&self, path: &[String]) -> Option<&Path> {
        self.arrived.get(path).map(PathBuf::as_path)
    }

    /// Notes it. Without the note it is only sent again.
    pub(super) fn note(&mut self, path: &[String], at: &Path, target: &Target) {
        let line = Line {
            path: path.to_vec(),
            at: at.strip_prefix(target.path()).unwrap_or(at).to_owned(),
        };
        let Ok(mut line) = serde_json::to_vec(&line) else {
            return;
        };
        line.push(b'\n');
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            let options = options.append(true).create(true);
            self.file = is_plain(&self.path)
                .then(|| options.open(&self.path).ok())
                .flatten();
        }
        if let Some(file) = &mut self.file {
            let _ = file.write_all(&line);
        }
    }

    /// All has arrived, or is not wanted any more.
    pub(super) fn remove(&mut self) {
        self.file = None;
        if is_plain(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_plain(path: &Path) -> bool {
    fs::symlink_metadata(path).map_or(true, |meta| meta.is_file())
}

fn read(path: &Path, target: &Target) -> std::io::Result<HashMap<Vec<String>, PathBuf>> {
    let mut arrived = HashMap::new();
    if !is_plain(path) {
        return Ok(arrived);
    }
    for line in BufReader::new(File::open(path)?.take(MAX_READ))
        .lines()
        .take(MAX_ENTRIES)
    {
        let Ok(line) = serde_json::from_str::<Line>(&line?) else {
            continue;
        };
        let at = target.path().join(&line.at);
        // Nothing outside, whoever wrote it.
        let real = fs::canonicalize(&at).ok();
        if real.is_some_and(|real| real == at && real.starts_with(target.path()) && real.is_file())
        {
            arrived.insert(line.path, at);
        }
    }
    Ok(arrived)
}
