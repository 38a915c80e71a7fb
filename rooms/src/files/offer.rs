//! What a peer offers, until it is accepted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ortc::RTCDataChannelMessage;
use tokio::time::timeout;

use super::channel::FileChannel;
use super::error::{Code, Error, Result};
use super::id::TransferId;
use super::manifest::Manifest;
use super::message::Message;
use super::name::shown;
use super::options::ReceiveOptions;
use super::progress::Progress;
use super::receiver::Receiving;
use super::target::Target;
use super::transfer::Transfer;

/// How long an offer may take from its first message to its last.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file or folder that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedFile {
    /// Its place in the offer.
    pub file: u32,
    /// As the peer names it, components joined by `/`; safe to show, no path of this side.
    pub name: String,
    /// Bytes, as the peer says; no more than that is ever written.
    pub size: u64,
    /// An empty folder.
    pub folder: bool,
}

/// What a peer offers. Nothing is written before it is accepted; dropping it rejects it.
pub struct FileOffer<C: FileChannel> {
    channel: Option<C>,
    manifest: Arc<Manifest>,
    /// Held until it is answered.
    held: Option<Arc<()>>,
}

impl<C: FileChannel> FileOffer<C> {
    /// Reads the offer that a channel begins with. Cancel-safe: dropping it ends the channel.
    ///
    /// # Errors
    ///
    /// `Malformed`, `TooMany`, `Lost`; the peer was told.
    pub async fn receive(channel: C) -> Result<Self> {
        let read = timeout(PATIENCE, read(&channel)).await;
        let read = read.unwrap_or_else(|_| Err(Error::malformed("an offer without an end")));
        match read {
            Ok(manifest) => Ok(Self {
                channel: Some(channel),
                manifest: Arc::new(manifest),
                held: None,
            }),
            Err(error) => {
                let message = Message::failed(None, &error).write();
                let _ = timeout(Duration::from_secs(1), channel.send(message)).await;
                channel.close();
                Err(error)
            }
        }
    }

    /// Ends a channel that offers something, without looking at it.
    pub async fn refuse(channel: C, code: Code, why: &str) {
        let reject = Message::Reject {
            code,
            message: why.to_owned(),
        };
        let _ = timeout(Duration::from_secs(1), channel.send(reject.write())).await;
        channel.close();
    }

    /// Holds something until it is answered.
    pub(crate) fn holding(mut self, held: Arc<()>) -> Self {
        self.held = Some(held);
        self
    }

    /// Its name, the same at both ends.
    pub fn id(&self) -> &TransferId {
        &self.manifest.id
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.manifest.bytes
    }

    /// The files and empty folders.
    pub fn files(&self) -> impl Iterator<Item = OfferedFile> {
        let numbered = (0..).zip(self.manifest.entries());
        numbered.map(|(file, entry)| OfferedFile {
            file,
            name: shown(&entry.path.join("/")),
            size: entry.size,
            folder: entry.folder,
        })
    }

    /// What is offered, in some words: the name of a single file or folder, or how many there are.
    pub fn title(&self) -> String {
        let entries = self.manifest.entries();
        let first = entries.first().and_then(|entry| entry.path.first());
        let first = first.map(String::as_str).unwrap_or_default();
        let mut roots = entries.iter().filter_map(|entry| entry.path.first());
        match roots.all(|root| root == first) {
            true => shown(first),
            false => format!("{} files", entries.len()),
        }
    }

    /// Takes it into a folder, which must exist. Wants a tokio runtime.
    ///
    /// What is there from a transfer with the same key is gone on with.
    pub fn accept(mut self, folder: impl AsRef<Path>, options: ReceiveOptions) -> Transfer {
        let folder = folder.as_ref().to_owned();
        let progress = Progress {
            total: self.bytes(),
            ..Progress::default()
        };
        let (manifest, channel) = (self.manifest.clone(), self.channel.take());
        let id = manifest.id.clone();
        Transfer::spawn(id, progress, move |run| async move {
            let channel = channel.ok_or_else(Error::lost)?;
            let target = Target::open(&folder);
            Receiving::run(channel, manifest, target, options, run).await
        })
    }

    /// Does not take it; the peer is told why.
    pub async fn reject(mut self, why: &str) {
        if let Some(channel) = self.channel.take() {
            Self::refuse(channel, Code::Rejected, why).await;
        }
    }
}

impl<C: FileChannel> Drop for FileOffer<C> {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            channel.close();
        }
    }
}

impl<C: FileChannel> std::fmt::Debug for FileOffer<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileOffer")
            .field("id", self.id())
            .field("title", &self.title())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

async fn read<C: FileChannel>(channel: &C) -> Result<Manifest> {
    let mut manifest = None;
    loop {
        let message = channel.recv().await.ok_or_else(Error::lost)?;
        let RTCDataChannelMessage::Text(text) = message else {
            return Err(Error::malformed("bytes before they were accepted"));
        };
        match (Message::read(&text)?, &mut manifest) {
            (Message::Offer(offer), None) => manifest = Some(Manifest::new(offer)?),
            (Message::Entries(entries), Some(manifest)) => manifest.add(entries)?,
            (Message::Offered {}, Some(complete)) => {
                complete.complete()?;
                return manifest.ok_or_else(Error::lost);
            }
            (Message::Pause { .. }, _) => {}
            (Message::Cancel {}, _) => return Err(Error::said(Code::Cancelled, "cancelled")),
            _ => return Err(Error::malformed("no offer")),
        }
    }
}
