//! Files that others shall not read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Makes a file that its owner alone can read, and the folder that it is in.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(content)
}
