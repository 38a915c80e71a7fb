//! What a connection sends: streams, and an RTCTrack for each of their tracks.

mod dtmf;
mod forward;
mod repair;
mod simulcast;
mod sink;
mod verbs;
mod wire;
