//! Who watches the rooms.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::client::Client;
use crate::signalling::{RoomName, UserId};

#[derive(Default)]
pub(crate) struct Lobby {
    pub(crate) watchers: HashMap<UserId, Watcher>,
    pub(crate) changed: BTreeSet<RoomName>,
    /// A task is on its way to tell the changes.
    pub(crate) telling: bool,
}

pub(crate) struct Watcher {
    pub(crate) client: Arc<Client>,
    /// Of this channel alone.
    pub(crate) channel: Option<String>,
    /// It was too far behind for changes: it gets all rooms when it has caught up.
    pub(crate) behind: bool,
}

impl Watcher {
    pub(crate) fn wants(&self, room: &RoomName) -> bool {
        self.channel
            .as_ref()
            .is_none_or(|channel| room.channel() == channel)
    }
}
