//! The sender's side of a transfer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortc::RTCDataChannelMessage;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::again::Again;
use super::channel::FileChannel;
use super::choice::Choice;
use super::error::{Code, Error, Result};
use super::hash::Hash;
use super::id::TransferId;
use super::message::{Message, PIECE, VERSION};
use super::name::shown;
use super::options::SendOptions;
use super::passed;
use super::progress::{Meter, Progress, TransferState};
use super::reader::{self, Output, Outputs, Wanted};
use super::source::Source;
use super::stall::Stall;
use super::transfer::{Control, FileDone, Run, Transfer};
use crate::signalling::Extra;

/// Files that may be asked for and are not sent yet.
const MAX_ASKED: usize = 64;
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(2);

impl Transfer {
    /// Offers a source over a channel, and sends what the peer wants of it.
    ///
    /// Wants a tokio runtime. After [`Code::Lost`] the same source can be offered over another
    /// channel.
    pub fn send<C: FileChannel>(channel: C, source: Arc<Source>, options: SendOptions) -> Self {
        Self::send_again(channel, source, options, None)
    }

    /// The same, over another channel after one was lost.
    pub(crate) fn send_again<C: FileChannel>(
        channel: C,
        source: Arc<Source>,
        options: SendOptions,
        again: Option<Again<C>>,
    ) -> Self {
        Self::send_as(TransferId::random(), channel, source, options, again)
    }

    /// The same, under a name that is known already.
    pub(crate) fn send_as<C: FileChannel>(
        id: TransferId,
        channel: C,
        source: Arc<Source>,
        options: SendOptions,
        mut again: Option<Again<C>>,
    ) -> Self {
        let progress = Progress {
            total: source.bytes,
            files: u32::try_from(source.files()).unwrap_or(u32::MAX),
            ..Progress::default()
        };
        Self::spawn(id.clone(), progress, move |mut run| async move {
            let mut channel = channel;
            loop {
                let outcome;
                let source = source.clone();
                (outcome, run) = Sending::new(channel, source, &options, run).all(&id).await;
                let lost = matches!(&outcome, Err(error) if error.code() == Code::Lost);
                let Some(again) = again.as_mut().filter(|_| lost) else {
                    return outcome;
                };
                channel = run.again(again(), options.patience).await?;
            }
        })
    }
}

struct Sending<C> {
    channel: C,
    source: Arc<Source>,
    limit: Option<u64>,
    keep: bool,
    extra: Extra,
    run: Run,
    /// Sent before what waits in `outbox`.
    urgent: VecDeque<Message>,
    outbox: VecDeque<RTCDataChannelMessage>,
    wanted: Option<mpsc::UnboundedSender<Wanted>>,
    read: Option<Outputs>,
    epoch: watch::Sender<u64>,
    asked: usize,
    sent: u64,
    took: u64,
    window: u64,
    paused: [bool; 2],
    /// When the next piece may go, under a limit.
    next: Instant,
    meter: Meter,
    stall: Stall,
    /// What the receiver takes; `None`: all.
    only: Option<Choice>,
    hashes: BTreeMap<u32, Hash>,
    done: BTreeMap<u32, FileDone>,
}

impl<C: FileChannel> Sending<C> {
    fn new(channel: C, source: Arc<Source>, options: &SendOptions, run: Run) -> Self {
        let now = Instant::now();
        let paused = run.paused;
        Self {
            channel,
            source,
            limit: options.limit,
            keep: options.keep,
            extra: options.extra.clone(),
            run,
            urgent: paused
                .then_some(Message::Pause { on: true })
                .into_iter()
                .collect(),
            outbox: VecDeque::new(),
            wanted: None,
            read: None,
            epoch: watch::Sender::default(),
            asked: 0,
            sent: 0,
            took: 0,
            window: 0,
            paused: [paused, false],
            next: now,
            meter: Meter::new(now),
            stall: Stall::default(),
            only: None,
            hashes: BTreeMap::new(),
            done: BTreeMap::new(),
        }
    }

    /// To the end of the channel.
    async fn all(mut self, id: &TransferId) -> (Result<Vec<FileDone>>, Run) {
        let outcome = self.run(id).await;
        if let Err(error) = &outcome
            && !error.is_remote()
            && error.code() != Code::Lost
        {
            let last = match error.code() {
                Code::Cancelled => Message::Cancel {},
                _ => Message::failed(None, error),
            };
            let _ = timeout(FAREWELL, self.channel.send(last.write())).await;
        }
        self.channel.close();
        (outcome, self.run)
    }

    async fn run(&mut self, id: &TransferId) -> Result<Vec<FileDone>> {
        self.offer(id.clone()).await?;
        loop {
            let paused = self.paused.contains(&true);
            let next = self.next_message(paused);
            let sends = next.is_some();
            let next = next.unwrap_or_else(|| RTCDataChannelMessage::Text(String::new()));
            let waits = self.waits();
            let early = !paused && !self.outbox.is_empty() && self.next > Instant::now();
            let read = self
                .read
                .as_mut()
                .filter(|_| !paused && self.outbox.is_empty());
            let reads = read.is_some();
            let waits = self.stall.is_due(waits);
            let reading = async {
                match read {
                    Some(read) => read.recv().await,
                    None => None,
                }
            };
            tokio::select! {
                biased;
                control = self.run.control() => self.control(control)?,
                message = self.channel.recv() => {
                    let message = message.ok_or_else(Error::lost)?;
                    if self.take(message)? {
                        return Ok(std::mem::take(&mut self.done).into_values().collect());
                    }
                }
                sent = self.channel.send(next), if sends => {
                    if !sent {
                        return Err(self.last_word().await);
                    }
                    self.has_sent();
                }
                output = reading, if reads => self.read(output)?,
                () = sleep_until(self.next.into()), if early => {}
                () = self.stall.sleep(), if waits => {
                    self.run.progress.send_modify(|progress| progress.stalled = true);
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

    async fn offer(&mut self, id: TransferId) -> Result<()> {
        let source = self.source.clone();
        for message in source.announced(id, self.keep, self.extra.clone()) {
            self.say(message).await?;
        }
        Ok(())
    }

    /// Sends at once, before there is an answer.
    async fn say(&mut self, message: RTCDataChannelMessage) -> Result<()> {
        loop {
            tokio::select! {
                biased;
                control = self.run.control() => self.control(control)?,
                sent = self.channel.send(message.clone()) => {
                    return match sent {
                        true => Ok(()),
                        false => Err(self.last_word().await),
                    };
                }
            }
        }
    }

    fn next_message(&self, paused: bool) -> Option<RTCDataChannelMessage> {
        if let Some(message) = self.urgent.front() {
            return Some(message.write());
        }
        let next = self.outbox.front().filter(|_| !paused)?;
        let cost = cost(next);
        let ahead = self.sent.saturating_sub(self.took).saturating_add(cost);
        let may = ahead <= self.window && (cost == 0 || self.next <= Instant::now());
        may.then(|| next.clone())
    }

    /// Whether there is something for the receiver, which this side does not hold back.
    fn waits(&self) -> bool {
        let [here, there] = self.paused;
        !here && (there || !self.outbox.is_empty() || self.sent > self.took)
    }

    fn has_sent(&mut self) {
        if self.urgent.pop_front().is_some() {
            return;
        }
        let cost = self.outbox.pop_front().as_ref().map_or(0, cost);
        self.sent = self.sent.saturating_add(cost);
        if let Some(limit) = self.limit {
            let takes = Duration::from_secs_f64(cost as f64 / limit as f64);
            self.next = self.next.max(Instant::now()) + takes;
        }
    }

    fn control(&mut self, control: Control) -> Result<()> {
        let [here, _] = &mut self.paused;
        self.urgent.extend(self.run.obey(control, here)?);
        self.show_state();
        Ok(())
    }

    fn show_state(&self) {
        let state = match (self.read.is_some(), self.paused.contains(&true)) {
            (false, _) => TransferState::Offered,
            (true, true) => TransferState::Paused,
            (true, false) => TransferState::Running,
        };
        self.run.progress.send_modify(|progress| {
            progress.state = state;
            if state == TransferState::Paused {
                progress.rate = 0.0;
            }
        });
    }

    /// What the receiver says; true when it has all.
    fn take(&mut self, message: RTCDataChannelMessage) -> Result<bool> {
        let RTCDataChannelMessage::Text(text) = message else {
            return Err(Error::malformed("bytes to the sender"));
        };
        match Message::read(&text)? {
            Message::Accept {
                version,
                window,
                files,
                bytes,
                only,
            } => {
                if only.as_ref().is_some_and(|only| !only.is_sound()) {
                    return Err(Error::malformed("a choice that is none"));
                }
                self.only.clone_from(&only);
                self.run
                    .progress
                    .send_modify(|progress| progress.chosen = only);
                self.accepted(version, window, files, bytes)?;
            }
            Message::Unkept { code, message } => self.run.progress.send_modify(|progress| {
                progress.unkept = Some(Error::said(code, &message));
            }),
            Message::Reject { code, message } => return Err(Error::said(code, &message)),
            Message::Get { file, from, hash } => self.wants(file, from, hash)?,
            Message::Took { bytes, done } => self.took(bytes, done)?,
            Message::Reset {} => {
                self.epoch
                    .send_modify(|epoch| *epoch = epoch.wrapping_add(1));
                self.outbox.clear();
                self.asked = 0;
                self.urgent.push_back(Message::Reset {});
            }
            Message::Done { file } => self.arrived(file)?,
            Message::Failed { code, message, .. } => return Err(Error::said(code, &message)),
            Message::Pause { on } => {
                let [_, there] = &mut self.paused;
                *there = on;
                self.show_state();
            }
            Message::Cancel {} => return Err(Error::said(Code::Cancelled, "cancelled")),
            Message::Finished {} => return Ok(true),
            _ => return Err(Error::malformed("what only senders say")),
        }
        Ok(false)
    }

    fn accepted(&mut self, version: u32, window: u64, files: u32, bytes: u64) -> Result<()> {
        if self.read.is_some() || version != VERSION || window < PIECE as u64 {
            return Err(Error::malformed("accepted twice, or by another version"));
        }
        self.window = window;
        let (source, epoch) = (self.source.clone(), self.epoch.subscribe());
        let (wanted, read) = match source.coming.clone() {
            Some(coming) => passed::start(source, coming, epoch),
            None => reader::start(source, epoch),
        };
        (self.wanted, self.read) = (Some(wanted), Some(read));
        let most = self.source.bytes;
        self.run.progress.send_modify(|progress| {
            progress.total = bytes.min(most);
            progress.files = files.min(progress.files);
        });
        self.meter = Meter::new(Instant::now());
        self.show_state();
        Ok(())
    }

    fn wants(&mut self, file: u32, from: u64, hash: Option<Hash>) -> Result<()> {
        let chosen = self.only.as_ref().is_none_or(|only| only.has(file));
        let Some(wanted) = self.wanted.as_ref().filter(|_| chosen) else {
            return Err(Error::malformed("a file is wanted that was not accepted"));
        };
        self.asked = self.asked.saturating_add(1);
        if self.asked > MAX_ASKED {
            return Err(Error::malformed("too many files are wanted at once"));
        }
        let epoch = *self.epoch.borrow();
        let _ = wanted.send(Wanted {
            file,
            from,
            hash,
            epoch,
        });
        Ok(())
    }

    fn took(&mut self, bytes: u64, done: u64) -> Result<()> {
        if bytes < self.took || bytes > self.sent {
            return Err(Error::malformed("more was taken than sent"));
        }
        let rate = self.meter.count(Instant::now(), bytes - self.took);
        self.took = bytes;
        self.stall.over();
        self.run.progress.send_modify(|progress| {
            progress.stalled = false;
            progress.bytes = done.min(progress.total);
            progress.rate = rate.unwrap_or(progress.rate);
        });
        Ok(())
    }

    fn arrived(&mut self, file: u32) -> Result<()> {
        let hash = self.hashes.remove(&file);
        let hash = hash.ok_or_else(|| Error::malformed("a file arrived that was not sent"))?;
        self.finish_file(file, Ok(hash));
        self.run.progress.send_modify(|progress| {
            progress.files_done = progress.files_done.saturating_add(1);
        });
        Ok(())
    }

    fn finish_file(&mut self, file: u32, hash: Result<Hash>) {
        let Some(item) = self.source.items.get(file as usize) else {
            return;
        };
        let done = FileDone {
            file,
            name: shown(&item.entry.path.join("/")),
            path: item.path.clone(),
            size: item.entry.size,
            hash,
        };
        self.done.insert(file, done);
    }

    /// What was read goes to the peer.
    fn read(&mut self, output: Option<(u64, Output)>) -> Result<()> {
        let output = output.ok_or_else(|| Error::new(Code::Io, "the reader ended"))?;
        let (epoch, output) = output;
        if epoch != *self.epoch.borrow() {
            return Ok(());
        }
        let message = match output {
            Output::Begin { file, from } => {
                let item = self.source.items.get(file as usize);
                let name = item.map(|item| shown(&item.entry.path.join("/")));
                self.run.progress.send_modify(|progress| {
                    progress.file = name.unwrap_or_default();
                });
                Message::Begin { file, from }
            }
            Output::Block { index, hash, data } => {
                let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let block = Message::Block { index, size, hash };
                self.outbox.push_back(block.write());
                let mut rest = data;
                while !rest.is_empty() {
                    let piece = rest.split_to(rest.len().min(PIECE));
                    self.outbox.push_back(RTCDataChannelMessage::Binary(piece));
                }
                return Ok(());
            }
            Output::End { file, hash } => {
                self.asked = self.asked.saturating_sub(1);
                self.hashes.insert(file, hash);
                Message::End { hash }
            }
            Output::Failed { file, error } => {
                self.asked = self.asked.saturating_sub(1);
                let message = Message::failed(Some(file), &error);
                self.finish_file(file, Err(error));
                message
            }
        };
        self.outbox.push_back(message.write());
        Ok(())
    }
}

/// What a message takes of the window.
fn cost(message: &RTCDataChannelMessage) -> u64 {
    match message {
        RTCDataChannelMessage::Text(_) => 0,
        RTCDataChannelMessage::Binary(data) => data.len() as u64,
    }
}
