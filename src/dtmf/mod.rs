//! Telephone digits in the RTP of an audio track (RFC 4733).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod payload;
mod player;
mod receiver;
mod tone;
pub(crate) mod track;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod player_tests;
#[cfg(test)]
mod receiver_tests;
#[cfg(test)]
mod tone_tests;

pub use tone::{DTMFTone, DTMFTones};
pub use track::{DTMFEvent, DTMFMediaStreamTrack};

pub(crate) use player::{Output, Player, RtpPosition};
pub(crate) use receiver::{IncomingEvent, Receiver};
pub(crate) use track::{Command, DtmfEnd};
