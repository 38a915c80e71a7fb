//! Tells of a session's transfers while they go on.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::event::Event;
use super::file_event::{FileEvent, FileStep};
use super::state::Shared;
use crate::files::{Transfer, TransferState};
use crate::signalling::{RoomName, UserId};

/// Between two events that tell how far a transfer is.
const SPAN: Duration = Duration::from_millis(250);

impl Shared {
    /// Has the events of a transfer told.
    pub(super) fn follow(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        outgoing: bool,
        transfer: &Transfer,
    ) {
        let told = Told {
            shared: Arc::downgrade(self),
            event: FileEvent {
                room: room.clone(),
                userid: peer.clone(),
                transfer: transfer.id().clone(),
                outgoing,
                step: FileStep::Paused,
            },
        };
        self.runtime.spawn(follow(told, transfer.clone()));
    }
}

struct Told {
    shared: Weak<Shared>,
    event: FileEvent,
}

impl Told {
    fn tell(&self, step: FileStep) {
        if let Some(shared) = self.shared.upgrade() {
            let event = self.event.clone();
            shared.event(Event::File(FileEvent { step, ..event }));
        }
    }
}

async fn follow(told: Told, mut transfer: Transfer) {
    let mut state = TransferState::Offered;
    let (mut stalled, mut unkept) = (false, false);
    let mut next = Instant::now();
    while let Some(progress) = transfer.progressed().await {
        let (before, now) = (state, progress.state);
        state = now;
        if progress.stalled && !std::mem::replace(&mut stalled, progress.stalled) {
            told.tell(FileStep::Stalled);
        }
        stalled = progress.stalled;
        if let Some(error) = progress.unkept.as_ref().filter(|_| !unkept) {
            unkept = true;
            told.tell(FileStep::Unkept(error.clone()));
        }
        match (before, now) {
            (_, TransferState::Done | TransferState::Failed) => break,
            (TransferState::Offered, TransferState::Running) => {
                told.tell(FileStep::Started(progress));
            }
            (TransferState::Paused | TransferState::Waiting, TransferState::Running) => {
                told.tell(FileStep::Resumed(progress));
            }
            (TransferState::Running, TransferState::Running) if next <= Instant::now() => {
                next = Instant::now() + SPAN;
                told.tell(FileStep::Progress(progress));
            }
            (_, TransferState::Paused) if before != now => told.tell(FileStep::Paused),
            (_, TransferState::Waiting) if before != now => told.tell(FileStep::Interrupted),
            // A transfer is offered again after a loss: that it runs is what counts.
            (TransferState::Waiting, TransferState::Offered) => state = before,
            _ => {}
        }
    }
    told.tell(match transfer.finished().await {
        Ok(files) => FileStep::Done(files),
        Err(error) => FileStep::Failed(error),
    });
}
