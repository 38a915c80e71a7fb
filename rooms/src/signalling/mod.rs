//! What clients and a server say to each other: one enum each way, JSON, no SDP.
//!
//! A message is an object of one member, whose name tells what it is:
//! `{"join":{"room":"demo"}}`. Over a connection that may be lost each goes in an [`Envelope`],
//! whose numbers tell after a resume what the other side has not seen. What peers say to each
//! other, `iceInfo`, `candidate`, `track`, `gone` and `bye` of the core's `spec/wire.md` among it,
//! is the body of a [`ClientMessage::Say`]; a server carries it unread and writes the sender.
//!
//! Members that are unknown are ignored, so that both sides may be of different ages;
//! [`VERSION`] changes when that does not do.

mod backoff;
mod bounds;
pub mod broadcast;
mod client;
mod envelope;
mod line;
mod link;
mod members;
pub mod memory;
mod name;
mod policy;
pub mod poll;
mod reconnect;
mod server;
mod session;
mod signaller;
pub mod stdio;
mod user;
pub mod websocket;

pub use bounds::{MAX_EXTRA, MAX_MESSAGE, VERSION};
pub use client::{Answer, ClientMessage, Enter, Hello};
pub use envelope::{BadMessage, Envelope};
pub use name::{BadName, CallId, RoomName, UserId};
pub use policy::{RoomPolicy, Topology};
pub use server::{
    CallStatus, ClosedReason, ErrorCode, IceServer, LeftReason, Limits, RoomInfo, RoomState,
    ServerMessage, Welcome,
};
pub use session::{Contradiction, Direction, SessionKind};
pub use signaller::{SignalError, SignalEvent, Signaller};
pub use user::{Extra, Role, User};
