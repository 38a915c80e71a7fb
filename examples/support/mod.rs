//! Files that the examples read and write: VP8 in IVF, Opus in Ogg.
#![allow(dead_code)]

pub(crate) mod ivf;
pub(crate) mod ogg_opus;

/// Where an example leaves a file that cannot be used.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
