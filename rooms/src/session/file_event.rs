//! What becomes of a session's transfers, as events.

use crate::files::{Error, FileDone, Progress, TransferId};
use crate::signalling::{RoomName, UserId};

/// What becomes of a transfer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileEvent {
    /// Which room.
    pub room: RoomName,
    /// With whom.
    pub userid: UserId,
    /// Which, the same at both ends.
    pub transfer: TransferId,
    /// This side sends it.
    pub outgoing: bool,
    /// What.
    pub step: FileStep,
}

/// What a transfer comes to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FileStep {
    /// It was accepted.
    Started(Progress),
    /// How far it is, a few times a second.
    Progress(Progress),
    /// One of the sides has paused it.
    Paused,
    /// The connection is lost. It goes on by itself if that comes back in time.
    Interrupted,
    /// It goes on, after a pause or an interruption.
    Resumed(Progress),
    /// Of one that is sent: the receiver has taken nothing for ten seconds.
    Stalled,
    /// Of one that is sent: the hub, which keeps files, does not keep this one, and why. It goes
    /// from here to each who takes it.
    Unkept(Error),
    /// All that was wanted is there: the files, as [`Transfer::finished`](crate::files::Transfer::finished) has them.
    Done(Vec<FileDone>),
    /// It is over.
    Failed(Error),
}
