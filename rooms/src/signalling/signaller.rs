//! The way to a server, whatever it is.

use futures_core::Stream;
use futures_sink::Sink;

use super::client::ClientMessage;
use super::server::ServerMessage;

/// A way to a server: what the client says goes in, what happens comes out.
///
/// One that loses its connection and comes back by itself says so, takes messages meanwhile, and
/// says after the return what was not heard. It ends when it does not come back.
pub trait Signaller:
    Stream<Item = SignalEvent> + Sink<ClientMessage, Error = SignalError> + Send + Unpin
{
}

impl<T> Signaller for T where
    T: Stream<Item = SignalEvent> + Sink<ClientMessage, Error = SignalError> + Send + Unpin
{
}

/// What happens on the way to a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignalEvent {
    /// The server says something. The first is `welcome`, and so is the first after a return.
    Message(ServerMessage),
    /// The connection is lost; the signaller tries to come back.
    Lost {
        /// In words.
        reason: String,
    },
}

/// The way to the server is at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// Nobody could be reached.
    #[error("the signalling server cannot be reached: {0}")]
    Unreachable(String),
    /// The server does not want this client.
    #[error("the signalling server refused: {0}")]
    Refused(String),
    /// The signaller has ended.
    #[error("signalling has ended")]
    Ended,
    /// A message that is longer than the server takes.
    #[error("a message of {0} bytes is too long; at most {1} go")]
    TooLong(usize, usize),
}
