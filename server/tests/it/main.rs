//! A server as clients, browsers and attackers see it.
#![allow(clippy::unwrap_used)]

mod client;
mod door;
mod talk;
