//! What a track of digits has instead of media: verbs on their way out, and events.

use std::sync::Mutex;

use super::command::Command;
use super::event::DTMFEvent;
use super::tone::{self, MAX_STEPS};
use crate::error::{Error, Result};
use crate::media::track::Outlets;
use crate::queue::{Queue, lock};

/// Three events for each tone of a full play buffer; when full the oldest is dropped.
const MAX_WAITING_EVENTS: usize = 3 * MAX_STEPS;

/// What a DTMF track has instead of media.
pub(crate) struct DtmfEnd {
    remote: bool,
    /// Where the tones are played.
    pub(crate) outlets: Outlets,
    /// What was asked for while the track was not sent anywhere.
    backlog: Mutex<Vec<Command>>,
    events: Queue<DTMFEvent>,
}

impl DtmfEnd {
    pub(super) fn new(remote: bool) -> Self {
        Self {
            remote,
            outlets: Outlets::default(),
            backlog: Mutex::default(),
            events: Queue::new(MAX_WAITING_EVENTS),
        }
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.remote
    }

    /// The next event; waits for it.
    pub(super) async fn next_event(&self) -> Option<DTMFEvent> {
        self.events.pop().await
    }

    pub(crate) fn emit(&self, event: DTMFEvent) {
        self.events.push(event);
    }

    pub(crate) fn close(&self) {
        self.events.close();
    }

    pub(super) fn command(&self, command: Command) -> Result<()> {
        let (mut served, mut closed) = (false, None);
        let result = self.outlets.for_each(|sink, key| {
            match sink.play_dtmf(key, &command) {
                // One connection of several may be over.
                Err(error @ Error::Closed(_)) => closed = Some(error),
                other => {
                    served = true;
                    return other;
                }
            }
            Ok(())
        });
        match closed {
            _ if served => result,
            Some(error) => Err(error),
            None => self.keep(command),
        }
    }

    fn keep(&self, command: Command) -> Result<()> {
        let mut backlog = lock(&self.backlog);
        if command == Command::Flush {
            backlog.clear();
            return Ok(());
        }
        let size = |command: &Command| match command {
            Command::Play(steps) => steps.len(),
            _ => 1,
        };
        let held: usize = backlog.iter().map(size).sum();
        if held.saturating_add(size(&command)) > MAX_STEPS {
            return Err(tone::buffer_full());
        }
        backlog.push(command);
        Ok(())
    }

    /// What was asked for before the track was sent anywhere.
    pub(crate) fn take_backlog(&self) -> Vec<Command> {
        std::mem::take(&mut lock(&self.backlog))
    }
}
