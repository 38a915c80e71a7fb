//! A signalling server for rooms on the Object RTC API: page, WebSocket, long-poll, REST, metrics.
//!
//! [`ServerConfig`] says what it does, by the same names in a file, in the environment and as flags
//! of the command `ortc serve`; [`Server::bind`] starts it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::field_reassign_with_default))]
mod accept;
mod admit;
pub mod cluster;
mod compat;
mod config;
mod counts;
mod desk;
mod files;
mod frames;
mod held;
mod hooks;
mod hub;
mod ice;
mod kept;
mod listener;
mod metrics;
mod origin;
mod page;
mod poll;
mod polls;
mod reports;
mod rest;
mod routes;
mod server;
mod site;
mod socket;
mod stun;
mod tls;
mod tokens;
#[cfg(feature = "whip")]
mod whip;

pub use config::{ConfigError, Kind, SETTINGS, ServerConfig, Setting, Settings};
pub use hooks::Hooks;
pub use server::{Running, Server, ServerError};
pub use tls::TlsError;
