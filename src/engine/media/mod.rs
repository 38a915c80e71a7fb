//! RTP and RTCP inside the engine: declared receivers and senders, protection, repair.

mod extensions;
mod held;
mod inbound;
mod model;
mod pacer;
mod receivers;
mod redundancy;
mod repair;
mod restore;
mod sending;
mod session;
mod streams;
mod unknown;
mod wire;

pub(crate) use model::{
    MediaCounters, OutgoingRtp, ReceiverRepair, ReceiverSpec, RedCounters, RedFormat, RedStream,
    RepairCounters, RtxStream, SendOutcome,
};
pub(crate) use session::Media;
