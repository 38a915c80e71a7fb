//! One connection without I/O: datagrams, time and verbs in; datagrams and events out.
//! Nothing here knows tokio, a socket or the clock.

pub(crate) mod ice;
