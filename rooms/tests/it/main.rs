//! Sessions over a desk in memory, and real UDP over loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod calls;
mod churn;
mod data;
mod files;
mod lost;
mod media;
mod rooms;
mod secret;
mod server;
mod support;
mod ways;
