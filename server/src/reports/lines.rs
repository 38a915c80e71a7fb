//! Files of lines of JSON.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tracing::error;

/// A file that grows by lines. Each is written at once, so that none is lost with the process.
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    broken: bool,
}

impl Lines {
    pub(crate) fn new(path: &Path) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o640);
        }
        let file = options.open(path);
        Ok(Self {
            file: file.map_err(|error| format!("{}: {error}", path.display()))?,
            path: path.to_owned(),
            broken: false,
        })
    }

    /// A disk that is full is said once, until it is well again.
    pub(crate) fn write(&mut self, line: &Value) {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        if let (Err(error), false) = (&written, self.broken) {
            error!(path = %self.path.display(), %error, "lines are lost");
        }
        self.broken = written.is_err();
    }
}
