//! Whether what comes of a track can be shown: a picture begins with a key frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ortc::{Kind, MediaStreamTrack};
use tokio::runtime;

/// After this nobody waits for the key frame any longer.
const MOST: Duration = Duration::from_secs(30);

/// What is known of a received track while it is to take the place of another.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<State>);

#[derive(Default)]
struct State {
    watched: AtomicBool,
    begun: AtomicBool,
}

impl Begun {
    /// Has the first key frame asked for and waited for, from the first call on.
    pub(super) fn watch(&self, runtime: &runtime::Handle, track: &MediaStreamTrack) {
        if track.kind() != Kind::Video || self.0.watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(tap) = track.tap() else {
            // It has as many readers as may be.
            self.0.begun.store(true, Ordering::Relaxed);
            return;
        };
        let state = Arc::downgrade(&self.0);
        runtime.spawn(tokio::time::timeout(MOST, async move {
            while let Some(sample) = tap.recv_sample().await {
                let Some(state) = state.upgrade() else {
                    return;
                };
                if sample.keyframe != Some(false) {
                    state.begun.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }));
    }

    /// Whether a decoder could begin; what is no picture always can.
    pub(super) fn has(&self, kind: Kind) -> bool {
        kind != Kind::Video || self.0.begun.load(Ordering::Relaxed)
    }
}
