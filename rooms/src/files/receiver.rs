//! The receiver's side of a transfer.
//!
//! It asks for one file after the other, some ahead, and tells what it is done with: more than the
//! window never waits between the wire and the disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortc::RTCDataChannelMessage;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::allowance::{Allowance, TELL};
use super::assembly::Assembly;
use super::channel::FileChannel;
use super::choice::Choice;
use super::error::{Code, Error, Result};
use super::hash::{BLOCK, Hash};
use super::manifest::Manifest;
use super::message::{Message, VERSION};
use super::name::shown;
use super::options::ReceiveOptions;
use super::progress::{Meter, TransferState};
use super::target::Target;
use super::transfer::{Control, FileDone, Run};
use super::writer::{self, Job, Report};

/// Bytes that may be on their way to the disk.
pub(super) const WINDOW: u64 = 4 * 1024 * 1024;
/// The same under a limit: a block, and what keeps the sender going meanwhile.
const LIMITED: u64 = 1024 * 1024 + 256 * 1024;
/// Files that are asked for ahead.
const AHEAD: usize = 16;
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether what comes is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Normal,
    /// The sender was told to forget what was asked for, and has not answered yet.
    Resetting,
    /// It has, and the disk has not come so far.
    Rewinding,
}

/// The file that the messages are about.
pub(super) struct Current {
    pub(super) file: u32,
    pub(super) size: u64,
    pub(super) next: u64,
}

pub(super) struct Receiving<C> {
    pub(super) channel: C,
    pub(super) manifest: Arc<Manifest>,
    pub(super) run: Run,
    pub(super) jobs: std::sync::mpsc::Sender<Job>,
    out: VecDeque<Message>,
    /// Not asked for yet.
    queue: VecDeque<u32>,
    /// Asked for or about to be, and not complete, in order; the first `begun` have begun.
    pub(super) asked: VecDeque<u32>,
    pub(super) begun: usize,
    pub(super) phase: Phase,
    pub(super) current: Option<Current>,
    pub(super) assembly: Option<Assembly>,
    pub(super) received: u64,
    pub(super) took: u64,
    pub(super) told: u64,
    /// What was told when the sender was to forget what was asked for.
    pub(super) reset_at: u64,
    /// Bytes of complete files, and of that which is written.
    complete: u64,
    partial: u64,
    again: BTreeSet<(u32, u64)>,
    pub(super) paused: [bool; 2],
    meter: Meter,
    done: BTreeMap<u32, FileDone>,
    finishing: bool,
    /// Others read what came: it stays, however this ends.
    keeps: bool,
    allowance: Allowance,
}

impl<C: FileChannel> Receiving<C> {
    /// Accepts, and receives until the end.
    pub(super) async fn run(
        channel: C,
        manifest: Arc<Manifest>,
        target: Result<Target>,
        options: ReceiveOptions,
        run: Run,
    ) -> (Result<Vec<FileDone>>, Run) {
        let wanted = wanted(&manifest, &options);
        let total: u64 = wanted
            .iter()
            .filter_map(|file| manifest.file(*file).ok())
            .map(|entry| entry.size)
            .sum();
        let target = match target {
            Ok(_) if total > options.quota.left() => {
                Err(Error::new(Code::Quota, "more than may be written"))
            }
            target => target,
        };
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                let message = Message::failed(None, &error);
                let _ = timeout(FAREWELL, channel.send(message.write())).await;
                channel.close();
                return (Err(error), run);
            }
        };
        let files = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        run.progress.send_modify(|progress| {
            (progress.total, progress.files) = (total, files);
            progress.state = TransferState::Running;
        });
        let accept = Message::Accept {
            version: VERSION,
            window: match options.limit {
                Some(_) => LIMITED,
                None => WINDOW,
            },
            files,
            bytes: total,
            only: options
                .files
                .as_ref()
                .and_then(|_| Choice::of(wanted.iter().copied())),
        };
        let (paused, limit) = (run.paused, options.limit);
        let keeps = options.coming.is_some();
        let (jobs, reports) = writer::start(target, manifest.clone(), options);
        let receiving = Self {
            channel,
            manifest,
            run,
            jobs,
            out: std::iter::once(accept)
                .chain(paused.then_some(Message::Pause { on: true }))
                .collect(),
            queue: wanted,
            asked: VecDeque::new(),
            begun: 0,
            phase: Phase::Normal,
            current: None,
            assembly: None,
            received: 0,
            took: 0,
            told: 0,
            reset_at: 0,
            complete: 0,
            partial: 0,
            again: BTreeSet::new(),
            paused: [paused, false],
            meter: Meter::new(Instant::now()),
            done: BTreeMap::new(),
            finishing: false,
            keeps,
            allowance: Allowance::new(limit),
        };
        receiving.until_end(reports).await
    }

    async fn until_end(
        mut self,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) -> (Result<Vec<FileDone>>, Run) {
        let outcome = self.work(&mut reports).await;
        if let Err(error) = &outcome {
            if error.code() != Code::Lost && !self.keeps {
                let _ = self.jobs.send(Job::Abandon);
            }
            if !error.is_remote() && error.code() != Code::Lost {
                let last = match error.code() {
                    Code::Cancelled => Message::Cancel {},
                    _ => Message::failed(None, error),
                };
                let _ = timeout(FAREWELL, self.channel.send(last.write())).await;
            }
        } else {
            // The sender ends the channel; what it has to read may still be on its way.
            let ended = async { while self.channel.recv().await.is_some() {} };
            let _ = timeout(FAREWELL, ended).await;
        }
        self.channel.close();
        // The files are free, and what came is on the disk, once the thread has ended.
        self.jobs = std::sync::mpsc::channel().0;
        while let Some(report) = reports.recv().await {
            if outcome.is_err() {
                let _ = self.report(report);
            }
        }
        let outcome = outcome.map(|()| self.done.into_values().collect());
        (outcome, self.run)
    }

    async fn work(&mut self, reports: &mut mpsc::UnboundedReceiver<Report>) -> Result<()> {
        loop {
            self.ask();
            let next = self.out.front().map(Message::write);
            let sends = next.is_some();
            let next = next.unwrap_or_else(|| RTCDataChannelMessage::Text(String::new()));
            tokio::select! {
                biased;
                control = self.run.control() => self.control(control)?,
                sent = self.channel.send(next), if sends => {
                    let last = self.out.pop_front();
                    if !sent {
                        return Err(self.last_word().await);
                    }
                    if last == Some(Message::Finished {}) {
                        return Ok(());
                    }
                }
                report = reports.recv() => {
                    let report = report.ok_or_else(|| Error::new(Code::Io, "the writer ended"))?;
                    self.report(report)?;
                }
                () = self.allowance.more(), if self.told < self.took => self.tell(false),
                message = self.channel.recv() => {
                    self.take(message.ok_or_else(Error::lost)?)?;
                }
            }
        }
    }

    /// The channel is over: the peer may have said why.
    async fn last_word(&mut self) -> Error {
        while let Some(message) = self.channel.recv().await {
            if let Err(error) = self.take(message) {
                return error;
            }
        }
        Error::lost()
    }

    pub(super) fn job(&self, job: Job) {
        // If the thread has ended, its report says why.
        let _ = self.jobs.send(job);
    }

    /// Has the next files asked for.
    fn ask(&mut self) {
        while self.phase == Phase::Normal && self.asked.len() < AHEAD {
            let Some(file) = self.queue.pop_front() else {
                break;
            };
            self.asked.push_back(file);
            self.job(Job::Prepare(file));
        }
        let idle = self.queue.is_empty() && self.asked.is_empty();
        if idle && !self.finishing {
            self.finishing = true;
            self.job(Job::Finish);
        }
    }

    fn control(&mut self, control: Control) -> Result<()> {
        let [here, _] = &mut self.paused;
        self.out.extend(self.run.obey(control, here)?);
        self.show_state();
        Ok(())
    }

    pub(super) fn show_state(&self) {
        let paused = self.paused.contains(&true);
        self.run.progress.send_modify(|progress| {
            progress.state = match paused {
                true => TransferState::Paused,
                false => TransferState::Running,
            };
            if paused {
                progress.rate = 0.0;
            }
        });
    }

    pub(super) fn file_done(
        &mut self,
        file: u32,
        path: Option<std::path::PathBuf>,
        hash: Result<Hash>,
    ) {
        let Ok(entry) = self.manifest.file(file) else {
            return;
        };
        let done = FileDone {
            file,
            name: shown(&entry.path.join("/")),
            path: path.unwrap_or_default(),
            size: entry.size,
            hash,
        };
        self.done.insert(file, done);
    }

    fn report(&mut self, report: Report) -> Result<()> {
        match report {
            Report::Prepared { file, from, hash } if self.phase == Phase::Normal => {
                self.out.push_back(Message::Get { file, from, hash });
            }
            Report::Prepared { .. } => {}
            Report::Began { file, kept } => self.began(file, kept),
            Report::Block { bytes, good } => self.wrote(bytes, good),
            Report::Bad { file, index } => {
                if !self.again.insert((file, index)) {
                    let text = "a block did not arrive as it was sent, twice";
                    return Err(Error::new(Code::Corrupt, text));
                }
                self.phase = Phase::Resetting;
                self.reset_at = self.told;
                self.out.push_back(Message::Reset {});
            }
            Report::Rewound => {
                self.phase = Phase::Normal;
                for file in &self.asked {
                    self.job(Job::Prepare(*file));
                }
            }
            Report::Published { file, path, hash } => {
                if self.asked.pop_front() == Some(file) {
                    self.begun = self.begun.saturating_sub(1);
                }
                let size = self.manifest.file(file)?.size;
                self.complete = self.complete.saturating_add(size);
                self.partial = 0;
                self.file_done(file, Some(path), Ok(hash));
                self.out.push_back(Message::Done { file });
                self.show(None);
                self.run.progress.send_modify(|progress| {
                    progress.files_done = progress.files_done.saturating_add(1);
                });
            }
            Report::Finished => {
                self.tell(true);
                self.out.push_back(Message::Finished {});
            }
            Report::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn began(&mut self, file: u32, kept: u64) {
        let entry = self.manifest.file(file).ok();
        let size = entry.map_or(0, |entry| entry.size);
        let name = entry.map(|entry| shown(&entry.path.join("/")));
        let kept = kept.saturating_mul(BLOCK).min(size);
        self.partial = kept;
        self.show(None);
        self.run.progress.send_modify(|progress| {
            progress.kept = progress.kept.saturating_add(kept);
            progress.file = name.unwrap_or_default();
        });
    }

    fn wrote(&mut self, bytes: u64, good: bool) {
        self.took = self.took.saturating_add(bytes);
        if good {
            self.partial = self.partial.saturating_add(bytes);
            let rate = self.meter.count(Instant::now(), bytes);
            self.show(rate);
        }
        self.tell(false);
    }

    fn show(&self, rate: Option<f64>) {
        let bytes = self.complete.saturating_add(self.partial);
        self.run.progress.send_modify(|progress| {
            progress.bytes = bytes;
            progress.rate = rate.unwrap_or(progress.rate);
        });
    }

    /// Tells the sender what is done with, if it is much or the last time.
    pub(super) fn tell(&mut self, last: bool) {
        let took = match last {
            true => self.took,
            false => self.allowance.of(self.told, self.took),
        };
        if !last && took.saturating_sub(self.told) < TELL {
            return;
        }
        self.told = took;
        let message = Message::Took {
            bytes: took,
            done: self.complete.saturating_add(self.partial),
        };
        match self.out.back_mut() {
            // Who does not read is not told each step later.
            Some(last @ Message::Took { .. }) => *last = message,
            _ => self.out.push_back(message),
        }
    }
}

/// Throws away what came of an offer that nobody sends any more.
pub(super) async fn discard(manifest: Arc<Manifest>, folder: &Path, options: ReceiveOptions) {
    let Ok(target) = Target::open(folder) else {
        return;
    };
    let wanted = wanted(&manifest, &options);
    let (jobs, mut reports) = writer::start(target, manifest, options);
    for job in wanted.into_iter().map(Job::Prepare).chain([Job::Abandon]) {
        let _ = jobs.send(job);
    }
    drop(jobs);
    while reports.recv().await.is_some() {}
}

/// The files that are to be had.
fn wanted(manifest: &Manifest, options: &ReceiveOptions) -> VecDeque<u32> {
    let files = (0..).zip(manifest.entries());
    let files = files
        .filter(|(_, entry)| !entry.folder)
        .map(|(file, _)| file);
    let chosen = options.files.as_ref();
    let chosen = chosen.map(|files| files.iter().copied().collect::<BTreeSet<u32>>());
    files
        .filter(|file| chosen.as_ref().is_none_or(|chosen| chosen.contains(file)))
        .collect()
}
