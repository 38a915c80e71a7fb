//! How a server joins the others.

use std::fmt;
use std::time::Duration;

/// How a server joins the others.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// The bucket's name: servers with the same one keep their rooms together. Letters, digits,
    /// `-` and `_`: `ortc`.
    pub bucket: String,
    /// This server's name among them, which no other has; empty, one is made up.
    pub node: String,
    /// How long one whose connection is lost may take to come back, the same at all servers: 30 s.
    pub grace: Duration,
    /// A server says that it lives so often: 1 s.
    pub beat: Duration,
    /// A server that has not said so for so many of the others' beats is dead: 5.
    pub missed: u32,
    /// The bucket is on disk, rather than in memory: no.
    pub on_disk: bool,
    /// So many servers of NATS have the bucket: 1.
    pub replicas: usize,
    /// How long a question to NATS may take: 3 s.
    pub patience: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            bucket: "ortc".to_owned(),
            node: String::new(),
            grace: Duration::from_secs(30),
            beat: Duration::from_secs(1),
            missed: 5,
            on_disk: false,
            replicas: 1,
            patience: Duration::from_secs(3),
        }
    }
}

impl fmt::Debug for ClusterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterOptions")
            .field("bucket", &self.bucket)
            .field("node", &self.node)
            .field("grace", &self.grace)
            .field("beat", &self.beat)
            .field("missed", &self.missed)
            .field("on_disk", &self.on_disk)
            .field("replicas", &self.replicas)
            .field("patience", &self.patience)
            .finish()
    }
}

/// Why a server cannot join the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// NATS cannot be reached; the words say why.
    #[error("NATS cannot be reached: {0}; is the address right, and does it run with JetStream?")]
    Unreachable(String),
    /// The bucket can be neither found nor made.
    #[error("NATS has no place for the rooms: {0}; does it run with JetStream (nats-server -js)?")]
    Bucket(String),
    /// Something of the options cannot be.
    #[error("{0}")]
    Options(String),
}
