//! The sender's side of the disk where files may still be coming: each block goes on once it is
//! there. Nothing but what reads takes a thread.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::coming::{Coming, Place};
use super::error::{Code, Error, Result};
use super::hash::{BLOCK, Hash, Tree, blocks, hash_block};
use super::reader::{AHEAD, Buffers, Output, Outputs, Wanted, read_into};
use super::source::{Item, Source, of};

/// A file that is not where it was gets its own name at this moment, or is gone.
const MOVES: Duration = Duration::from_secs(1);

/// Begins to send what is wanted, without a thread; it ends with either end of its channels.
pub(super) fn start(
    source: Arc<Source>,
    coming: Arc<Coming>,
    epoch: watch::Receiver<u64>,
) -> (mpsc::UnboundedSender<Wanted>, Outputs) {
    // No more than may be asked for at once.
    let (wanted, asked) = mpsc::unbounded_channel();
    let (output, read) = mpsc::channel(AHEAD);
    tokio::spawn(send(source, coming, asked, epoch, output));
    (wanted, read)
}

async fn send(
    source: Arc<Source>,
    coming: Arc<Coming>,
    mut asked: mpsc::UnboundedReceiver<Wanted>,
    mut epoch: watch::Receiver<u64>,
    output: mpsc::Sender<(u64, Output)>,
) {
    while let Some(wanted) = asked.recv().await {
        let passing = Passing {
            source: &source,
            coming: &coming,
            wanted,
            output: &output,
        };
        let stale = async {
            let _ = epoch.wait_for(|epoch| *epoch != wanted.epoch).await;
        };
        tokio::select! {
            biased;
            () = stale => {}
            () = output.closed() => return,
            () = passing.run() => {}
        }
    }
}

struct Passing<'a> {
    source: &'a Arc<Source>,
    coming: &'a Coming,
    wanted: Wanted,
    output: &'a mpsc::Sender<(u64, Output)>,
}

/// What a file is read with.
#[derive(Default)]
struct Disk {
    opened: Option<(File, Place)>,
    buffers: Buffers,
}

impl Passing<'_> {
    async fn run(&self) {
        let file = self.wanted.file;
        let item = self.source.items.get(file as usize);
        let sent = match item.filter(|item| !item.entry.folder) {
            Some(item) => self.pass(item).await,
            None => Err(Error::new(Code::NotFound, "no such file in the offer")),
        };
        if let Err(error) = sent {
            self.send(Output::Failed { file, error }).await;
        }
    }

    async fn send(&self, what: Output) {
        // Its end ends this, too.
        let _ = self.output.send((self.wanted.epoch, what)).await;
    }

    async fn pass(&self, item: &Item) -> Result<()> {
        let (file, size) = (self.wanted.file, item.entry.size);
        let mut disk = Disk::default();
        let mut tree = Tree::default();
        let mut from = match self.wanted.hash {
            Some(_) if self.wanted.from <= blocks(size) => self.wanted.from,
            _ => 0,
        };
        while tree.count() < from {
            let (hash, _) = self.block(item, &mut disk, tree.count()).await?;
            tree.push(hash);
        }
        if from > 0 && self.wanted.hash != Some(tree.prefix()) {
            (tree, from) = (Tree::default(), 0);
        }
        self.send(Output::Begin { file, from }).await;
        for index in from..blocks(size) {
            let (hash, data) = self.block(item, &mut disk, index).await?;
            tree.push(hash);
            self.send(Output::Block { index, hash, data }).await;
        }
        let hash = self.coming.hash(file).await?;
        if tree.root() != hash {
            return Err(item.changed());
        }
        self.send(Output::End { file, hash }).await;
        Ok(())
    }

    /// A block, once it is there.
    async fn block(&self, item: &Item, disk: &mut Disk, index: u64) -> Result<(Hash, Bytes)> {
        let file = self.wanted.file;
        loop {
            let place = self.coming.block(file, index).await?;
            let (source, from, mut with) =
                (self.source.clone(), place.clone(), std::mem::take(disk));
            let reading = tokio::task::spawn_blocking(move || {
                let read = source.items.get(file as usize);
                let read = read.map(|item| with.read(item, index, from));
                (with, read)
            });
            let (with, read) = reading
                .await
                .map_err(|error| Error::new(Code::Io, error.to_string()))?;
            *disk = with;
            match read {
                Some(Ok(read)) => return read,
                Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                    let moved = timeout(MOVES, self.coming.moved(file, &place)).await;
                    moved.map_err(|_| of(&error, &item.path))?;
                }
                Some(Err(error)) => return Err(of(&error, &item.path)),
                None => return Err(item.changed()),
            }
        }
    }
}

impl Disk {
    /// Fails if the file cannot be opened.
    fn read(&mut self, item: &Item, index: u64, from: Place) -> io::Result<Result<(Hash, Bytes)>> {
        let same = self.opened.take().filter(|(_, place)| *place == from);
        let (mut file, place) = match same {
            Some(same) => same,
            None => (File::open(&from.path)?, from),
        };
        file.seek(SeekFrom::Start(index.saturating_mul(BLOCK)))?;
        let data = self
            .buffers
            .fill(|data| read_into(&mut file, item, index, data));
        self.opened = Some((file, place));
        Ok(data.map(|data| (hash_block(item.entry.size, index, &data), data)))
    }
}
