//! Why a command failed.

/// What is said on standard error.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;
