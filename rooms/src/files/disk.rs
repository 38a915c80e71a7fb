//! What is written. Tests have it fail, or be slow.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes all of it at the end of the file that is there.
pub(super) fn write(file: &mut File, path: &Path, data: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    faults::meet(path, data.len())?;
    let _ = path;
    file.write_all(data)
}

#[cfg(test)]
pub(super) mod faults {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;
    use std::time::Duration;

    /// What writing below a folder meets.
    #[derive(Clone, Copy)]
    pub(in super::super) enum Fault {
        /// This error of the system, once so many bytes are written.
        Error(i32, u64),
        /// So many bytes a second.
        Slow(u64),
    }

    static FAULTS: Mutex<Vec<(PathBuf, Fault, u64)>> = Mutex::new(Vec::new());

    pub(in super::super) fn below(folder: &Path, fault: Fault) {
        let folder = folder.canonicalize().unwrap();
        FAULTS.lock().unwrap().push((folder, fault, 0));
    }

    pub(super) fn meet(path: &Path, bytes: usize) -> io::Result<()> {
        let mut pause = Duration::ZERO;
        for (folder, fault, written) in FAULTS.lock().unwrap().iter_mut() {
            if !path.starts_with(folder) {
                continue;
            }
            *written += bytes as u64;
            match fault {
                Fault::Error(code, after) if *written > *after => {
                    return Err(io::Error::from_raw_os_error(*code));
                }
                Fault::Error(..) => {}
                Fault::Slow(rate) => {
                    pause = Duration::from_secs_f64(bytes as f64 / *rate as f64);
                }
            }
        }
        std::thread::sleep(pause);
        Ok(())
    }
}
