//! A queue for what the tasks of a socket bring, made when the first of them begins: tokio's takes
//! kilobytes from the start, and most sockets have no such task.

use tokio::sync::mpsc;

pub(super) struct Inbox<T> {
    /// So many wait at most.
    room: usize,
    queue: Option<(mpsc::Sender<T>, mpsc::Receiver<T>)>,
}

impl<T> Inbox<T> {
    pub(super) fn new(room: usize) -> Self {
        Self { room, queue: None }
    }

    pub(super) fn sender(&mut self) -> mpsc::Sender<T> {
        let room = self.room;
        let (sender, _) = self.queue.get_or_insert_with(|| mpsc::channel(room));
        sender.clone()
    }

    /// What comes next; never if nobody has a sender. Cancel-safe.
    pub(super) async fn recv(&mut self) -> Option<T> {
        match &mut self.queue {
            Some((_, came)) => came.recv().await,
            None => std::future::pending().await,
        }
    }
}
