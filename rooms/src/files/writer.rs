//! The receiver's side of the disk: a thread that checks blocks and writes them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::{Code, Error, Result};
use super::hash::{BLOCK, Hash, Tree, block_size, blocks, hash_block};
use super::journal::Journal;
use super::manifest::Manifest;
use super::name::sanitised;
use super::options::ReceiveOptions;
use super::part::{Head, Part};
use super::target::Target;

/// What is to be done, in this order.
#[derive(Debug)]
pub(super) enum Job {
    /// Find out what is there of a file.
    Prepare(u32),
    /// What follows is of this file, from the block on.
    Begin {
        file: u32,
        from: u64,
    },
    Block {
        hash: Hash,
        pieces: Vec<Bytes>,
    },
    End {
        hash: Hash,
    },
    /// Nothing more of the file comes.
    GiveUp(u32),
    /// Everything is asked for again.
    Rewind,
    /// Make the empty folders; nothing is left to do.
    Finish,
    /// Throw away what is not complete.
    Abandon,
}

/// What was done.
#[derive(Debug)]
pub(super) enum Report {
    Prepared {
        file: u32,
        from: u64,
        hash: Option<Hash>,
    },
    /// So many blocks of the file are kept.
    Began {
        file: u32,
        kept: u64,
    },
    /// So many bytes are done with, and written if they were good.
    Block {
        bytes: u64,
        good: bool,
    },
    /// The block is not what its hash says: what comes now is passed over until a rewind.
    Bad {
        file: u32,
        index: u64,
    },
    Published {
        file: u32,
        path: PathBuf,
        hash: Hash,
    },
    Rewound,
    Finished,
    Failed(Error),
}

/// A file that is wanted.
enum Place {
    Part(Part),
    /// It arrived before.
    There(PathBuf, Tree),
}

struct Current {
    file: u32,
    place: Place,
}

/// Starts the thread; it ends when the jobs do.
pub(super) fn start(
    target: Target,
    manifest: Arc<Manifest>,
    options: ReceiveOptions,
) -> (
    std::sync::mpsc::Sender<Job>,
    mpsc::UnboundedReceiver<Report>,
) {
    let (jobs, todo) = std::sync::mpsc::channel::<Job>();
    // As many as there are jobs, which the window bounds.
    let (reports, done) = mpsc::unbounded_channel();
    tokio::task::spawn_blocking(move || {
        let key = manifest.key_hash();
        let mut writer = Writer {
            journal: Journal::open(&target, &key),
            key,
            target,
            manifest,
            options,
            prepared: HashMap::new(),
            current: None,
            bad: false,
            charged: 0,
            written: 0,
            reports,
        };
        while let Ok(job) = todo.recv() {
            if let Err(error) = writer.work(job) {
                writer.abandon();
                let _ = writer.reports.send(Report::Failed(error));
                break;
            }
        }
        // What was not written of it may be, by others or by the next attempt.
        writer.charged = writer.charged.saturating_sub(writer.written);
        writer.give_back();
    });
    (jobs, done)
}

struct Writer {
    target: Target,
    manifest: Arc<Manifest>,
    options: ReceiveOptions,
    key: Hash,
    journal: Journal,
    prepared: HashMap<u32, Place>,
    current: Option<Current>,
    bad: bool,
    /// Taken from the quota for the current file.
    charged: u64,
    /// Of that.
    written: u64,
    reports: mpsc::UnboundedSender<Report>,
}

impl Writer {
    fn report(&self, report: Report) {
        // Nobody is there any more: the jobs end, too.
        let _ = self.reports.send(report);
    }

    fn work(&mut self, job: Job) -> Result<()> {
        match job {
            Job::Prepare(file) => self.prepare(file),
            Job::Begin { file, from } => self.begin(file, from),
            Job::Block { hash, pieces } => self.block(hash, &pieces),
            Job::End { hash } => self.end(hash),
            Job::GiveUp(file) => {
                if let Some(coming) = &self.options.coming {
                    coming.given_up(file);
                }
                let current = self.current.take_if(|current| current.file == file);
                let place = current.map(|current| current.place);
                if place.is_some() {
                    self.give_back();
                }
                if let Some(Place::Part(part)) = place.or_else(|| self.prepared.remove(&file)) {
                    part.remove();
                }
                Ok(())
            }
            Job::Rewind => {
                if let Some(current) = self.current.take() {
                    self.give_back();
                    self.prepared.insert(current.file, current.place);
                }
                self.bad = false;
                self.report(Report::Rewound);
                Ok(())
            }
            Job::Finish => {
                self.finish()?;
                self.report(Report::Finished);
                Ok(())
            }
            Job::Abandon => {
                self.abandon();
                self.report(Report::Finished);
                Ok(())
            }
        }
    }

    fn prepare(&mut self, file: u32) -> Result<()> {
        let place = match self.prepared.remove(&file) {
            Some(place) => place,
            None => self.place(file)?,
        };
        let tree = place.tree();
        let from = tree.count();
        let hash = (from > 0).then(|| tree.prefix());
        self.prepared.insert(file, place);
        self.report(Report::Prepared { file, from, hash });
        Ok(())
    }

    fn place(&self, file: u32) -> Result<Place> {
        let entry = self.manifest.file(file)?;
        let came = self.options.coming.as_ref();
        if let Some(path) = came.and_then(|coming| coming.complete(file))
            && let Some(tree) = tree_of(&path, entry.size)
        {
            return Ok(Place::There(path, tree));
        }
        if let Some(path) = self.journal.arrived(&entry.path)
            && let Some(tree) = tree_of(path, entry.size)
        {
            let (folder, name) = self.way(file)?;
            Part::clear(&folder, &name, &self.key);
            return Ok(Place::There(path.to_owned(), tree));
        }
        self.part(file).map(Place::Part)
    }

    fn part(&self, file: u32) -> Result<Part> {
        let entry = self.manifest.file(file)?;
        let (folder, name) = self.way(file)?;
        let head = Head {
            key: self.key,
            path: entry.path.clone(),
            size: entry.size,
        };
        Part::open(&folder, &name, &head)
    }

    /// The folder that the file is in, and its name there.
    fn way(&self, file: u32) -> Result<(PathBuf, String)> {
        let entry = self.manifest.file(file)?;
        let mut names: Vec<String> = entry.path.iter().map(|name| sanitised(name)).collect();
        let name = names.pop().unwrap_or_else(|| "_".to_owned());
        Ok((self.target.folder(&names)?, name))
    }

    fn begin(&mut self, file: u32, from: u64) -> Result<()> {
        if self.bad {
            return Ok(());
        }
        let had = self.prepared.get(&file).map(|place| place.tree().count());
        let had = had.ok_or_else(|| Error::malformed("a file that was not asked for"))?;
        if from != had && from != 0 {
            return Err(Error::malformed("a block that was not asked for"));
        }
        let place = match self.prepared.remove(&file) {
            Some(place) if from == had => place,
            // The file is another one by now.
            Some(Place::Part(mut part)) => {
                part.restart()?;
                Place::Part(part)
            }
            _ => {
                let mut part = self.part(file)?;
                part.restart()?;
                Place::Part(part)
            }
        };
        let kept = from;
        self.charge(self.manifest.file(file)?.size, kept)?;
        if let (Some(coming), Place::Part(part)) = (&self.options.coming, &place) {
            coming.began(file, part.path(), kept);
        }
        self.report(Report::Began { file, kept });
        self.current = Some(Current { file, place });
        Ok(())
    }

    fn charge(&mut self, size: u64, kept: u64) -> Result<()> {
        let bytes = size.saturating_sub(kept.saturating_mul(BLOCK));
        if !self.options.quota.take(bytes) {
            return Err(Error::new(Code::Quota, "more than may be written"));
        }
        (self.charged, self.written) = (bytes, 0);
        Ok(())
    }

    fn give_back(&mut self) {
        self.options
            .quota
            .give_back(std::mem::take(&mut self.charged));
    }

    fn block(&mut self, hash: Hash, pieces: &[Bytes]) -> Result<()> {
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        if self.bad {
            self.report(Report::Block { bytes, good: false });
            return Ok(());
        }
        let Some(Current {
            file,
            place: Place::Part(part),
        }) = &mut self.current
        else {
            return Err(Error::malformed("bytes of no file"));
        };
        let index = part.tree().count();
        let file = *file;
        let good = part.write(hash, pieces)?;
        if good {
            self.written = self.written.saturating_add(bytes);
            if let Some(coming) = &self.options.coming {
                coming.wrote(file, part.tree().count());
            }
        }
        self.report(Report::Block { bytes, good });
        if !good {
            self.bad = true;
            self.report(Report::Bad { file, index });
        }
        Ok(())
    }

    fn end(&mut self, hash: Hash) -> Result<()> {
        if self.bad {
            return Ok(());
        }
        let current = self.current.take();
        let Current { file, place } =
            current.ok_or_else(|| Error::malformed("the end of no file"))?;
        let path = match place {
            Place::There(path, tree) => match tree.root() == hash {
                true => path,
                false => return Err(Error::malformed("another file than its blocks")),
            },
            Place::Part(mut part) => match self.publish(file, &mut part, hash) {
                Ok(path) => {
                    part.published();
                    let path_offered = &self.manifest.file(file)?.path;
                    self.journal.note(path_offered, &path, &self.target);
                    (self.charged, self.written) = (0, 0);
                    if let Some(coming) = &self.options.coming {
                        coming.published(file, &path, hash);
                    }
                    path
                }
                Err(error) => {
                    part.remove();
                    return Err(error);
                }
            },
        };
        self.report(Report::Published { file, path, hash });
        Ok(())
    }

    fn publish(&mut self, file: u32, part: &mut Part, hash: Hash) -> Result<PathBuf> {
        let from = part.complete(hash, self.manifest.file(file)?.modified)?;
        // Looked at again: the folder may have become a link meanwhile.
        let (folder, name) = self.way(file)?;
        let taken = self.options.name_taken;
        // Should this be the last that the process does, it is looked for there.
        let path = &self.manifest.file(file)?.path;
        self.journal.note(path, &folder.join(&name), &self.target);
        self.target.publish(&from, &folder, &name, taken)
    }

    fn finish(&mut self) -> Result<()> {
        for folder in self.manifest.folders() {
            let names: Vec<String> = folder.iter().map(|name| sanitised(name)).collect();
            self.target.folder(&names)?;
        }
        self.journal.remove();
        Ok(())
    }

    fn abandon(&mut self) {
        let current = self.current.take().map(|current| current.place);
        for place in self.prepared.drain().map(|(_, place)| place).chain(current) {
            if let Place::Part(part) = place {
                part.remove();
            }
        }
        self.journal.remove();
        self.give_back();
    }
}

impl Place {
    fn tree(&self) -> &Tree {
        match self {
            Self::Part(part) => part.tree(),
            Self::There(_, tree) => tree,
        }
    }
}

/// The blocks of a file, if it has this size.
fn tree_of(path: &Path, size: u64) -> Option<Tree> {
    let mut file = File::open(path).ok()?;
    if file.metadata().ok()?.len() != size {
        return None;
    }
    let mut tree = Tree::default();
    let mut data = vec![0; usize::try_from(BLOCK).ok()?];
    while tree.count() < blocks(size) {
        let length = usize::try_from(block_size(size, tree.count())).ok()?;
        let data = data.get_mut(..length)?;
        file.read_exact(data).ok()?;
        tree.push(hash_block(size, tree.count(), data));
    }
    Some(tree)
}
