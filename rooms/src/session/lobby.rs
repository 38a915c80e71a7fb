//! The rooms that are there.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::watch;

use crate::signalling::RoomInfo;

/// The next change, waited for.
type Changed = Pin<Box<dyn Future<Output = Option<Rooms>> + Send>>;
type Rooms = watch::Receiver<Vec<RoomInfo>>;

/// The rooms that are there, as they change: a stream of lists.
pub struct Lobby {
    rooms: Rooms,
    next: Option<Changed>,
}

impl Lobby {
    pub(super) fn new(rooms: Rooms) -> Self {
        Self { rooms, next: None }
    }

    /// The rooms now; none before the server told of them.
    pub fn rooms(&self) -> Vec<RoomInfo> {
        self.rooms.borrow().clone()
    }

    /// The rooms after the next change; `None` when the session has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<RoomInfo>> {
        self.rooms.changed().await.ok()?;
        Some(self.rooms.borrow_and_update().clone())
    }
}

impl Stream for Lobby {
    type Item = Vec<RoomInfo>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let rooms = &this.rooms;
        let next = this.next.get_or_insert_with(|| {
            let mut rooms = rooms.clone();
            Box::pin(async move {
                rooms.changed().await.ok()?;
                Some(rooms)
            })
        });
        let changed = match next.as_mut().poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(changed) => changed,
        };
        this.next = None;
        let Some(mut rooms) = changed else {
            return Poll::Ready(None);
        };
        let list = rooms.borrow_and_update().clone();
        this.rooms = rooms;
        Poll::Ready(Some(list))
    }
}

impl std::fmt::Debug for Lobby {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rooms.borrow().iter()).finish()
    }
}
