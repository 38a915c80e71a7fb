//! Signalling without a server: over anything that carries a line to all others. Each member keeps
//! the rooms by itself.
//!
//! What crosses is JSON, one object a line, `{"from":…,"life":…}` and one of:
//!
//! * `here`: the rooms that the sender is in, each with its name, since when the sender is in it,
//!   what it carries, its rules, and the user. Told every [`BroadcastOptions::interval`], and when
//!   something changes; who was not heard for five intervals is lost.
//! * `ask`: somebody came; who hears it tells of itself.
//! * `say`: `room`, `to` or nobody, `body`.
//! * `leave`: a room that the sender left.
//! * `call` and `answer`: as a client says them.
//! * `bye`: the sender is gone.
//!
//! Who is longest in a room owns it. Nobody enforces anything: passwords, bans and limits need a
//! server.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::client::{ClientMessage, Hello};
pub use super::members::BroadcastOptions;
use super::members::Members;
use super::server::ServerMessage;
use super::signaller::{SignalError, SignalEvent};

/// Events that wait to be read; the transport waits while there are more, whoever floods it.
const WAITING: usize = 256;

/// A signaller without a server, over a transport of lines: whatever is sent comes to all others,
/// or to all.
pub struct Broadcast {
    outgoing: mpsc::UnboundedSender<ClientMessage>,
    events: mpsc::Receiver<ServerMessage>,
}

impl Broadcast {
    /// Goes by this transport. Within a tokio runtime. The first event is `welcome`.
    ///
    /// # Errors
    ///
    /// [`SignalError::Refused`] if no user id can be made. One that somebody else has is not found
    /// out.
    pub fn new<T>(lines: T, hello: Hello, options: BroadcastOptions) -> Result<Self, SignalError>
    where
        T: Stream<Item = String> + Sink<String> + Send + Unpin + 'static,
    {
        let (outgoing, from) = mpsc::unbounded_channel();
        let (to, events) = mpsc::channel(WAITING);
        let members = Members::new(hello, options.clone())?;
        tokio::spawn(run(lines, members, from, to, options));
        Ok(Self { outgoing, events })
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broadcast")
    }
}

impl Stream for Broadcast {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        let message = self.events.poll_recv(cx);
        message.map(|message| message.map(SignalEvent::Message))
    }
}

impl Sink<ClientMessage> for Broadcast {
    type Error = SignalError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(match self.outgoing.is_closed() {
            true => Err(SignalError::Ended),
            false => Ok(()),
        })
    }

    fn start_send(self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        self.outgoing.send(message).map_err(|_| SignalError::Ended)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        let _ = self.outgoing.send(ClientMessage::Bye {});
        Poll::Ready(Ok(()))
    }
}

async fn run<T>(
    mut lines: T,
    mut members: Members,
    mut outgoing: mpsc::UnboundedReceiver<ClientMessage>,
    events: mpsc::Sender<ServerMessage>,
    options: BroadcastOptions,
) where
    T: Stream<Item = String> + Sink<String> + Send + Unpin + 'static,
{
    let mut clock = interval(options.interval.max(Duration::from_millis(10)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    members.begin();
    loop {
        for line in members.lines() {
            if lines.send(line).await.is_err() {
                return;
            }
        }
        for event in members.events() {
            // Nobody listens any more: the goodbye still goes out.
            if events.send(event).await.is_err() {
                break;
            }
        }
        if members.over() {
            return;
        }
        tokio::select! {
            message = outgoing.recv() => members.said(message.unwrap_or(ClientMessage::Bye {})),
            line = lines.next() => match line {
                Some(line) => members.heard(&line),
                None => return,
            },
            _ = clock.tick() => members.tick(),
        }
    }
}
