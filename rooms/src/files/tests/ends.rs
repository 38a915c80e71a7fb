//! Two ends of a channel in memory, a folder for a test, and what most tests do with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ortc::RTCDataChannelMessage;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

use super::super::message::Message;
use super::super::{
    FileChannel, FileDone, FileOffer, ReceiveOptions, Result, SendOptions, Source, Transfer,
};

/// Bytes that wait in one direction before a sender has to.
const BUFFER: usize = 64;

/// One end of a channel. Dropping it ends both.
pub(super) struct End {
    to: mpsc::Sender<RTCDataChannelMessage>,
    from: Mutex<mpsc::Receiver<RTCDataChannelMessage>>,
    over: Arc<watch::Sender<bool>>,
}

pub(super) fn pair() -> (End, End) {
    let (to_b, from_a) = mpsc::channel(BUFFER);
    let (to_a, from_b) = mpsc::channel(BUFFER);
    let over = Arc::new(watch::channel(false).0);
    let end = |to, from| End {
        to,
        from: Mutex::new(from),
        over: over.clone(),
    };
    (end(to_b, from_b), end(to_a, from_a))
}

impl End {
    async fn ended(&self) {
        let mut over = self.over.subscribe();
        let _ = over.wait_for(|over| *over).await;
    }

    /// A fault of the path: both ends are over at once.
    pub(super) fn breaker(&self) -> Arc<watch::Sender<bool>> {
        self.over.clone()
    }

    pub(super) async fn say(&self, message: Message) {
        assert!(self.send(message.write()).await, "the channel is over");
    }

    pub(super) async fn text(&self, text: &str) {
        self.send(text.into()).await;
    }

    /// The next message that is text; `None` when the channel is over.
    pub(super) async fn hear(&self) -> Option<Message> {
        loop {
            match self.recv().await? {
                RTCDataChannelMessage::Text(text) => return Some(Message::read(&text).unwrap()),
                RTCDataChannelMessage::Binary(_) => {}
            }
        }
    }
}

impl FileChannel for End {
    async fn send(&self, message: RTCDataChannelMessage) -> bool {
        tokio::select! {
            biased;
            () = self.ended() => false,
            sent = self.to.send(message) => sent.is_ok(),
        }
    }

    async fn recv(&self) -> Option<RTCDataChannelMessage> {
        let mut from = self.from.lock().await;
        // What was sent before the end is read before it.
        tokio::select! {
            biased;
            message = from.recv() => message,
            () = self.ended() => from.try_recv().ok(),
        }
    }

    fn close(&self) {
        self.over.send_replace(true);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

/// A folder that goes with the test.
pub(super) struct Folder(PathBuf);

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Folder {
    pub(super) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ortc-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, data: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, data).unwrap();
        path
    }

    /// Every file and folder below, by its path from here.
    pub(super) fn all(&self) -> Vec<String> {
        fn walk(root: &Path, at: &Path, all: &mut Vec<String>) {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap();
                all.push(name.to_string_lossy().into());
                if std::fs::symlink_metadata(&path).unwrap().is_dir() {
                    walk(root, &path, all);
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.0, &self.0, &mut all);
        all.sort();
        all
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes that look like chance and are always the same.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(length);
    data
}

pub(super) async fn limited<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), what).await.unwrap()
}

pub(super) async fn source(paths: &[&Path]) -> Arc<Source> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    Arc::new(Source::open(paths).await.unwrap().key("key"))
}

/// Starts a transfer between two ends.
pub(super) async fn start(
    source: Arc<Source>,
    to: &Path,
    options: ReceiveOptions,
) -> (Transfer, Transfer) {
    let (a, b) = pair();
    let sent = Transfer::send(a, source, SendOptions::default());
    let offer = limited(FileOffer::receive(b)).await.unwrap();
    (sent, offer.accept(to, options))
}

/// Both ends of a transfer, when they are over.
pub(super) async fn carry(
    source: Arc<Source>,
    to: &Path,
    options: ReceiveOptions,
) -> (Result<Vec<FileDone>>, Result<Vec<FileDone>>) {
    let (sent, received) = start(source, to, options).await;
    limited(async { (sent.finished().await, received.finished().await) }).await
}

/// Two ends with somebody between them, who sees what the first one says and says something else.
pub(super) fn tampered(
    mut tamper: impl FnMut(RTCDataChannelMessage) -> Vec<RTCDataChannelMessage> + Send + 'static,
) -> (End, End) {
    let ((a, near), (far, b)) = (pair(), pair());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                message = near.recv() => {
                    let Some(message) = message else { break };
                    for message in tamper(message) {
                        far.send(message).await;
                    }
                }
                message = far.recv() => {
                    let Some(message) = message else { break };
                    near.send(message).await;
                }
            }
        }
        // What one end said last reaches the other.
        while let Ok(Some(message)) = timeout(Duration::from_millis(50), near.recv()).await {
            far.send(message).await;
        }
    });
    (a, b)
}

/// Carries a channel over a stream between processes, until either is over.
pub(super) async fn bridge(stream: tokio::net::TcpStream, end: End) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut read, mut write) = stream.into_split();
    let end = Arc::new(end);
    let there = end.clone();
    let out = async move {
        while let Some(message) = there.recv().await {
            let text = u8::from(message.text().is_some());
            let data = message.into_bytes();
            let mut head = vec![text];
            head.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
            if write.write_all(&head).await.is_err() || write.write_all(&data).await.is_err() {
                break;
            }
        }
        let _ = write.shutdown().await;
    };
    let here = end.clone();
    let into = async move {
        while let Ok(text) = read.read_u8().await {
            let Ok(length) = read.read_u32().await else {
                break;
            };
            let mut data = vec![0; length as usize];
            if read.read_exact(&mut data).await.is_err() {
                break;
            }
            let message = match text {
                1 => String::from_utf8(data).unwrap().into(),
                _ => data.into(),
            };
            if !here.send(message).await {
                break;
            }
        }
        here.close();
    };
    tokio::join!(out, into);
    drop(end);
}
