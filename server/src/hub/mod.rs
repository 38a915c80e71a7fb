//! Rooms that go by this server: which they are, and their hubs.

mod hubs;
mod need;

pub(crate) use hubs::Hubs;
