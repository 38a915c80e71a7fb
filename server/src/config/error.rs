//! What is wrong with a configuration, and where.

use std::io;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Unreadable(PathBuf, io::Error),
    /// A line of the file says something that cannot be.
    #[error("{path}:{line}: {message}", path = .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what is meant.
        message: String,
    },
    /// A flag or a variable of the environment, which the first names, says something that cannot be.
    #[error("{0}: {1}")]
    Value(String, String),
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
}
