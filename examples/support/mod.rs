//! Files that the examples read and write, VP8 in IVF and Opus in Ogg, and their log.
#![allow(dead_code)]

pub(crate) mod ivf;
pub(crate) mod log;
pub(crate) mod ogg_opus;

/// Where an example leaves a file that cannot be used.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
