//! The command, as a person and a program use it: real processes over loopback.
#![allow(clippy::unwrap_used)]

mod call;
mod crowd;
mod doctor;
mod documents;
mod files;
mod kept;
mod load;
#[path = "../../../server/tests/it/house/nats.rs"]
mod nats;
mod owner;
mod process;
mod record;
mod restart;
mod room;
mod stats;
