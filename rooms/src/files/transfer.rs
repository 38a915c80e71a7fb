//! A transfer as the application has it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::error::{Code, Error, Result};
use super::hash::Hash;
use super::id::TransferId;
use super::message::Message;
use super::progress::{Progress, TransferState};

/// What the application wants of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Pause(bool),
    Cancel,
    Stop,
    /// Whom it is passed on to wants no more; what is there stays.
    Leave(Code),
    /// The peer is back before the loss was seen.
    Interrupt,
}

/// A file that went or came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileDone {
    /// Its place in the offer.
    pub file: u32,
    /// The name that it was offered under, its components joined by `/`; safe to show.
    pub name: String,
    /// Where it is: the receiver's file, or the sender's.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// The hash of all of it; why it did not arrive, if it did not.
    pub hash: Result<Hash>,
}

/// A transfer that goes on by itself; it does not end with its handles.
#[derive(Debug, Clone)]
pub struct Transfer {
    id: TransferId,
    controls: mpsc::UnboundedSender<Control>,
    progress: watch::Receiver<Progress>,
    end: watch::Receiver<Option<Result<Vec<FileDone>>>>,
}

/// The other end of a transfer's handles; outlives the channels.
pub(super) struct Run {
    pub(super) controls: mpsc::UnboundedReceiver<Control>,
    pub(super) progress: watch::Sender<Progress>,
    /// The application has paused it.
    pub(super) paused: bool,
    /// The application does not want it to go on.
    pub(super) stopped: bool,
    /// For others that control it.
    pub(super) handle: mpsc::UnboundedSender<Control>,
}

impl Run {
    /// The next wish of the application; for ever, once nobody can have one.
    pub(super) async fn control(&mut self) -> Control {
        match self.controls.recv().await {
            Some(control) => control,
            None => std::future::pending().await,
        }
    }

    /// Does what the application wants: what the other side is to be told of it. `here`: this side
    /// has paused it.
    ///
    /// # Errors
    ///
    /// What it ends with.
    pub(super) fn obey(&mut self, control: Control, here: &mut bool) -> Result<Option<Message>> {
        match control {
            Control::Cancel => Err(Error::new(Code::Cancelled, "cancelled")),
            Control::Stop => {
                self.stopped = true;
                Err(Error::lost())
            }
            Control::Interrupt => Err(Error::lost()),
            Control::Leave(code) => Err(Error::left(code)),
            Control::Pause(on) => {
                self.paused = on;
                let changed = std::mem::replace(here, on) != on;
                Ok(changed.then_some(Message::Pause { on }))
            }
        }
    }

    /// Waits, after a loss, for what the next attempt is made with.
    ///
    /// # Errors
    ///
    /// `Lost` if nothing comes in time, or the application wants no more; `Cancelled`.
    pub(super) async fn again<T>(
        &mut self,
        next: impl Future<Output = Option<T>>,
        patience: Duration,
    ) -> Result<T> {
        if self.stopped {
            return Err(Error::lost());
        }
        self.progress.send_modify(|progress| {
            progress.state = TransferState::Waiting;
            progress.rate = 0.0;
            (progress.kept, progress.files_done) = (0, 0);
        });
        let end = tokio::time::Instant::now() + patience;
        tokio::pin!(next);
        loop {
            tokio::select! {
                biased;
                control = self.control() => match control {
                    Control::Cancel => return Err(Error::new(Code::Cancelled, "cancelled")),
                    Control::Stop => return Err(Error::lost()),
                    Control::Pause(on) => self.paused = on,
                    Control::Leave(code) => return Err(Error::left(code)),
                    Control::Interrupt => {}
                },
                next = &mut next => return next.ok_or_else(Error::lost),
                () = tokio::time::sleep_until(end) => return Err(Error::lost()),
            }
        }
    }
}

impl Transfer {
    /// Has `run` do it in a task of its own.
    pub(super) fn spawn<F>(id: TransferId, progress: Progress, run: impl FnOnce(Run) -> F) -> Self
    where
        F: Future<Output = Result<Vec<FileDone>>> + Send + 'static,
    {
        let (controls, wishes) = mpsc::unbounded_channel();
        let (shown, progress) = watch::channel(progress);
        let (ended, end) = watch::channel(None);
        let running = run(Run {
            controls: wishes,
            progress: shown.clone(),
            paused: false,
            stopped: false,
            handle: controls.clone(),
        });
        tokio::spawn(async move {
            let outcome = running.await;
            let state = match &outcome {
                Ok(_) => TransferState::Done,
                Err(_) => TransferState::Failed,
            };
            ended.send_replace(Some(outcome));
            shown.send_modify(|progress| progress.state = state);
        });
        Self {
            id,
            controls,
            progress,
            end,
        }
    }

    /// Its name, the same at both ends.
    pub fn id(&self) -> &TransferId {
        &self.id
    }

    /// Sends or receives no more bytes for now; what is on its way still arrives.
    pub fn pause(&self) {
        let _ = self.controls.send(Control::Pause(true));
    }

    /// Goes on, unless the other side has paused it as well.
    pub fn resume(&self) {
        let _ = self.controls.send(Control::Pause(false));
    }

    /// Ends it at both sides. What is not complete is thrown away.
    pub fn cancel(&self) {
        let _ = self.controls.send(Control::Cancel);
    }

    /// Ends it as if the connection were lost: what came is kept, and gone on with when the same
    /// source is offered again. What is on its way to the disk still gets there.
    pub fn stop(&self) {
        let _ = self.controls.send(Control::Stop);
    }

    /// Ends it at both sides as whom it is passed on to has; what came stays.
    pub(crate) fn leave(&self, code: Code) {
        let _ = self.controls.send(Control::Leave(code));
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until it is further, and tells how far; `None` once it is over. Cancel-safe.
    pub async fn progressed(&mut self) -> Option<Progress> {
        self.progress.changed().await.ok()?;
        Some(self.progress.borrow_and_update().clone())
    }

    /// Waits for its end: the files, in the order of the offer. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Why it ended; after `Lost` the same source can be offered again, and goes on.
    pub async fn finished(&self) -> Result<Vec<FileDone>> {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Error::lost())),
            // The runtime is going down.
            Err(_) => Err(Error::lost()),
        }
    }
}
