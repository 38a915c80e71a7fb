//! Several servers that keep their rooms together, by NATS with JetStream.
//!
//! All is in one key-value bucket: the records of rooms, who has which user id at which server, the
//! servers themselves. A change of a room is decided on what a server knows of it and written on
//! condition that nobody wrote meanwhile, or else decided anew; every server watches the bucket and
//! tells its clients what follows, all in the order of the bucket. What users say to each other goes
//! from server to server by subjects. A server whose beats stay away is dead: its users may come
//! back to another, and leave after the grace.
//!
//! When NATS cannot be reached, what is said between users of one server goes on, and changes of
//! rooms are refused for the time. When NATS has lost the bucket, the servers write what they know
//! into a new one.
//!
//! Who can reach NATS can read and change all of this: give it to the servers alone.

mod beat;
mod bucket;
mod options;
mod peers;
mod shared;
mod store;
mod stored;
mod view;
mod watch;

pub use options::{ClusterError, ClusterOptions};
pub use store::{Cluster, connect};
