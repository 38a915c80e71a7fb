//! Sessions over a desk in memory, and real UDP over loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod data;
mod media;
mod rooms;
mod secret;
mod support;
mod ways;
