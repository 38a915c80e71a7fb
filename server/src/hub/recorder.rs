//! What hubs record, and where: the rooms whose rules say so, those that REST names, or all.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ortc_rooms::record::{RecordEvent, RecordEvents, RecordOptions};
use ortc_rooms::room::RoomRecord;
use ortc_rooms::session::{Hub, RoomRecording};
use ortc_rooms::signalling::RoomName;

use crate::config::ServerConfig;
use crate::kept::about::clean;
use crate::kept::shelf::now;
use crate::metrics::HubMetrics;

/// Rooms that REST names at once.
const MOST: usize = 10_000;

/// What is to be recorded by this server; shared with REST.
#[derive(Debug)]
pub(crate) struct ServerRecorder {
    folder: PathBuf,
    all: bool,
    asked: Mutex<BTreeSet<RoomName>>,
}

impl ServerRecorder {
    /// `None` where hubs record nothing.
    pub(crate) fn of(config: &ServerConfig) -> std::io::Result<Option<Self>> {
        let Some(folder) = config.record.clone().filter(|_| config.hub) else {
            return Ok(None);
        };
        std::fs::create_dir_all(&folder)?;
        Ok(Some(Self {
            folder,
            all: config.record_all,
            asked: Mutex::default(),
        }))
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<RoomName>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a room recorded whatever its rules say, or no longer; false if there are too many.
    pub(crate) fn ask(&self, room: &RoomName, on: bool) -> bool {
        let mut asked = self.asked();
        match on {
            true if asked.len() >= MOST && !asked.contains(room) => return false,
            true => drop(asked.insert(room.clone())),
            false => drop(asked.remove(room)),
        }
        true
    }

    /// A room is over: another of its name is another one.
    pub(super) fn forget(&self, room: &RoomName) {
        self.asked().remove(room);
    }

    /// Whether this room is to be recorded.
    pub(crate) fn wants(&self, record: &RoomRecord) -> bool {
        self.all || record.policy.record || self.asked().contains(&record.room)
    }

    /// Begins, in a folder of its own. Whatever fails is told, and the room goes on.
    pub(super) fn begin(
        &self,
        hub: &Hub,
        room: &RoomName,
        metrics: &HubMetrics,
    ) -> Option<RoomRecording> {
        let name = format!("{} {}", clean(room.as_str()), now());
        match hub.record(self.folder.join(name), RecordOptions::default()) {
            Ok((recording, events)) => {
                tokio::spawn(follow(events, metrics.clone()));
                Some(recording)
            }
            Err(error) => {
                tracing::warn!(%error, "a room is not recorded");
                metrics.recordings_failed.inc();
                None
            }
        }
    }
}

/// Tells what is not recorded: a full disk ends a file, and not the room.
async fn follow(mut events: RecordEvents, metrics: HubMetrics) {
    while let Some(event) = events.next().await {
        match event {
            RecordEvent::Failed { error, .. } => {
                tracing::warn!(error, "a stream of a room is recorded no longer");
                metrics.recordings_failed.inc();
            }
            RecordEvent::NotRecorded { codec, .. } => {
                tracing::warn!(
                    codec,
                    "a track is not recorded: files do not have its codec"
                );
                metrics.recordings_failed.inc();
            }
            _ => {}
        }
    }
}
