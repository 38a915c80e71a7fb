//! What a local track does that is fed by received ones, under its lock.

use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::fan::{Fan, FanBatch, Follower};
use super::forward_state::{Layers, MediaForwardStats, State};
use super::outlets::Outlets;
use crate::locks::{Rank, lock_at};
use crate::media::forward::{ForwardConditions, LayerSelector};
use crate::media::{Kind, RTCCodec};
use crate::queue::lock;
use crate::rtp::KeyframeRequest;

/// The state of a local track that is fed by received ones.
pub(super) struct Forwarding {
    kind: Kind,
    /// The first of the encodings, for who holds the lock of a connection.
    first: Mutex<Option<Arc<Fan>>>,
    state: Mutex<State>,
}

impl Forwarding {
    pub(super) fn new(kind: Kind) -> Self {
        // RFC 3550 section 5.1: both start at random; RFC 3711 section 3.3.1: the number in the
        // lower half.
        let number = (crate::random::u32() & 0x7fff) as u16;
        Self {
            kind,
            first: Mutex::default(),
            state: Mutex::new(State::new(number)),
        }
    }

    /// Is fed by these encodings of a source from now on, the first of them at first.
    pub(super) fn follow(&self, now: Instant, layers: Layers, own: &Weak<dyn Follower>) {
        *lock(&self.first) = layers.first().map(|(_, fan)| fan.clone());
        let (before, wanted) = {
            let mut state = lock_at(Rank::Forward, &self.state);
            let before = std::mem::replace(&mut state.layers, layers.clone());
            state.wanted = 0;
            state.select_at = None;
            state.waiting = true;
            (before, state.asks(now, self.kind))
        };
        for (_, fan) in &before {
            fan.leave(own);
        }
        for (_, fan) in &layers {
            fan.join(own.clone());
        }
        if let Some(fan) = wanted {
            fan.ask(KeyframeRequest::Pli);
        }
    }

    pub(super) fn pause(&self) {
        lock_at(Rank::Forward, &self.state).paused = true;
    }

    pub(super) fn resume(&self, now: Instant) {
        let wanted = {
            let mut state = lock_at(Rank::Forward, &self.state);
            state.paused = false;
            state.asks(now, self.kind)
        };
        if let Some(fan) = wanted {
            fan.ask(KeyframeRequest::Pli);
        }
    }

    pub(super) fn is_held_back(&self) -> bool {
        lock_at(Rank::Forward, &self.state).held_back
    }

    pub(super) fn is_paused(&self) -> bool {
        lock_at(Rank::Forward, &self.state).paused
    }

    pub(super) fn stats(&self) -> MediaForwardStats {
        lock_at(Rank::Forward, &self.state).stats
    }

    /// The codecs of the source; none without one.
    pub(super) fn codecs(&self) -> Vec<RTCCodec> {
        let first = lock(&self.first).clone();
        first.map(|fan| fan.codecs()).unwrap_or_default()
    }

    /// Chooses among the encodings by this from now on.
    pub(super) fn set_selector(&self, selector: Box<dyn LayerSelector>) {
        let mut state = lock_at(Rank::Forward, &self.state);
        state.selector = selector;
        state.select_at = None;
    }

    /// Says something of the receiver; what it gets is chosen anew.
    pub(super) fn tell(&self, f: impl FnOnce(&mut ForwardConditions)) {
        let mut state = lock_at(Rank::Forward, &self.state);
        f(&mut state.conditions);
        state.select_at = None;
    }

    /// What the encoding is called that goes out.
    pub(super) fn layer(&self) -> Option<String> {
        let state = lock_at(Rank::Forward, &self.state);
        state.layers.get(state.current_layer()?)?.0.clone()
    }

    /// A receiver needs a key frame: it gets one that has come already, if that is young, with the
    /// next packet. Under no lock.
    pub(super) fn ask(&self, now: Instant, request: KeyframeRequest) {
        let fan = {
            let mut state = lock_at(Rank::Forward, &self.state);
            if state.held_back {
                return;
            }
            let current = state.current_layer().filter(|_| !state.leaving);
            let layer = current.unwrap_or(state.wanted);
            let Some(fan) = state.layers.get(layer).map(|(_, fan)| fan.clone()) else {
                return;
            };
            if layer == state.wanted && state.may_begin_earlier(now, &fan) {
                state.waiting = true;
                return;
            }
            fan
        };
        fan.ask(request);
    }

    /// Chooses the encoding anew at once: the path does not carry what is sent. Under no lock.
    pub(super) fn spare_path(&self, now: Instant, outlets: &Outlets) {
        let wanted = {
            let mut state = lock_at(Rank::Forward, &self.state);
            state.select(now, outlets);
            state.waiting |= state.leaving;
            state.asks(now, self.kind)
        };
        if let Some(fan) = wanted {
            fan.ask(KeyframeRequest::Pli);
        }
    }

    /// Sends packets of a source on; true to have a key frame asked for.
    pub(super) fn feed(&self, batch: &FanBatch<'_>, outlets: &Outlets) -> bool {
        let mut state = lock_at(Rank::Forward, &self.state);
        state.placed.clear();
        if state.select_at.is_none_or(|at| at <= batch.now) {
            state.select(batch.now, outlets);
        }
        let asks = state.take(self.kind, batch);
        if asks && state.waiting && state.placed.is_empty() {
            if !state.is_taken(outlets) {
                return false;
            }
            if let Some((came, kept)) = batch.source.kept(batch.now) {
                return state.begin_earlier(self.kind, batch, (came, &kept), outlets);
            }
        }
        state.send(batch, outlets);
        asks
    }
}
