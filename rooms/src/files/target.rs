//! The folder that files are written to, and nothing outside it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Code, Error, Result};
use super::name::shown;
use super::options::NameTaken;

/// Other names that are tried for a file.
const MAX_NAMES: u32 = 10_000;

/// The folder, its own path without symbolic links.
#[derive(Debug, Clone)]
pub(super) struct Target(PathBuf);

impl Target {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let failed = |error| Error::of(&error, &folder.to_string_lossy());
        let real = fs::canonicalize(folder).map_err(failed)?;
        match real.is_dir() {
            true => Ok(Self(real)),
            false => Err(Error::new(Code::NotAFile, "the target is no folder")),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder inside, made if it is missing. Each component is a sanitised name.
    pub(super) fn folder(&self, components: &[String]) -> Result<PathBuf> {
        let mut path = self.0.clone();
        for component in components {
            path = inside(&path, component)?;
        }
        let real = fs::canonicalize(&path).map_err(|error| Error::of(&error, "the folder"))?;
        match real == path {
            true => Ok(path),
            false => Err(Error::new(Code::NotAFile, "a folder became a link")),
        }
    }

    /// Gives a complete file its name. What is there already stays, unless it is to be replaced.
    pub(super) fn publish(
        &self,
        part: &Path,
        folder: &Path,
        name: &str,
        taken: NameTaken,
    ) -> Result<PathBuf> {
        let failed = |error| Error::of(&error, name);
        if taken == NameTaken::Overwrite {
            let path = folder.join(name);
            fs::rename(part, &path).map_err(failed)?;
            return Ok(path);
        }
        for number in 0..MAX_NAMES {
            let path = folder.join(numbered(name, number));
            match rename_new(part, &path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(error));
                }
                Err(_) if taken == NameTaken::Fail => break,
                Err(_) => {}
            }
        }
        let text = format!("{} is there already", shown(name));
        Err(Error::new(Code::Exists, text))
    }
}

/// The folder of this name, made if it is missing; of another one if something else has the name:
/// a file, or a link that leads elsewhere.
fn inside(folder: &Path, name: &str) -> Result<PathBuf> {
    for number in 0..MAX_NAMES {
        let path = folder.join(numbered(name, number));
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::of(&error, name));
            }
            _ => {}
        }
        let meta = fs::symlink_metadata(&path).map_err(|error| Error::of(&error, name))?;
        if meta.is_dir() {
            return Ok(path);
        }
    }
    let text = format!("{} is there and no folder", shown(name));
    Err(Error::new(Code::NotAFile, text))
}

/// Renames unless the new name is taken, which is found out and prevented in one step.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => return fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    // Not every file system has links: the name is taken by an empty file first.
    OpenOptions::new().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

/// `photo (1).jpg`.
fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}
