//! RTCSocket: one UDP port, shared by any number of connections.

mod carrier;
mod config;
mod counters;
mod direct;
mod driver;
#[cfg(test)]
mod fault_tests;
mod follow;
mod found;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gather;
mod gathering;
mod handle;
mod ice_server;
mod inbox;
mod interfaces;
mod keepalive;
mod log;

pub(crate) mod mdns;
mod member;
mod policy;
mod recv_buffers;
mod relaying;
pub(crate) mod resolve;
mod route;
mod shared;
mod sleep;
mod streams;
pub(crate) mod stun;
mod train;
mod turn;
mod udp;
mod watch;

pub(crate) use carrier::Carrier;
pub(crate) use config::{ServerAddress, SocketConfig, SocketNews};
pub(crate) use counters::SocketCounters;
pub use handle::RTCSocket;
pub(crate) use ice_server::ServerKind;
pub use ice_server::{IceServerError, IceServerErrorKind};
pub(crate) use member::{Gathered, Member, MemberId, Serviced};
pub(crate) use policy::SocketPolicy;
pub(crate) use shared::SocketShared;
pub(crate) use streams::check_certificates;
pub(crate) use turn::{TurnCounters, TurnCredentials};
pub(crate) use udp::UdpStats;
