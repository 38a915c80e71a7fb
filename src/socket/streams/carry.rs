//! Messages in and out of one connection, whatever is below it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Bytes for peers that may wait: a second of a good video.
const MAX_MEDIA: usize = 256 << 10;
/// Bytes that may wait when some of them are requests of ours, by which the relay lives.
const MAX_WAITING: usize = MAX_MEDIA + (64 << 10);
/// What has waited so long is not worth its bytes any more.
const STALE: Duration = Duration::from_secs(1);
/// Bytes of one write, as TLS has them in a record (RFC 8446 section 5.1).
const WRITE: usize = 16 << 10;
/// Bytes of one read.
const READ: usize = 64 << 10;

struct Outgoing {
    contents: Vec<u8>,
    /// Datagrams for peers that it has.
    media: u64,
    since: Instant,
}

/// Where a stream's messages are put that are to be sent.
pub(in crate::socket) struct Outlet {
    queue: mpsc::UnboundedSender<Outgoing>,
    /// Bytes in it, and on their way out of it: what bounds it.
    waiting: Arc<AtomicUsize>,
}

/// The other end of an [`Outlet`].
pub(in crate::socket) struct OutletEnd {
    queue: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

/// Where a stream's messages go that have come.
pub(in crate::socket) struct Inlet<I> {
    pub(in crate::socket) id: I,
    pub(in crate::socket) queue: mpsc::Sender<(I, BytesMut)>,
    /// How many bytes are whole messages; `None`: what follows them begins none.
    pub(in crate::socket) whole: fn(&[u8]) -> Option<usize>,
}

/// `dropped` counts the datagrams that became too old while they waited.
pub(in crate::socket) fn outlet(dropped: Arc<AtomicU64>) -> (Outlet, OutletEnd) {
    let (sender, queue) = mpsc::unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    let outlet = Outlet {
        queue: sender,
        waiting: waiting.clone(),
    };
    let end = OutletEnd {
        queue,
        waiting,
        dropped,
    };
    (outlet, end)
}

impl Outlet {
    /// False when there is no room.
    pub(in crate::socket) fn push(&self, contents: Vec<u8>, media: u64) -> bool {
        let bytes = contents.len();
        let most = if media > 0 { MAX_MEDIA } else { MAX_WAITING };
        if self.waiting.load(Ordering::Relaxed).saturating_add(bytes) > most {
            return false;
        }
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let since = Instant::now();
        let outgoing = Outgoing {
            contents,
            media,
            since,
        };
        self.queue.send(outgoing).is_ok()
    }
}

/// Until the connection ends, which is an error always; `None` when the other side sends what is no
/// message. With the outlet it ends once all that was in it is sent.
pub(in crate::socket) async fn carry<I: Copy>(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    outlet: OutletEnd,
    inlet: Inlet<I>,
) -> Option<io::Error> {
    tokio::select! {
        end = read(reader, inlet) => end,
        end = write(writer, outlet) => Some(end),
    }
}

async fn read<I: Copy>(mut reader: impl AsyncRead + Unpin, inlet: Inlet<I>) -> Option<io::Error> {
    let closed = || Some(io::ErrorKind::UnexpectedEof.into());
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return closed(),
            Ok(_) => {}
            Err(error) => return Some(error),
        }
        let whole = (inlet.whole)(&buffer)?;
        if whole > 0 {
            let messages = (inlet.id, buffer.split_to(whole));
            if inlet.queue.send(messages).await.is_err() {
                return closed();
            }
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut outlet: OutletEnd) -> io::Error {
    let mut out = Vec::new();
    loop {
        let Some(first) = outlet.queue.recv().await else {
            return io::ErrorKind::BrokenPipe.into();
        };
        // Together what makes one write.
        let (mut next, mut bytes) = (Some(first), 0usize);
        while let Some(one) = next.take() {
            bytes = bytes.saturating_add(one.contents.len());
            if one.media > 0 && one.since.elapsed() > STALE {
                outlet.dropped.fetch_add(one.media, Ordering::Relaxed);
            } else {
                out.extend_from_slice(&one.contents);
            }
            if out.len() < WRITE {
                next = outlet.queue.try_recv().ok();
            }
        }
        let written = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return error;
        }
        out.clear();
        outlet.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::socket::turn::{StreamId, whole_messages};

    fn ends(
        count: usize,
    ) -> (
        Outlet,
        OutletEnd,
        Inlet<StreamId>,
        mpsc::Receiver<(StreamId, BytesMut)>,
    ) {
        let (outlet, end) = outlet(Arc::default());
        let (queue, came) = mpsc::channel(count);
        let id = StreamId(1);
        let whole = |data: &[u8]| whole_messages(data).ok();
        (outlet, end, Inlet { id, queue, whole }, came)
    }

    /// Media beyond the bound is refused, requests have room of their own, and what waited too
    /// long is not sent once the way is free.
    #[tokio::test]
    async fn a_stream_that_does_not_drain_drops_media() {
        let (outlet, end, inlet, _came) = ends(1);
        let dropped = end.dropped.clone();
        // Room for one byte: the first write stands still.
        let (near, mut far) = tokio::io::duplex(1);
        let (reader, writer) = tokio::io::split(near);
        let carrying = tokio::spawn(carry(reader, writer, end, inlet));
        let mut taken = 0;
        while outlet.push(vec![0x40; 1_000], 1) {
            taken += 1;
            tokio::task::yield_now().await;
        }
        assert_eq!(taken, MAX_MEDIA / 1_000);
        assert!(outlet.push(vec![0; 28], 0), "a request");
        std::thread::sleep(STALE);
        let mut got = Vec::new();
        while got.len() < 28 || !got.ends_with(&[0; 28]) {
            let mut byte = [0; 64];
            let count = far.read(&mut byte).await.unwrap();
            got.extend_from_slice(&byte[..count]);
        }
        // Two writes at most had been made ready before.
        assert!(got.len() <= 2 * WRITE + 28, "{}", got.len());
        let sent = u64::try_from(got.len() / 1_000).unwrap();
        let taken = u64::try_from(taken).unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), taken - sent);
        assert!(outlet.push(vec![0x40; 1_000], 1), "there is room again");
        carrying.abort();
    }

    #[tokio::test]
    async fn messages_come_whole_however_the_stream_is_cut_and_garbage_ends_it() {
        let (_outlet, end, inlet, mut came) = ends(8);
        let (near, mut far) = tokio::io::duplex(64);
        let (reader, writer) = tokio::io::split(near);
        let carrying = tokio::spawn(carry(reader, writer, end, inlet));
        let message = [0x40, 1, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        for byte in [message, message].concat() {
            far.write_all(&[byte]).await.unwrap();
        }
        let mut got = Vec::new();
        while got.len() < 24 {
            let (_, messages) = came.recv().await.unwrap();
            assert_eq!(messages.len() % 12, 0);
            got.extend_from_slice(&messages);
        }
        assert_eq!(got, [message, message].concat());
        far.write_all(b"SSH-2.0").await.unwrap();
        assert!(carrying.await.unwrap().is_none());
    }
}
