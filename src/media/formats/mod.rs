//! Payload formats: the file of each codec holds both directions.

pub(super) mod av1;
mod descriptor;
mod frame;
pub(super) mod h264;
pub(super) mod h265;
mod nal;
mod numbers;
#[cfg(test)]
mod numbers_tests;
mod payload;
pub(super) mod vp8;
pub(super) mod vp9;

pub(crate) use descriptor::{Templates, renumber_descriptor};
pub(crate) use frame::{Corrupt, Frame};
pub(crate) use numbers::{MAX_HEAD, Numbers};
pub(crate) use payload::Payload;
