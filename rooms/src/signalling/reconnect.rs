//! A signaller over lines that break: it comes back by itself, and says again what was not heard.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::bounds::MAX_MESSAGE;
use super::client::{ClientMessage, Hello};
use super::envelope::{BadMessage, Envelope};
use super::line::{Dial, DialError, Incoming, Line};
use super::link::Link;
use super::server::{ErrorCode, ServerMessage, Welcome};
use super::signaller::{SignalError, SignalEvent};
use crate::random;

/// Messages that wait while there is no connection.
const MAX_WAITING: usize = 4096;
/// How long a server may take to say `welcome`.
const WELCOME: Duration = Duration::from_secs(10);
/// A server that is silent for so long is gone: it pings when there is nothing to say, and answers
/// one that polls within 25 s.
const SILENCE: Duration = Duration::from_secs(30);
/// What came is acknowledged after so long at the latest.
const ACKNOWLEDGE: Duration = Duration::from_secs(10);

/// A signaller that comes back by itself.
#[derive(Debug)]
pub(crate) struct Reconnecting {
    outgoing: mpsc::UnboundedSender<ClientMessage>,
    waiting: Arc<AtomicUsize>,
    events: mpsc::Receiver<SignalEvent>,
}

impl Reconnecting {
    /// The first connection: an error here is final.
    pub(crate) async fn connect<D: Dial>(dial: D, hello: Hello) -> Result<Self, SignalError> {
        let (outgoing, from) = mpsc::unbounded_channel();
        let (to, events) = mpsc::channel(64);
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut task = Task {
            dial,
            hello,
            link: Link::default(),
            backoff: Backoff::default(),
            outgoing: from,
            waiting: waiting.clone(),
            events: to,
            goodbye: None,
        };
        let (line, welcome) = task.dial().await.map_err(|error| match error {
            DialError::Unreachable(reason) => SignalError::Unreachable(reason),
            DialError::Refused(reason) => SignalError::Refused(reason),
        })?;
        tokio::spawn(task.run(line, welcome));
        Ok(Self {
            outgoing,
            waiting,
            events,
        })
    }
}

impl Stream for Reconnecting {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        self.events.poll_recv(cx)
    }
}

impl Sink<ClientMessage> for Reconnecting {
    type Error = SignalError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        if self.outgoing.is_closed() {
            return Poll::Ready(Err(SignalError::Ended));
        }
        if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING {
            let reason = "too many messages wait for the server".to_owned();
            return Poll::Ready(Err(SignalError::Unreachable(reason)));
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        // As long as it would be with its numbers.
        let envelope = Envelope::new(u64::MAX, u64::MAX, message);
        if let Err(BadMessage::TooLarge(bytes, _)) = envelope.to_json() {
            return Err(SignalError::TooLong(bytes, MAX_MESSAGE));
        }
        let Some(message) = envelope.message else {
            return Ok(());
        };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self.outgoing.send(message);
        sent.map_err(|_| SignalError::Ended)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        let _ = self.outgoing.send(ClientMessage::Bye {});
        Poll::Ready(Ok(()))
    }
}

struct Task<D> {
    dial: D,
    hello: Hello,
    link: Link<ClientMessage>,
    backoff: Backoff,
    outgoing: mpsc::UnboundedReceiver<ClientMessage>,
    waiting: Arc<AtomicUsize>,
    events: mpsc::Sender<SignalEvent>,
    /// When to come back, as the server said.
    goodbye: Option<u32>,
}

/// Why a line is used no longer.
enum End {
    /// It is to be made anew.
    Lost(String),
    /// Nobody wants it any more.
    Over,
}

impl<D: Dial> Task<D> {
    async fn run(mut self, line: Line, welcome: Welcome) {
        let mut next = Some((line, welcome));
        loop {
            let Some((mut line, welcome)) = next.take() else {
                return;
            };
            self.backoff.reset();
            let reason = match self.serve(&mut line, welcome).await {
                End::Lost(reason) => reason,
                End::Over => return self.last_words(&line).await,
            };
            if !self.last_heard(&mut line).await {
                return;
            }
            drop(line);
            tracing::info!(target: "ortc_rooms::signalling", %reason, "the signalling server is lost");
            let lost = SignalEvent::Lost { reason };
            if self.events.send(lost).await.is_err() {
                return;
            }
            next = self.return_to_server().await;
        }
    }

    /// What came before the line broke has come: the server may have been told so, and does not say
    /// it again then. False if nobody listens any more.
    async fn last_heard(&mut self, line: &mut Line) -> bool {
        while let Ok(incoming) = line.incoming.try_recv() {
            if let Incoming::Text(text) = incoming
                && let Some(End::Over) = self.hear(line, &text).await
            {
                return false;
            }
        }
        true
    }

    /// Nobody listens any more: what was said before goes out all the same, goodbye above all.
    async fn last_words(&mut self, line: &Line) {
        while let Ok(message) = self.outgoing.try_recv() {
            if self.say(line, message).await.is_some() {
                return;
            }
        }
    }

    /// `None` when it does not want this client any more, or nobody wants the signaller.
    async fn return_to_server(&mut self) -> Option<(Line, Welcome)> {
        loop {
            let pause = match self.goodbye.take() {
                Some(ms) => Backoff::after_goodbye(ms, random::unit()),
                None => self.backoff.next(random::unit()),
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.events.closed() => return None,
            }
            match self.dial().await {
                Ok(back) => return Some(back),
                Err(DialError::Refused(reason)) => {
                    tracing::warn!(target: "ortc_rooms::signalling", %reason, "the signalling server refuses");
                    return None;
                }
                Err(DialError::Unreachable(reason)) => {
                    tracing::debug!(target: "ortc_rooms::signalling", %reason, "the signalling server is not reached");
                }
            }
        }
    }

    async fn dial(&mut self) -> Result<(Line, Welcome), DialError> {
        self.hello.seen = self.hello.resume.is_some().then(|| self.link.seen());
        let hello = Envelope {
            seq: None,
            seen: None,
            message: Some(ClientMessage::Hello(self.hello.clone())),
        };
        let hello = hello
            .to_json()
            .map_err(|error| DialError::Refused(error.to_string()))?;
        let mut line = timeout(WELCOME, self.dial.dial(hello))
            .await
            .map_err(|_| DialError::Unreachable("no connection in time".to_owned()))??;
        let welcome = timeout(WELCOME, welcome(&mut line)).await;
        let welcome =
            welcome.map_err(|_| DialError::Unreachable("no welcome in time".to_owned()))?;
        match welcome {
            Ok(welcome) => Ok((line, welcome)),
            // The place is lost; the id may be free still.
            Err((DialError::Refused(_), Some(ErrorCode::BadToken)))
                if self.hello.resume.is_some() =>
            {
                self.hello.resume = None;
                Err(DialError::Unreachable("too late to resume".to_owned()))
            }
            // The place of before has not been given up yet.
            Err((DialError::Refused(reason), Some(ErrorCode::UserIdTaken)))
                if self.link.seen() > 0 =>
            {
                Err(DialError::Unreachable(reason))
            }
            Err((error, _)) => Err(error),
        }
    }

    /// Uses a line until it breaks.
    async fn serve(&mut self, line: &mut Line, welcome: Welcome) -> End {
        self.hello.resume = Some(welcome.resume.clone());
        self.hello.userid = Some(welcome.userid.clone());
        let again = match welcome.resumed {
            true => self.link.resume(welcome.seen),
            false => {
                self.link.reset();
                Vec::new()
            }
        };
        let told = SignalEvent::Message(ServerMessage::Welcome(welcome));
        if self.events.send(told).await.is_err() {
            return End::Over;
        }
        for envelope in again {
            if let Err(end) = send(line, &envelope).await {
                return end;
            }
        }
        let mut heard = Instant::now();
        let mut owed: Option<Instant> = None;
        loop {
            let tell = owed.unwrap_or_else(|| heard + SILENCE);
            tokio::select! {
                message = self.outgoing.recv() => match message {
                    Some(message) => {
                        if let Some(end) = self.say(line, message).await {
                            return end;
                        }
                        owed = None;
                    }
                    None => return End::Over,
                },
                incoming = line.incoming.recv() => {
                    heard = Instant::now();
                    let text = match incoming {
                        Some(Incoming::Text(text)) => text,
                        Some(Incoming::Alive) => continue,
                        Some(Incoming::Refused(reason)) => {
                            tracing::warn!(target: "ortc_rooms::signalling", %reason, "refused");
                            return End::Over;
                        }
                        Some(Incoming::Broken(reason)) => return End::Lost(reason),
                        None => return End::Lost("the connection is gone".to_owned()),
                    };
                    if let Some(end) = self.hear(line, &text).await {
                        return end;
                    }
                    if self.link.owes() {
                        owed = owed.or(Some(Instant::now() + ACKNOWLEDGE));
                    }
                }
                () = sleep_until(tell), if owed.is_some() => {
                    owed = None;
                    let envelope = self.link.acknowledge();
                    if let Err(end) = send(line, &envelope).await {
                        return end;
                    }
                }
                () = sleep_until(heard + SILENCE) => {
                    return End::Lost("the server is silent".to_owned());
                }
                () = self.events.closed() => return End::Over,
            }
        }
    }

    async fn say(&mut self, line: &Line, message: ClientMessage) -> Option<End> {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if matches!(message, ClientMessage::Bye {}) {
            let bye = Envelope {
                seq: None,
                seen: Some(self.link.seen()),
                message: Some(message),
            };
            let _ = send(line, &bye).await;
            return Some(End::Over);
        }
        let full = self.link.waiting() >= MAX_WAITING;
        // Kept all the same: it goes over the next line.
        let envelope = self.link.send(message);
        if full {
            return Some(End::Lost("the server acknowledges nothing".to_owned()));
        }
        send(line, &envelope).await.err()
    }

    async fn hear(&mut self, line: &Line, text: &str) -> Option<End> {
        let envelope = match Envelope::<ServerMessage>::from_json(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::debug!(target: "ortc_rooms::signalling", %error, "not understood");
                // One of a newer server: its number counts all the same.
                let bare = serde_json::from_str::<Envelope<serde_json::Value>>(text);
                let _ = bare.ok().and_then(|envelope| self.link.take(envelope));
                return None;
            }
        };
        // Handed on before anything else may end the line: it counts as seen, and does not come again.
        if let Some(message) = self.link.take(envelope)
            && let Some(end) = self.hand_on(message).await
        {
            return Some(end);
        }
        if !self.link.must_acknowledge() {
            return None;
        }
        let envelope = self.link.acknowledge();
        send(line, &envelope).await.err()
    }

    async fn hand_on(&mut self, message: ServerMessage) -> Option<End> {
        match message {
            ServerMessage::Resume { resume } => self.hello.resume = Some(resume),
            ServerMessage::Goodbye {
                return_after_ms: Some(ms),
                message,
            } => {
                self.goodbye = Some(ms);
                return Some(End::Lost(message));
            }
            message => {
                let last = matches!(message, ServerMessage::Goodbye { .. });
                let told = self.events.send(SignalEvent::Message(message)).await;
                if told.is_err() || last {
                    return Some(End::Over);
                }
            }
        }
        None
    }
}

async fn send(line: &Line, envelope: &Envelope<ClientMessage>) -> Result<(), End> {
    // Its length was looked at when it was taken.
    let Ok(text) = serde_json::to_string(envelope) else {
        return Ok(());
    };
    let sent = line.outgoing.send(text).await;
    sent.map_err(|_| End::Lost("the connection is gone".to_owned()))
}

/// What the server says to `hello`.
async fn welcome(line: &mut Line) -> Result<Welcome, (DialError, Option<ErrorCode>)> {
    let unreachable = |reason: String| (DialError::Unreachable(reason), None);
    let refused = |reason: String, code| (DialError::Refused(reason), code);
    loop {
        let text = match line.incoming.recv().await {
            Some(Incoming::Text(text)) => text,
            Some(Incoming::Alive) => continue,
            Some(Incoming::Refused(reason)) => return Err(refused(reason, None)),
            Some(Incoming::Broken(reason)) => return Err(unreachable(reason)),
            None => return Err(unreachable("the connection is gone".to_owned())),
        };
        let envelope = Envelope::<ServerMessage>::from_json(&text);
        let envelope = envelope.map_err(|error| refused(error.to_string(), None))?;
        match envelope.message {
            Some(ServerMessage::Welcome(welcome)) => return Ok(welcome),
            Some(ServerMessage::Error { code, message, .. }) => {
                return Err(match code {
                    ErrorCode::Unavailable | ErrorCode::TooMany => {
                        (DialError::Unreachable(message), Some(code))
                    }
                    code => refused(message, Some(code)),
                });
            }
            Some(ServerMessage::Goodbye { message, .. }) => return Err(unreachable(message)),
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "reconnect_tests.rs"]
mod tests;
