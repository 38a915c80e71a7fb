//! What a peer offers, until it is accepted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ortc::RTCDataChannelMessage;
use tokio::time::timeout;

use super::again::Accepted;
use super::channel::FileChannel;
use super::error::{Code, Error, Result};
use super::id::TransferId;
use super::manifest::Manifest;
use super::message::Message;
use super::name::shown;
use super::options::ReceiveOptions;
use super::progress::Progress;
use super::receiver::{self, Receiving};
use super::target::Target;
use super::transfer::Transfer;
use crate::signalling::Extra;

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
    /// Where it is noted once it is accepted, and as whose, so that it goes on by itself.
    home: Option<(Arc<Accepted<C>>, String)>,
    /// Told when it is accepted.
    told: Option<Told>,
}

/// What is told of a transfer that begins.
type Told = Box<dyn FnOnce(&Transfer) + Send + Sync>;

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
                home: None,
                told: None,
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

    /// Goes on by itself, once accepted, with what the same peer offers again.
    pub(crate) fn at_home(mut self, home: Arc<Accepted<C>>, peer: String) -> Self {
        self.home = Some((home, peer));
        self
    }

    /// Tells when it is accepted.
    pub(crate) fn telling(mut self, told: impl FnOnce(&Transfer) + Send + Sync + 'static) -> Self {
        self.told = Some(Box::new(told));
        self
    }

    /// Gives it to the transfer of the same peer that it goes on with; back, if there is none.
    pub(crate) fn unless_awaited(mut self, home: &Accepted<C>, peer: &str) -> Option<Self> {
        let channel = self.channel.take()?;
        self.channel = Some(home.route(peer, &self.manifest, channel)?);
        Some(self)
    }

    /// The same with numbers for names, and what is offered.
    pub(crate) fn numbered(mut self) -> (Self, Arc<Manifest>) {
        let offered = self.manifest.clone();
        self.manifest = Arc::new(offered.numbered());
        (self, offered)
    }

    /// The channel, whose sender is told first that what it offers is not kept.
    pub(crate) async fn unkept(mut self, error: &Error) -> Option<C> {
        let channel = self.channel.take()?;
        let told = Message::Unkept {
            code: error.code(),
            message: error.message().to_owned(),
        };
        channel.send(told.write()).await.then_some(channel)
    }

    /// Waits for the peer to take it back, or to be gone. Cancel-safe.
    pub(crate) async fn withdrawn(&self) -> Error {
        let Some(channel) = &self.channel else {
            return Error::lost();
        };
        loop {
            let Some(RTCDataChannelMessage::Text(text)) = channel.recv().await else {
                return Error::lost();
            };
            match Message::read(&text) {
                Ok(Message::Pause { .. }) => {}
                Ok(Message::Cancel {}) => return Error::said(Code::Cancelled, "cancelled"),
                Ok(Message::Failed { code, message, .. }) => return Error::said(code, &message),
                _ => return Error::malformed("more before it was accepted"),
            }
        }
    }

    /// Ends it as whom it is for has.
    pub(crate) async fn end(mut self, error: &Error) {
        if let Some(channel) = self.channel.take() {
            Self::refuse(channel, error.code(), error.message()).await;
        }
    }

    /// Its name, the same at both ends.
    pub fn id(&self) -> &TransferId {
        &self.manifest.id
    }

    /// What the one whose it is tells of itself, as a hub says that has it of one who may have gone.
    pub(crate) fn extra(&self) -> &Extra {
        &self.manifest.extra
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
        let (home, told) = (self.home.take(), self.told.take());
        let transfer = Transfer::spawn(id, progress, move |mut run| async move {
            let mut channel = channel.ok_or_else(Error::lost)?;
            let home = home.filter(|_| !options.patience.is_zero());
            let noted = |(home, peer): (Arc<Accepted<C>>, String)| {
                home.add(peer, manifest.clone(), run.handle.clone())
            };
            let mut awaited = home.map(noted);
            loop {
                let (target, offered) = (Target::open(&folder), manifest.clone());
                let outcome;
                let receiving = Receiving::run(channel, offered, target, options.clone(), run);
                (outcome, run) = receiving.await;
                let lost = matches!(&outcome, Err(error) if error.code() == Code::Lost);
                let Some(awaited) = awaited.as_mut().filter(|_| lost) else {
                    return outcome;
                };
                channel = match run.again(awaited.next(), options.patience).await {
                    Ok(channel) => channel,
                    Err(error) => {
                        if error.code() == Code::Cancelled {
                            receiver::discard(manifest, &folder, options).await;
                        }
                        return Err(error);
                    }
                };
            }
        });
        if let Some(told) = told {
            told(&transfer);
        }
        transfer
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
