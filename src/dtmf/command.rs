//! The verbs of digits on their way to a connection.

use super::tone::Step;

/// A verb on its way to the connections that send the track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Play(Vec<Step>),
    Flush,
    ToneStart(u8),
    ToneStop,
}
