//! Tracks that are sent: the handle, the state behind it, and what belongs to the state.

mod active;
mod digits;
mod dtmf;
mod encodings;
mod fed;
mod feeding;
mod rtc_track;
mod sending_track;

pub use rtc_track::RTCTrack;

pub(crate) use rtc_track::SendingOwner;
pub(crate) use sending_track::{FramePacket, MAX_RTP_PAYLOAD, SendingTrack};
