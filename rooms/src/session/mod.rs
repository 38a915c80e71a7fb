//! One user's part in rooms: connections to all who are there, their streams and messages.
//!
//! A [`Session`] is one connection to a signalling server; [`Events`] tells what happens. It may
//! be in several [`Room`]s at once; what it does to all of them is on the session, to one on the
//! room, to one user on the [`Peer`].

mod action;
mod again;
mod anew;
mod begun;
mod body;
mod by_hub;
mod call;
mod clock;
mod connect;
mod data;
mod drop;
mod error;
mod event;
mod file_event;
mod files;
mod follow;
mod forward;
mod frame;
mod handle;
mod house;
mod hub;
mod hub_counts;
mod joined;
mod kept;
mod kinds;
mod link;
mod lobby;
mod lossy;
mod media;
mod moving;
mod negotiate;
mod options;
mod outbox;
mod pace;
mod passing;
mod payload;
mod peer;
mod pipe;
mod ports;
mod queue;
mod ranking;
mod receiving;
mod record;
mod recordings;
mod relay;
mod request;
mod room;
mod rooms;
mod scope;
mod secret;
mod signal;
mod speakers;
mod state;
mod stream;
mod tracks;
mod trail;
mod unheard;
mod unsure;
mod watch;

pub use action::{Action, ActionEvent, Chat, Hand, Recording, Reply, Timer};
pub use call::Call;
pub(crate) use clock::now_ms;
pub use error::{Error, Result};
pub use event::{CallRequest, Event, Message, MuteEvent, Origin, Path, StreamEvent};
pub use file_event::{FileEvent, FileStep};
pub use handle::Session;
pub use house::{HubFiles, HubFilesStats};
pub use hub::{Hub, HubStats};
pub use kinds::Kinds;
pub use lobby::Lobby;
pub use options::{
    AudioFrames, AutoSave, Bandwidth, CandidatePolicy, Incoming, KeptFiles, MediaLimits, Secret,
    SessionOptions,
};
pub use payload::{MAX_PAYLOAD, Payload};
pub use peer::Peer;
pub use queue::Events;
pub use record::RoomRecording;
pub use request::RoomRequest;
pub use room::Room;
pub use stream::{OneWay, Screen, StreamOptions};
