//! What waits to be told to the layer above.

use std::collections::VecDeque;

use super::model::EngineEvent;

/// Rare, so that an idle connection keeps no room for them.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<EngineEvent>,
}

impl Events {
    pub(crate) fn push(&mut self, event: EngineEvent) {
        self.queue.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<EngineEvent> {
        let event = self.queue.pop_front();
        if event.is_none() {
            self.queue = VecDeque::new();
        }
        event
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
