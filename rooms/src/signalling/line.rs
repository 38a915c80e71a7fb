//! A line to a server: text in both directions, until it breaks. What carries it is another's
//! matter.

use std::future::Future;

use tokio::sync::mpsc;

/// Texts that wait in either direction before the one who gives them waits.
const WAITING: usize = 64;

/// What comes over a line.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// An envelope.
    Text(String),
    /// The other side is there.
    Alive,
    /// The other side ended the line, for good: it does not want this client.
    Refused(String),
    /// The line is broken.
    Broken(String),
}

/// One end of a line. Dropping it ends the line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) outgoing: mpsc::Sender<String>,
    pub(crate) incoming: mpsc::Receiver<Incoming>,
}

/// What a transport sees of a line: it sends what comes from `outgoing`, and puts into `incoming`
/// what arrives.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) outgoing: mpsc::Receiver<String>,
    pub(crate) incoming: mpsc::Sender<Incoming>,
}

impl Line {
    pub(crate) fn new() -> (Self, Carrier) {
        let (out, outgoing) = mpsc::channel(WAITING);
        let (incoming, inward) = mpsc::channel(WAITING);
        let line = Self {
            outgoing: out,
            incoming: inward,
        };
        (line, Carrier { outgoing, incoming })
    }
}

/// Why a line could not be made.
#[derive(Debug, Clone)]
pub(crate) enum DialError {
    /// Another attempt may work.
    Unreachable(String),
    /// No other attempt will.
    Refused(String),
}

/// A way to make lines to one server.
pub(crate) trait Dial: Send + 'static {
    /// Makes a line and says this first.
    fn dial(&mut self, hello: String) -> impl Future<Output = Result<Line, DialError>> + Send;
}
