//! Rooms that go by this server: which they are, and their hubs.

mod hubs;
mod need;
mod recorder;

pub(crate) use hubs::Hubs;
pub(crate) use recorder::ServerRecorder;
