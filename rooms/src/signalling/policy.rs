//! The rules of a room, which its owner sets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The rules of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct RoomPolicy {
    /// The most users beside the one who opened the room: 1 makes a room for two.
    pub max_participants_allowed: u32,
    /// The room ends when its owner leaves; otherwise another becomes the owner.
    pub close_when_owner_leaves: bool,
    /// One at a time shares a screen.
    pub one_presenter: bool,
    /// Not told to those who watch the rooms.
    pub hidden: bool,
    /// Whether users send to each other or by a hub.
    pub topology: Topology,
    /// The most users of a mesh, beyond which a hub takes over where there is one.
    pub mesh_up_to: u32,
    /// The members prove to each other that they know a secret which the server does not.
    pub secret: bool,
    /// The server records the room, where it keeps recordings of its own; all in it are told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub record: bool,
    /// When the room ends at the latest: milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_at: Option<u64>,
    /// Which of a page's features are wanted, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Value>,
}

/// How media and data go between the users of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Topology {
    /// A mesh up to [`RoomPolicy::mesh_up_to`], a hub beyond.
    #[default]
    Auto,
    /// Each to each.
    Mesh,
    /// Each to the server.
    Hub,
}

impl Default for RoomPolicy {
    fn default() -> Self {
        Self {
            max_participants_allowed: 256,
            close_when_owner_leaves: false,
            one_presenter: false,
            hidden: false,
            topology: Topology::Auto,
            mesh_up_to: 4,
            secret: false,
            record: false,
            close_at: None,
            features: BTreeMap::new(),
        }
    }
}

impl RoomPolicy {
    /// The most users, the one who opened the room among them.
    pub fn places(&self) -> usize {
        usize::try_from(self.max_participants_allowed)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
    }
}
