//! Standard input as a file to be sent, and what came as standard output.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use crate::failed::Failed;

/// A folder of this process alone, which goes with it.
#[derive(Debug)]
pub(crate) struct Spool(PathBuf);

impl Spool {
    pub(crate) fn new() -> Result<Self, Failed> {
        let mut bytes = [0; 8];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| "the system gives no random numbers")?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("ortc-{digits}"));
        private().create(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes what comes on standard input into a file.
    pub(crate) fn read_input(&self) -> io::Result<PathBuf> {
        // Always of that name: the same input under the same code is gone on with.
        let path = self.0.join("stdin");
        let mut file = File::create_new(&path)?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        Ok(path)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes files to standard output, one after the other.
pub(crate) fn pour<'a>(files: impl IntoIterator<Item = &'a Path>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for file in files {
        io::copy(&mut File::open(file)?, &mut out)?;
    }
    io::Write::flush(&mut out)
}

#[cfg(unix)]
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(not(unix))]
fn private() -> DirBuilder {
    DirBuilder::new()
}
