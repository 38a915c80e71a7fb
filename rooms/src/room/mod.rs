//! A room as a server keeps it: a record, and what may become of it.
//!
//! [`RoomRecord`] is plain data that can be stored anywhere. Each change is a function of the
//! record, of who asks and of the time; it gives the [`Notice`]s that the users are to get, or a
//! [`Refusal`] and leaves the record as it was. A server of one process applies changes where the
//! record lies; servers of a cluster read it, apply the change, and write it on condition that
//! nobody wrote meanwhile, so that all of them go by the same rules.

mod change;
mod decide;
mod difference;
mod notice;
mod record;
mod restore;
#[cfg(test)]
mod tests;

pub use change::{Entrant, Opening};
pub use decide::{Change, Decided, Restoring};
pub use difference::difference;
pub use notice::{Notice, Refusal, To};
pub use record::{Member, RoomRecord};
