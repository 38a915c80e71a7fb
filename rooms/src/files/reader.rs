//! The sender's side of the disk: a thread that reads files block by block, ahead of what is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::error::{Code, Error, Result};
use super::hash::{BLOCK, Hash, Tree, block_size, blocks, hash_block};
use super::source::{Item, Source, of};

/// A file is wanted from a block on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) file: u32,
    pub(super) from: u64,
    pub(super) hash: Option<Hash>,
    /// Those of an earlier epoch are wanted no more.
    pub(super) epoch: u64,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Output {
    Begin { file: u32, from: u64 },
    Block { index: u64, hash: Hash, data: Bytes },
    End { file: u32, hash: Hash },
    Failed { file: u32, error: Error },
}

/// Blocks that wait to be sent, beside the one that is read and the one that is sent.
pub(super) const AHEAD: usize = 1;
/// Blocks whose memory is looked at for another: as many as the receiver's window has on the way,
/// and those that are read.
const SPARE: usize = 8;

/// What is read, and for which epoch.
pub(super) type Outputs = mpsc::Receiver<(u64, Output)>;

/// Starts the thread; it ends with either end of its channels.
pub(super) fn start(
    source: Arc<Source>,
    epoch: watch::Receiver<u64>,
) -> (mpsc::UnboundedSender<Wanted>, Outputs) {
    // No more than may be asked for at once.
    let (wanted, mut asked) = mpsc::unbounded_channel::<Wanted>();
    let (output, read) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        while let Some(wanted) = asked.blocking_recv() {
            let reading = Reading {
                wanted,
                epoch: &epoch,
                output: &output,
            };
            if reading.run(&source) == Sent::Closed {
                break;
            }
        }
    });
    (wanted, read)
}

#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    /// Nobody wants this file any more.
    Stale,
    Closed,
}

struct Reading<'a> {
    wanted: Wanted,
    epoch: &'a watch::Receiver<u64>,
    output: &'a mpsc::Sender<(u64, Output)>,
}

impl Reading<'_> {
    fn is_stale(&self) -> bool {
        *self.epoch.borrow() != self.wanted.epoch || self.output.is_closed()
    }

    fn send(&self, what: Output) -> Sent {
        if *self.epoch.borrow() != self.wanted.epoch {
            return Sent::Stale;
        }
        match self.output.blocking_send((self.wanted.epoch, what)) {
            Ok(()) => Sent::Yes,
            Err(_) => Sent::Closed,
        }
    }

    fn run(&self, source: &Source) -> Sent {
        let file = self.wanted.file;
        let item = source.items.get(file as usize);
        let Some(item) = item.filter(|item| !item.entry.folder) else {
            let error = Error::new(Code::NotFound, "no such file in the offer");
            return self.send(Output::Failed { file, error });
        };
        match self.read(item) {
            Ok(sent) => sent,
            Err(error) => self.send(Output::Failed { file, error }),
        }
    }

    fn read(&self, item: &Item) -> Result<Sent> {
        let mut opened = item.open()?;
        let (tree, from) = self.begin(item, &mut opened)?;
        let sent = self.send(Output::Begin {
            file: self.wanted.file,
            from,
        });
        if sent != Sent::Yes {
            return Ok(sent);
        }
        self.go_on(item, opened, tree, from)
    }

    /// What the receiver has already, if it is the same.
    fn begin(&self, item: &Item, file: &mut File) -> Result<(Tree, u64)> {
        let mut tree = Tree::default();
        let from = self.wanted.from;
        let Some(hash) = self.wanted.hash.filter(|_| from > 0) else {
            return Ok((tree, 0));
        };
        if from <= blocks(item.entry.size) {
            while tree.count() < from && !self.is_stale() {
                let data = read_block(file, item, tree.count())?;
                tree.push(hash_block(item.entry.size, tree.count(), &data));
            }
            if tree.prefix() == hash {
                return Ok((tree, from));
            }
        }
        let start = file.seek(SeekFrom::Start(0));
        start.map_err(|error| of(&error, &item.path))?;
        Ok((Tree::default(), 0))
    }

    fn go_on(&self, item: &Item, mut opened: File, mut tree: Tree, from: u64) -> Result<Sent> {
        let size = item.entry.size;
        let mut buffers = Buffers::default();
        for index in from..blocks(size) {
            let data = buffers.fill(|data| read_into(&mut opened, item, index, data))?;
            let hash = hash_block(size, index, &data);
            tree.push(hash);
            let sent = self.send(Output::Block { index, hash, data });
            if sent != Sent::Yes {
                return Ok(sent);
            }
        }
        // One that grew, or was written to meanwhile, is a mixture.
        item.check(&opened)?;
        Ok(self.send(Output::End {
            file: self.wanted.file,
            hash: tree.root(),
        }))
    }
}

/// Memory of blocks that have gone out, for those that follow: the system clears each page that it
/// hands out.
#[derive(Default)]
pub(super) struct Buffers(VecDeque<Bytes>);

impl Buffers {
    pub(super) fn fill(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Bytes> {
        let free = self.0.iter().position(Bytes::is_unique);
        let free = free.and_then(|at| self.0.remove(at));
        // Empty before it is turned, which would move what is there.
        let mut free = free.unwrap_or_default();
        free.truncate(0);
        let mut data = Vec::from(free);
        read(&mut data)?;
        let data = Bytes::from(data);
        if self.0.len() == SPARE {
            self.0.pop_front();
        }
        self.0.push_back(data.clone());
        Ok(data)
    }
}

fn read_block(file: &mut File, item: &Item, index: u64) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    read_into(file, item, index, &mut data)?;
    Ok(data)
}

pub(super) fn read_into(
    file: &mut File,
    item: &Item,
    index: u64,
    data: &mut Vec<u8>,
) -> Result<()> {
    let size = block_size(item.entry.size, index).min(BLOCK);
    data.reserve_exact(usize::try_from(size).unwrap_or_default());
    match file.take(size).read_to_end(data) {
        Ok(read) if read as u64 == size => Ok(()),
        Ok(_) => Err(item.changed()),
        Err(error) => Err(of(&error, &item.path)),
    }
}
