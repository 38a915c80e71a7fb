//! A way to a desk of the same process: no socket, no server.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, OwnedPermit};

use super::bounds::MAX_MESSAGE;
use super::client::{ClientMessage, Hello};
use super::envelope::Envelope;
use super::server::ServerMessage;
use super::signaller::{SignalError, SignalEvent};
use crate::desk::{Admission, Desk, Out, Outgoing, Seat};

/// So many messages wait for the desk.
const WAITING: usize = 64;

type Turn = Result<OwnedPermit<String>, SendError<()>>;

/// A way to a [`Desk`] of the same process. Dropped, the desk holds the connection for lost.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use ortc_rooms::desk::Desk;
/// use ortc_rooms::signalling::memory::Memory;
/// use ortc_rooms::signalling::{ClientMessage, Enter, Hello, RoomName, SignalEvent};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let desk = Desk::default();
/// let mut memory = Memory::connect(&desk, Hello::new()).await?;
/// let welcome = memory.next().await;
/// assert!(matches!(welcome, Some(SignalEvent::Message(_))));
/// memory.send(ClientMessage::Open(Enter::new(RoomName::new("demo")?))).await?;
/// memory.next().await;
/// assert_eq!(desk.rooms().len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Memory {
    outgoing: Outgoing,
    said: Said,
    number: u64,
    seen: u64,
    ended: bool,
}

/// The way in, whose places are limited.
enum Said {
    Free(mpsc::Sender<String>),
    Waiting(Pin<Box<dyn Future<Output = Turn> + Send>>),
    Ready(OwnedPermit<String>),
    Ended,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("number", &self.number)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// Arrives at a desk that is open about roles. The first event is `welcome`. Within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`SignalError::Refused`] if the desk does not want the client.
    pub async fn connect(desk: &Desk, hello: Hello) -> Result<Self, SignalError> {
        let admission = Admission::open(&hello);
        Self::admitted(desk, hello, admission).await
    }

    /// Arrives at a desk as one of whom more is known.
    ///
    /// # Errors
    ///
    /// [`SignalError::Refused`] if the desk does not want the client.
    pub async fn admitted(
        desk: &Desk,
        hello: Hello,
        admission: Admission,
    ) -> Result<Self, SignalError> {
        let seen = hello.seen.unwrap_or(0);
        let (seat, outgoing) = desk
            .arrive(hello, admission)
            .await
            .map_err(|refusal| SignalError::Refused(refusal.message))?;
        let (said, heard) = mpsc::channel(WAITING);
        tokio::spawn(hear(seat, heard));
        Ok(Self {
            outgoing,
            said: Said::Free(said),
            number: 0,
            seen,
            ended: false,
        })
    }

    fn event(&mut self, text: &str) -> Option<SignalEvent> {
        let envelope = match Envelope::<ServerMessage>::from_json(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                let reason = error.to_string();
                return Some(SignalEvent::Lost { reason });
            }
        };
        if let Some(number) = envelope.seq {
            self.seen = number;
        }
        let message = envelope.message?;
        if let ServerMessage::Welcome(welcome) = &message {
            self.number = welcome.seen;
        }
        Some(SignalEvent::Message(message))
    }
}

async fn hear(mut seat: Seat, mut heard: mpsc::Receiver<String>) {
    while let Some(text) = heard.recv().await {
        if seat.said(&text).await.is_err() {
            return;
        }
    }
}

impl Stream for Memory {
    type Item = SignalEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        let this = self.get_mut();
        while !this.ended {
            match std::task::ready!(Pin::new(&mut this.outgoing).poll_next(context)) {
                Some(Out::Text(text)) => {
                    if let Some(event) = this.event(&text) {
                        return Poll::Ready(Some(event));
                    }
                }
                Some(Out::Close(closing)) => {
                    this.ended = true;
                    this.said = Said::Ended;
                    let reason = closing.reason;
                    return Poll::Ready(Some(SignalEvent::Lost { reason }));
                }
                None => this.ended = true,
            }
        }
        Poll::Ready(None)
    }
}

impl Sink<ClientMessage> for Memory {
    type Error = SignalError;

    fn poll_ready(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SignalError>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.said, Said::Ended) {
                Said::Free(said) => this.said = Said::Waiting(Box::pin(said.reserve_owned())),
                Said::Waiting(mut turn) => match turn.as_mut().poll(context) {
                    Poll::Pending => {
                        this.said = Said::Waiting(turn);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(permit)) => this.said = Said::Ready(permit),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(SignalError::Ended)),
                },
                Said::Ready(permit) => {
                    this.said = Said::Ready(permit);
                    return Poll::Ready(Ok(()));
                }
                Said::Ended => return Poll::Ready(Err(SignalError::Ended)),
            }
        }
    }

    fn start_send(self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        let this = self.get_mut();
        let number = this.number.saturating_add(1);
        let text = Envelope::new(number, this.seen, message)
            .to_json()
            .map_err(|error| match error {
                super::envelope::BadMessage::TooLarge(bytes, _) => {
                    SignalError::TooLong(bytes, MAX_MESSAGE)
                }
                super::envelope::BadMessage::Malformed(_) => SignalError::Ended,
            })?;
        match std::mem::replace(&mut this.said, Said::Ended) {
            Said::Ready(permit) => {
                this.said = Said::Free(permit.send(text));
                this.number = number;
                Ok(())
            }
            _ => Err(SignalError::Ended),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        self.get_mut().said = Said::Ended;
        Poll::Ready(Ok(()))
    }
}
