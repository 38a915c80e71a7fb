//! What goes out by one connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::watch;
use tokio::time::Sleep;

use super::client::{Client, Closing, State};

/// A client hears that its messages came after so many of them,
const ACKNOWLEDGE_AFTER: u64 = 32;
/// or after this time.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(10);

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Out {
    /// A message, the text of one envelope.
    Text(String),
    /// The last: the connection ends with this code and these words.
    Close(Closing),
}

/// What goes out by one connection, in order, from `welcome` to the close. A reader that is slow
/// makes messages wait, up to the bound of the desk.
#[derive(Debug)]
pub struct Outgoing {
    client: Arc<Client>,
    connection: u64,
    welcome: Option<String>,
    closing: watch::Receiver<Option<Closing>>,
    ended: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Tells when the desk wants a connection to end, to one who is busy with sending.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<Option<Closing>>);

impl Ending {
    /// Waits until the desk wants the connection to end, and tells why.
    pub async fn wait(&mut self) -> Closing {
        let closing = self.0.wait_for(Option::is_some).await;
        closing
            .ok()
            .and_then(|closing| closing.clone())
            .unwrap_or_else(ended)
    }
}

fn ended() -> Closing {
    Closing {
        code: super::client::CLOSE_REPLACED,
        reason: "the connection is given up".to_owned(),
    }
}

impl Outgoing {
    pub(crate) fn new(
        client: Arc<Client>,
        connection: u64,
        closing: watch::Receiver<Option<Closing>>,
        welcome: String,
    ) -> Self {
        Self {
            client,
            connection,
            welcome: Some(welcome),
            closing,
            ended: false,
            timer: None,
        }
    }

    /// Tells when the desk wants the connection to end, while this stream is not polled.
    pub fn ending(&self) -> Ending {
        Ending(self.closing.clone())
    }
}

impl Stream for Outgoing {
    type Item = Out;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Out>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(welcome) = this.welcome.take() {
            return Poll::Ready(Some(Out::Text(welcome)));
        }
        let mut state = this.client.lock();
        if !state.on(this.connection) {
            drop(state);
            this.ended = true;
            let closing = this.closing.borrow().clone().unwrap_or_else(ended);
            return Poll::Ready(Some(Out::Close(closing)));
        }
        if let Some(token) = state.token.take() {
            return Poll::Ready(Some(Out::Text(format!(r#"{{"message":{token}}}"#))));
        }
        if let Some((number, message)) = state.outbox.next() {
            state.told = state.heard;
            this.timer = None;
            let text = format!(
                r#"{{"seq":{number},"seen":{},"message":{message}}}"#,
                state.heard
            );
            return Poll::Ready(Some(Out::Text(text)));
        }
        if let Some(words) = state.take_last_word() {
            return Poll::Ready(Some(Out::Text(words)));
        }
        let heard = state.heard;
        let unheard = heard.saturating_sub(state.told);
        state.listen(context.waker());
        if unheard == 0 {
            return Poll::Pending;
        }
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(ACKNOWLEDGE_WITHIN)));
        if unheard < ACKNOWLEDGE_AFTER && timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        state.told = heard;
        this.timer = None;
        Poll::Ready(Some(Out::Text(format!(r#"{{"seen":{heard}}}"#))))
    }
}

/// Notes a message of the client. True if its connection is to be woken, to acknowledge it in time.
pub(crate) fn heard(state: &mut State, number: u64) -> bool {
    let before = state.heard.saturating_sub(state.told);
    state.heard = number;
    before == 0 || number.saturating_sub(state.told) >= ACKNOWLEDGE_AFTER
}
