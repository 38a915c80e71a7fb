//! What a program does with the public API, between connections of this process. One program, for
//! the sake of the time that linking takes; tests that count what the whole process holds are
//! programs of their own (see `common::leaks`).

#[path = "../common/mod.rs"]
mod common;

mod candidate_policy;
mod candidates;
mod closing;
mod connect;
mod connection;
mod data_channels;
mod dtmf;
mod errors;
mod fork;
mod forwarding;
mod forwarding_ways;
mod ice_tcp;
mod identity;
mod json;
mod json_forms;
mod july_sockets;
mod july_streams;
mod legs;
mod receiving;
mod repair;
mod restart;
mod restrictions;
mod sending;
mod simple_peer;
mod simulcast;
mod stats;
mod unknown_track;
mod waits;
