//! What a peer says of its tracks is lost on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use ortc::Kind;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::Session;
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{ClientMessage, ServerMessage, SignalError, SignalEvent};

use crate::support::{Member, Source, count, more, options};

/// Loses the first word of a track.
struct Forgetful {
    inner: Memory,
    lost: Arc<AtomicBool>,
}

impl Stream for Forgetful {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        loop {
            let event = ready!(Pin::new(&mut self.inner).poll_next(cx));
            if let Some(SignalEvent::Message(ServerMessage::Said { body, .. })) = &event
                && body.get().contains("\"track\"")
                && !self.lost.swap(true, Ordering::Relaxed)
            {
                continue;
            }
            return Poll::Ready(event);
        }
    }
}

impl Sink<ClientMessage> for Forgetful {
    type Error = SignalError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        Pin::new(&mut self.inner).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// Servers of a cluster lose what is said while NATS is away. Media then come of which nothing is
/// known, and who gets them asks.
#[tokio::test]
async fn r_h10_a_track_that_was_told_of_in_vain_is_asked_for() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    alice.session.open("demo").await.unwrap();
    let options = options("bob");
    let inner = Memory::connect(&desk, options.hello()).await.unwrap();
    let lost = Arc::new(AtomicBool::new(false));
    let forgetful = Forgetful {
        inner,
        lost: lost.clone(),
    };
    let (session, events) = Session::with(forgetful, options).await.unwrap();
    let mut bob = Member { session, events };
    bob.session.join("demo").await.unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    assert!(lost.load(Ordering::Relaxed));
    more(&heard, 5).await;
}
