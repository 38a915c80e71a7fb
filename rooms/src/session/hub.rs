//! A hub: the server's own member of a room, which media and messages of all others go by.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::error::Result;
use super::handle::Session;
use super::house::{House, HubFiles};
use super::options::SessionOptions;
use super::record::RoomRecording;
use super::room::Room;
use crate::desk::{Admission, Desk};
use crate::record::{RecordEvents, RecordOptions};
use crate::signalling::memory::Memory;
use crate::signalling::{RoomName, UserId};

/// How long a hub waits for those who move to connections of their own.
const RETIRE: Duration = Duration::from_secs(40);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(50);

/// A hub of one room: each person connects to it alone, sends once, and gets from it what the
/// others send, without its being decoded. It comes and goes without a gap in what is sent.
///
/// Only who runs the desk makes one. Dropped, it is lost to its room at once.
#[derive(Debug)]
pub struct Hub {
    session: Session,
    room: Room,
}

/// What a hub has to do, and has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// Persons who are connected to it.
    pub connected: usize,
    /// Tracks that come.
    pub tracks_in: usize,
    /// Tracks that go out, those for each receiver by themselves.
    pub tracks_out: usize,
    /// Messages that went out, those to each receiver by themselves.
    pub messages: u64,
    /// Messages that were dropped for a receiver that takes none.
    pub dropped: u64,
}

impl Hub {
    /// Enters a room of a desk. Of the options those count that are about connections.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](super::Error::Refused) if the room has a hub or wants none, or is not
    /// there; errors of the options.
    pub async fn enter(desk: &Desk, room: &RoomName, options: SessionOptions) -> Result<Self> {
        let userid = UserId::new(format!("hub.{}", crate::random::id()))?;
        let admission = Admission::hub(userid, room.clone());
        let memory = Memory::admitted(desk, options.hello(), admission).await?;
        // What happens is the session's own to see to.
        let (session, _) = Session::with(memory, options).await?;
        let room = session.join(room).await?;
        Ok(Self { session, room })
    }

    /// Who it is in the room.
    pub fn userid(&self) -> UserId {
        self.session.userid()
    }

    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Records what comes, undecoded, until the recording is stopped or dropped: see
    /// [`Room::record`]. All in the room are told, those who come later, too.
    ///
    /// # Errors
    ///
    /// As [`Room::record`].
    pub fn record(
        &self,
        folder: impl Into<PathBuf>,
        options: RecordOptions,
    ) -> Result<(RoomRecording, RecordEvents)> {
        let recording = self.room.record(folder, options)?;
        let shared = self.session.shared();
        if let Ok(entry) = shared.lock().room_mut(self.room.name()) {
            shared.align_forwards(entry, self.room.name());
        }
        Ok(recording)
    }

    /// Has each file come once, whoever and however many want it, and offers what its sender
    /// [keeps](crate::files::SendOptions::keep) to those who come after the sender has gone. What
    /// there is no place for goes on from the sender to each. Without this all does.
    ///
    /// The files are there until the hub ends.
    pub fn keep_files(&self, files: Arc<HubFiles>) {
        let hub = self.userid();
        let _ = self.session.shared().house.set(House { files, hub });
    }

    /// Says that it is about to leave: all connect to each other again, and use it until they are.
    /// Or that it stays after all.
    pub fn set_leaving(&self, leaving: bool) {
        for entry in self.session.shared().lock().rooms.values_mut() {
            for link in entry.peers.values_mut() {
                link.heard_bye = false;
            }
        }
        let extra = match leaving {
            true => json!({ "leaving": true }),
            false => Value::Null,
        };
        self.session.set_extra(extra);
    }

    /// Whether nobody needs it any longer, after it said that it is about to leave.
    pub fn is_free(&self) -> bool {
        let state = self.session.shared().lock();
        let Ok(entry) = state.room(self.room.name()) else {
            return true;
        };
        let mut links = entry.peers.values();
        links.all(|link| !link.connected || (link.heard_bye && link.outbox.is_idle()))
    }

    /// Leaves, once all are connected to each other, or after 40 seconds. Cancel-safe: dropped, it
    /// leaves at once.
    pub async fn retire(self) {
        self.set_leaving(true);
        let late = Instant::now() + RETIRE;
        // Who has not heard yet has said nothing.
        tokio::time::sleep(LOOK).await;
        while !self.is_free() && Instant::now() < late {
            tokio::time::sleep(LOOK).await;
        }
        self.session.end();
    }

    /// What it has to do, and has done.
    pub fn stats(&self) -> HubStats {
        let shared = self.session.shared();
        let mut stats = HubStats {
            messages: shared.passed.messages(),
            dropped: shared.passed.dropped(),
            ..HubStats::default()
        };
        let state = shared.lock();
        let Ok(entry) = state.room(self.room.name()) else {
            return stats;
        };
        for link in entry.peers.values() {
            let out = link.forwarded.iter().map(|one| one.tracks.len());
            stats.connected = stats.connected.saturating_add(usize::from(link.connected));
            stats.tracks_in = stats.tracks_in.saturating_add(link.received.len());
            stats.tracks_out = stats.tracks_out.saturating_add(out.sum());
        }
        stats
    }
}
