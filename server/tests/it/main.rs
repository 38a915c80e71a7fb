//! A server as clients, browsers and attackers see it.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]

mod child;
mod client;
mod cluster;
mod compat;
mod door;
mod flood;
mod house;
mod http;
mod hubs;
mod lost;
mod poll;
mod recorded;
mod recordings;
mod reports;
mod rest;
mod sessions;
mod takeover;
mod talk;
mod turn;
#[cfg(feature = "whip")]
mod whip;
