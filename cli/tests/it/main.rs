//! The command, as a person and a program use it: real processes over loopback.
#![allow(clippy::unwrap_used)]

mod call;
mod documents;
mod files;
mod process;
mod restart;
mod room;
