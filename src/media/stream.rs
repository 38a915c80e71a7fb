//! MediaStream: tracks that belong together.

use std::sync::{Arc, Mutex, Weak};

use super::track::MediaStreamTrack;
use crate::dtmf::DTMFMediaStreamTrack;
use crate::queue::{Queue, lock};

const MAX_WAITING_EVENTS: usize = 64;

/// What happens to a remote stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaStreamEvent {
    // Row A112.
    /// RTP of at least one of its tracks has been received.
    Connected,
    // Row A113.
    /// BYE or time-out for its last remaining track.
    Disconnected,
}

/// A group of tracks that belong together, e.g. a camera and its microphone. Cloning gives
/// another handle to the same stream.
#[derive(Clone)]
pub struct MediaStream {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    remote: bool,
    state: Mutex<State>,
    events: Queue<MediaStreamEvent>,
}

#[derive(Default)]
struct State {
    tracks: Vec<MediaStreamTrack>,
    watchers: Vec<Weak<dyn StreamWatcher>>,
}

// Row G44.
/// A connection that sends the stream, told of tracks that come and go.
pub(crate) trait StreamWatcher: Send + Sync {
    fn track_added(&self, stream: &MediaStream, track: &MediaStreamTrack);
    fn track_removed(&self, stream: &MediaStream, track: &MediaStreamTrack);
}

impl MediaStream {
    /// An empty stream with a random id.
    pub fn new() -> Self {
        Self::make(crate::random::id(), false)
    }

    /// A stream to send, with an identity that the application chose.
    pub(crate) fn named(id: String) -> Self {
        Self::make(id, false)
    }

    /// A stream that the peer named.
    pub(crate) fn remote(id: String) -> Self {
        Self::make(id, true)
    }

    fn make(id: String, remote: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                id,
                remote,
                state: Mutex::default(),
                events: Queue::new(MAX_WAITING_EVENTS),
            }),
        }
    }

    /// The stream's identity, the `msid` of its tracks.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Whether the stream comes from the peer.
    pub fn is_remote(&self) -> bool {
        self.inner.remote
    }

    /// Its tracks.
    pub fn tracks(&self) -> Vec<MediaStreamTrack> {
        lock(&self.inner.state).tracks.clone()
    }

    // Row A89.
    /// Those of its tracks that carry digits.
    pub fn dtmf_tracks(&self) -> Vec<DTMFMediaStreamTrack> {
        let tracks = self.tracks();
        tracks
            .iter()
            .filter_map(MediaStreamTrack::as_dtmf)
            .collect()
    }

    // Rows A110, A111, G32, G44.
    /// Adds a clone of the track and returns it: media written to either is sent, and one track may
    /// so be in several streams.
    ///
    /// Connections that already send this stream send the new track as well, with the stream's
    /// [`TrackStart`](crate::TrackStart). One that cannot, for a reason that
    /// [`add_stream`](crate::RTCConnection::add_stream) would give, warns in the log, and its
    /// [`track`](crate::RTCConnection::track) is `None`.
    #[doc(alias = "addTrack")]
    pub fn add_track(&self, track: &MediaStreamTrack) -> MediaStreamTrack {
        let clone = track.clone_track();
        self.insert(clone.clone());
        clone
    }

    pub(crate) fn insert(&self, track: MediaStreamTrack) {
        let watchers = {
            let mut state = lock(&self.inner.state);
            if state.tracks.iter().any(|known| known.same_as(&track)) {
                return;
            }
            state.tracks.push(track.clone());
            state.live_watchers()
        };
        for watcher in watchers {
            watcher.track_added(self, &track);
        }
    }

    // Row G44.
    /// Removes the track; connections that send the stream stop sending it.
    #[doc(alias = "removeTrack")]
    pub fn remove_track(&self, track: &MediaStreamTrack) {
        let watchers = {
            let mut state = lock(&self.inner.state);
            let before = state.tracks.len();
            state.tracks.retain(|known| !known.same_as(track));
            if before == state.tracks.len() {
                return;
            }
            state.live_watchers()
        };
        for watcher in watchers {
            watcher.track_removed(self, track);
        }
    }

    pub(crate) fn watch(&self, watcher: Weak<dyn StreamWatcher>) {
        let mut state = lock(&self.inner.state);
        // A connection that is gone keeps its memory as long as it is listed.
        state.watchers.retain(|known| known.strong_count() > 0);
        state.watchers.push(watcher);
    }

    pub(crate) fn unwatch(&self, watcher: &Weak<dyn StreamWatcher>) {
        lock(&self.inner.state)
            .watchers
            .retain(|known| !known.ptr_eq(watcher));
    }

    /// What happened to the stream since the last call; waits for it. `None` when the stream has
    /// ended, and at once on a stream of one's own, which has no such events. Cancel-safe. At most
    /// 64 events wait; then the oldest is dropped.
    pub async fn next_event(&self) -> Option<MediaStreamEvent> {
        match self.inner.remote {
            true => self.inner.events.pop().await,
            false => None,
        }
    }

    pub(crate) fn emit(&self, event: MediaStreamEvent) {
        self.inner.events.push(event);
    }

    pub(crate) fn end(&self) {
        self.inner.events.close();
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl State {
    fn live_watchers(&mut self) -> Vec<Arc<dyn StreamWatcher>> {
        self.watchers.retain(|watcher| watcher.strong_count() > 0);
        self.watchers.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Default for MediaStream {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for MediaStream {
    fn eq(&self, other: &Self) -> bool {
        self.same_as(other)
    }
}

impl Eq for MediaStream {}

impl std::fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaStream")
            .field("id", &self.inner.id)
            .field("tracks", &self.tracks().len())
            .finish()
    }
}
