//! New files of a folder: nothing is overwritten.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::sanitised;

/// Names that are tried.
const MAX_NUMBER: u32 = 100_000;
/// Bytes of a name that are kept: a number and an ending come behind it.
const MAX_STEM: usize = 80;

/// The first of `STEM-1.ENDING`, `STEM-2.ENDING` … that is not there yet.
///
/// # Errors
///
/// As of `create`, which refuses what is there.
pub(super) fn fresh<T>(
    folder: &Path,
    stem: &str,
    ending: &str,
    create: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    for number in 1..MAX_NUMBER {
        let path = folder.join(format!("{stem}-{number}.{ending}"));
        match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return Ok((path, created?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What a peer calls itself, as part of a file's name.
pub(super) fn stem(name: &str) -> String {
    let clean = sanitised(name);
    let mut short = String::new();
    for c in clean.chars() {
        if short.len().saturating_add(c.len_utf8()) > MAX_STEM {
            break;
        }
        short.push(c);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c33_a_name_stays_in_the_folder() {
        for name in [
            "../../etc/passwd",
            "a/b",
            "..",
            "",
            "a\0b\u{202e}c\n",
            "NUL",
            "C:\\x",
        ] {
            let stem = stem(name);
            let path = Path::new("folder").join(format!("{stem}-1.webm"));
            assert_eq!(path.parent(), Some(Path::new("folder")), "{name}");
            assert!(!stem.is_empty() && !stem.chars().any(char::is_control));
        }
        assert_eq!(stem(&"ü".repeat(500)).len(), 80);
    }
}
