//! What a member of a broadcast knows of the others, and what follows from it: no server keeps it,
//! no transport is seen here, and time is a count of ticks.

mod hears;
mod line;
mod says;
mod state;

pub use state::BroadcastOptions;

pub(super) use state::Members;
