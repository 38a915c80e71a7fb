//! The sender's side of the disk: a thread that reads files block by block, ahead of what is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::coming::{Coming, Opened};
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
const AHEAD: usize = 1;
/// Blocks whose memory is looked at for another: as many as the receiver's window has on the way,
/// and those that are read.
const SPARE: usize = 8;

/// What is read, and for which epoch.
pub(super) type Outputs = mpsc::Receiver<(u64, Output)>;

/// Starts the thread; it ends with either end of its channels.
pub(super) fn start(
    source: Arc<Source>,
    epoch: Arc<AtomicU64>,
) -> (std::sync::mpsc::Sender<Wanted>, Outputs) {
    let (wanted, asked) = std::sync::mpsc::channel::<Wanted>();
    let (output, read) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        while let Ok(wanted) = asked.recv() {
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
    epoch: &'a AtomicU64,
    output: &'a mpsc::Sender<(u64, Output)>,
}

impl Reading<'_> {
    fn is_stale(&self) -> bool {
        self.epoch.load(Ordering::Acquire) != self.wanted.epoch || self.output.is_closed()
    }

    fn send(&self, what: Output) -> Sent {
        if self.epoch.load(Ordering::Acquire) != self.wanted.epoch {
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
        if let Some(coming) = &item.coming {
            return self.pass(item, coming);
        }
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

    /// A file that may still come: each block once it is there.
    fn pass(&self, item: &Item, coming: &Coming) -> Result<Sent> {
        let (file, size) = (self.wanted.file, item.entry.size);
        let mut opened = None;
        let mut tree = Tree::default();
        let mut from = match self.wanted.hash {
            Some(_) if self.wanted.from <= blocks(size) => self.wanted.from,
            _ => 0,
        };
        while tree.count() < from {
            let index = tree.count();
            let mut data = Vec::new();
            if !self.passed(item, coming, index, &mut opened, &mut data)? {
                return Ok(Sent::Stale);
            }
            tree.push(hash_block(size, index, &data));
        }
        if from > 0 && self.wanted.hash != Some(tree.prefix()) {
            (tree, from) = (Tree::default(), 0);
        }
        let mut sent = self.send(Output::Begin { file, from });
        let mut buffers = Buffers::default();
        for index in from..blocks(size) {
            if sent != Sent::Yes {
                return Ok(sent);
            }
            let mut there = false;
            let data = buffers.fill(|data| {
                there = self.passed(item, coming, index, &mut opened, data)?;
                Ok(())
            })?;
            if !there {
                return Ok(Sent::Stale);
            }
            let hash = hash_block(size, index, &data);
            tree.push(hash);
            sent = self.send(Output::Block { index, hash, data });
        }
        let Some(hash) = coming.hash(file, || self.is_stale()) else {
            return Ok(Sent::Stale);
        };
        match tree.root() == hash {
            true => Ok(self.send(Output::End { file, hash })),
            false => Err(item.changed()),
        }
    }

    /// False if nobody wants it any more.
    fn passed(
        &self,
        item: &Item,
        coming: &Coming,
        index: u64,
        opened: &mut Option<Opened>,
        data: &mut Vec<u8>,
    ) -> Result<bool> {
        let failed = |error: std::io::Error| of(&error, &item.path);
        let there = coming.block(self.wanted.file, index, opened, || self.is_stale());
        let (Some(()), Some(opened)) = (there.map_err(failed)?, opened) else {
            return Ok(false);
        };
        let start = SeekFrom::Start(index.saturating_mul(BLOCK));
        opened.file.seek(start).map_err(failed)?;
        read_into(&mut opened.file, item, index, data)?;
        Ok(true)
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
struct Buffers(VecDeque<Bytes>);

impl Buffers {
    fn fill(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Bytes> {
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

fn read_into(file: &mut File, item: &Item, index: u64, data: &mut Vec<u8>) -> Result<()> {
    let size = block_size(item.entry.size, index).min(BLOCK);
    data.reserve_exact(usize::try_from(size).unwrap_or_default());
    match file.take(size).read_to_end(data) {
        Ok(read) if read as u64 == size => Ok(()),
        Ok(_) => Err(item.changed()),
        Err(error) => Err(of(&error, &item.path)),
    }
}
