//! What a connection receives: tracks declared with `receive_track`, their streams, and what comes
//! without a declaration.

mod verbs;

mod report;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod budget_tests;
mod connected;
pub(crate) mod contributors;
mod digits;
pub(crate) mod forward;
mod heard;
mod keyframe_ask;
mod layers;
mod origin;
mod spec;
pub(crate) mod stream_event;
mod track;
pub(crate) mod tracks;
mod unknown;
