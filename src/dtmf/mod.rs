//! Telephone digits in the RTP of an audio track (RFC 4733).
//!
//! A [`DTMFMediaStreamTrack`] beside the audio track of a stream plays them; at the peer
//! [`MediaStream::dtmf_tracks`](crate::MediaStream::dtmf_tracks) has the one that hears them. Digits
//! share the packets of the audio track, and have none of their own on the wire.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod command;
mod end;
mod event;
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

pub use event::DTMFEvent;
pub use tone::{DTMFTone, DTMFTones};
pub use track::DTMFMediaStreamTrack;

pub(crate) use command::Command;
pub(crate) use end::DtmfEnd;
pub(crate) use player::{Output, Player, RtpPosition};
pub(crate) use receiver::{IncomingEvent, Receiver};
