//! MediaStreamTrack: a source of encoded media to send, or media received from the peer.

mod earlier;
#[cfg(test)]
mod earlier_tests;
mod event;
mod fan;
pub(crate) mod forward;
pub(crate) mod forward_state;
mod forwarding;
mod kept;
mod loudness;
mod origin;
mod outlets;
mod pictures;
mod reader;
mod remote;
#[cfg(test)]
pub(crate) mod stage;
pub(crate) mod tap;
mod writing;

use std::sync::{Arc, Mutex, Weak};

pub use event::MediaStreamTrackEvent;
pub use origin::SenderClock;

pub(crate) use fan::SourceClock;
pub(crate) use origin::MediaOrigin;
pub(crate) use outlets::{Descriptor, ForwardedBatch, MediaSink, Outlets, Reception};

use self::forwarding::Forwarding;
use self::remote::RemoteEnd;
use super::{JitterStats, Kind, MAX_ENCODINGS, MediaSample, RTCCodec};
use crate::budget::Budget;
use crate::dtmf::{DTMFEvent, DtmfEnd};
use crate::queue::{Queue, lock};
use crate::rtp::{AudioLevel, KeyframeRequest, RtpPacket};

/// Events that wait for the application.
const MAX_WAITING_EVENTS: usize = 64;

// Rows A110 to A116.
/// A track of encoded audio or video. Cloning gives another handle to the same track.
///
/// A local track is made with [`audio`](Self::audio) or [`video`](Self::video), added to a
/// [`MediaStream`](crate::MediaStream) and fed with [`write_sample`](Self::write_sample) or
/// [`write_rtp`](Self::write_rtp). A remote track comes from
/// [`RTCConnection::receive_track`](crate::RTCConnection::receive_track) and is read with
/// [`recv_sample`](Self::recv_sample) or [`recv_rtp`](Self::recv_rtp).
#[derive(Clone)]
pub struct MediaStreamTrack {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    kind: Kind,
    end: End,
    /// Shared by the clones of a local track, as the source is.
    events: Arc<Queue<MediaStreamTrackEvent>>,
}

#[allow(clippy::large_enum_variant)] // Behind an Arc in any case.
enum End {
    Local(Arc<Source>),
    Remote(RemoteEnd, Mutex<RemoteEncodings>),
    /// Digits, local or remote; what clones share.
    Dtmf(Arc<DtmfEnd>),
}

// Row A110.
/// What clones of a local track share: one source, many outlets.
#[derive(Default)]
struct Source {
    outlets: Outlets,
    /// Further encodings of the same picture or sound, by RID.
    encodings: Mutex<Vec<(String, MediaStreamTrack)>>,
    /// Where received tracks are its source.
    forward: Option<Box<Forwarding>>,
}

/// The encodings of a received track, by name.
#[derive(Default)]
struct RemoteEncodings {
    own: Option<String>,
    others: Vec<(String, MediaStreamTrack)>,
}

impl MediaStreamTrack {
    /// A new local audio track.
    pub fn audio() -> Self {
        Self::local(Kind::Audio, Arc::default())
    }

    /// A new local video track.
    pub fn video() -> Self {
        Self::local(Kind::Video, Arc::default())
    }

    fn local(kind: Kind, source: Arc<Source>) -> Self {
        Self::with_end(kind, End::Local(source), new_events())
    }

    pub(crate) fn remote(
        kind: Kind,
        codecs: &[RTCCodec],
        audio_level_id: Option<u8>,
        origin: Weak<dyn MediaOrigin>,
        key: u32,
        budget: &Budget,
    ) -> Self {
        let remote = RemoteEnd::new(kind, codecs, audio_level_id, origin, key, budget);
        Self::with_end(kind, End::Remote(remote, Mutex::default()), new_events())
    }

    pub(crate) fn with_dtmf(end: Arc<DtmfEnd>) -> Self {
        Self::with_end(Kind::Dtmf, End::Dtmf(end), new_events())
    }

    pub(crate) fn dtmf_end(&self) -> Option<&DtmfEnd> {
        match &self.inner.end {
            End::Dtmf(end) => Some(end),
            _ => None,
        }
    }

    // Row B61.
    /// A local track with an identity that the application chose.
    pub(crate) fn named(kind: Kind, id: String) -> Self {
        Self::make(id, kind, End::Local(Arc::default()), new_events())
    }

    fn with_end(kind: Kind, end: End, events: Arc<Queue<MediaStreamTrackEvent>>) -> Self {
        Self::make(crate::random::id(), kind, end, events)
    }

    fn make(id: String, kind: Kind, end: End, events: Arc<Queue<MediaStreamTrackEvent>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                id,
                kind,
                end,
                events,
            }),
        }
    }

    // Rows A110, G32.
    /// Another track with the same source: what is written to one is sent by both, and both read
    /// one queue of key frame requests, since there is one encoder.
    pub(crate) fn clone_track(&self) -> Self {
        match &self.inner.end {
            End::Local(source) => Self::with_end(
                self.inner.kind,
                End::Local(source.clone()),
                self.inner.events.clone(),
            ),
            End::Dtmf(end) if !end.is_remote() => Self::with_dtmf(end.clone()),
            // A remote track has one queue: a clone is another handle to it.
            End::Remote(..) | End::Dtmf(_) => self.clone(),
        }
    }

    // Row G43.
    /// One encoding of the track, by its `rid`.
    ///
    /// On a local track it is made if need be: what is written to it is sent where the track's
    /// [`RTCTrack::set_encodings`](crate::RTCTrack::set_encodings) has that `rid`, and its events
    /// are the key frame requests for it. On a received track it is the encoding that the
    /// description names so; the first one is the track itself. `None` when there is none, or a
    /// 17th would be made.
    pub fn encoding(&self, rid: &str) -> Option<Self> {
        let find = |all: &[(String, Self)]| {
            let found = all.iter().find(|(known, _)| known == rid);
            found.map(|(_, track)| track.clone())
        };
        match &self.inner.end {
            End::Local(source) => {
                let mut encodings = lock(&source.encodings);
                if let Some(known) = find(&encodings) {
                    return Some(known);
                }
                if encodings.len() >= MAX_ENCODINGS {
                    return None;
                }
                let track = Self::local(self.inner.kind, Arc::default());
                encodings.push((rid.to_owned(), track.clone()));
                Some(track)
            }
            End::Remote(_, encodings) => {
                let encodings = lock(encodings);
                match &encodings.own {
                    Some(own) if own == rid => Some(self.clone()),
                    _ => find(&encodings.others),
                }
            }
            End::Dtmf(_) => None,
        }
    }

    pub(crate) fn set_remote_encodings(&self, own: Option<String>, others: Vec<(String, Self)>) {
        if let End::Remote(_, encodings) = &self.inner.end {
            *lock(encodings) = RemoteEncodings { own, others };
        }
    }

    /// The track's identity, unique and random.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Audio, video, or digits.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// Whether the track comes from the peer.
    pub fn is_remote(&self) -> bool {
        match &self.inner.end {
            End::Local(_) => false,
            End::Remote(..) => true,
            End::Dtmf(end) => end.is_remote(),
        }
    }

    /// The next RTP packet of a remote track in order of arrival, or `None` when the track has
    /// ended (its connection is closed, or it was removed). Use either this or
    /// [`recv_sample`](Self::recv_sample) on one track.
    ///
    /// Packets that carry earlier ones ([`RTCCodec::red`]) are taken apart: what is given are the
    /// packets inside as if they had come by themselves, none of them twice, and those that had
    /// been lost before the one that brought them, without header extensions.
    ///
    /// Cancel-safe. At most 2,048 packets wait; then the oldest are dropped and counted.
    pub async fn recv_rtp(&self) -> Option<RtpPacket> {
        match &self.inner.end {
            End::Remote(remote, _) => remote.recv_rtp().await,
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    /// The next whole frame of a remote track: packets put in order, depacketised. `None` when
    /// the track has ended.
    ///
    /// A frame that lost packets is never delivered; the next one's `lost_before` says so. While
    /// a decoder of video could not go on, because of that or since the stream began without one,
    /// a key frame is asked for: at once, then after pauses of 0.5 to 4 s. Cancel-safe.
    pub async fn recv_sample(&self) -> Option<MediaSample> {
        match &self.inner.end {
            End::Remote(remote, _) => remote.recv_sample().await,
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    /// Remote tracks: what its sender last said about its clock, to align tracks by; `None` before
    /// its first report, which comes within seconds.
    pub fn sender_clock(&self) -> Option<SenderClock> {
        match &self.inner.end {
            End::Remote(remote, _) => remote.sender_clock(),
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    /// Remote tracks of audio: how loud it was in the last tenth of a second or two, by what its
    /// packets say (RFC 6464), without anything being decoded; `None` while none says it, and
    /// while the track is not [enabled](Self::set_enabled).
    #[doc(alias = "getSynchronizationSources")]
    pub fn audio_level(&self) -> Option<AudioLevel> {
        match &self.inner.end {
            End::Remote(remote, _) => remote.audio_level(),
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    /// Remote tracks: asks the sender for a key frame (RTCP PLI, RFC 4585 section 6.3.1).
    pub fn request_keyframe(&self) {
        self.request(KeyframeRequest::Pli);
    }

    /// Like [`request_keyframe`](Self::request_keyframe), by RTCP FIR (RFC 5104 section 4.3.1):
    /// for a new viewer rather than after loss.
    pub fn request_full_intra(&self) {
        self.request(KeyframeRequest::Fir);
    }

    fn request(&self, request: KeyframeRequest) {
        if let End::Remote(remote, _) = &self.inner.end {
            remote.request(request);
        }
    }

    /// What happened to the track since the last call; waits for it. `None` when the track has
    /// ended. A local track does not end: its requests for key frames come from whichever
    /// connections send it, now or later. One that plays digits has none, `None` at once.
    ///
    /// Cancel-safe. At most 64 events wait; then the oldest is dropped.
    pub async fn next_event(&self) -> Option<MediaStreamTrackEvent> {
        match &self.inner.end {
            End::Dtmf(end) if !end.is_remote() => None,
            _ => self.inner.events.pop().await,
        }
    }

    pub(crate) fn emit(&self, event: MediaStreamTrackEvent) {
        self.inner.events.push(event);
    }

    pub(crate) fn emit_dtmf(&self, event: DTMFEvent) {
        if let Some(end) = self.dtmf_end() {
            end.emit(event);
        }
    }

    pub(crate) fn deliver(&self, packets: impl Iterator<Item = RtpPacket>) {
        if let End::Remote(remote, _) = &self.inner.end {
            remote.deliver(packets);
        }
    }

    /// Bytes that wait for the application.
    pub(crate) fn held(&self) -> usize {
        match &self.inner.end {
            End::Remote(remote, _) => remote.held(),
            End::Local(_) | End::Dtmf(_) => 0,
        }
    }

    /// Drops what waits longest, about so many bytes; says how many it were, and packets.
    pub(crate) fn shed(&self, bytes: usize) -> (usize, u64) {
        match &self.inner.end {
            End::Remote(remote, _) => remote.shed(bytes),
            End::Local(_) | End::Dtmf(_) => (0, 0),
        }
    }

    pub(crate) fn set_codecs(&self, codecs: &[RTCCodec]) {
        if let End::Remote(remote, _) = &self.inner.end {
            remote.set_codecs(codecs);
        }
    }

    /// Ends the track: what waits can still be read.
    pub(crate) fn end(&self) {
        self.inner.events.close();
        match &self.inner.end {
            End::Remote(remote, _) => remote.end(),
            End::Dtmf(end) => end.close(),
            End::Local(_) => {}
        }
    }

    /// Whether what comes is handed out; true for tracks that are not remote.
    pub fn is_enabled(&self) -> bool {
        match &self.inner.end {
            End::Remote(remote, _) => remote.is_enabled(),
            End::Local(_) | End::Dtmf(_) => true,
        }
    }

    /// Remote tracks: with `false`, nothing is handed out, neither what waits nor what comes, of
    /// its further encodings either; packets are counted
    /// ([`packets_passed_over`](Self::packets_passed_over)). With `true` it begins anew, video
    /// with a key frame, which is asked for.
    ///
    /// The sender goes on sending: only it can save the path. On a local track this does nothing:
    /// [`RTCTrack::stop`](crate::RTCTrack::stop) ends sending on one connection.
    #[doc(alias = "enabled")]
    pub fn set_enabled(&self, enabled: bool) {
        if let End::Remote(remote, encodings) = &self.inner.end {
            remote.set_enabled(enabled);
            let others = lock(encodings).others.clone();
            for (_, track) in others.iter().filter(|(_, track)| track != self) {
                track.set_enabled(enabled);
            }
        }
    }

    /// Packets that came while the track was not [enabled](Self::set_enabled), or waited then.
    pub fn packets_passed_over(&self) -> u64 {
        match &self.inner.end {
            End::Remote(remote, _) => remote.passed_over(),
            End::Local(_) | End::Dtmf(_) => 0,
        }
    }

    /// Packets that were dropped because the application did not read them.
    pub fn packets_dropped(&self) -> u64 {
        match &self.inner.end {
            End::Remote(remote, _) => remote.dropped(),
            End::Local(_) | End::Dtmf(_) => 0,
        }
    }

    /// What happened to the packets that `recv_sample` took; `None` while it took none.
    pub(crate) fn jitter_stats(&self) -> Option<JitterStats> {
        match &self.inner.end {
            End::Remote(remote, _) => Some(remote.jitter_stats()).filter(|s| s.received > 0),
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

fn new_events() -> Arc<Queue<MediaStreamTrackEvent>> {
    Arc::new(Queue::new(MAX_WAITING_EVENTS))
}

impl PartialEq for MediaStreamTrack {
    fn eq(&self, other: &Self) -> bool {
        self.same_as(other)
    }
}

impl Eq for MediaStreamTrack {}

impl std::fmt::Debug for MediaStreamTrack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaStreamTrack")
            .field("id", &self.inner.id)
            .field("kind", &self.inner.kind)
            .field("remote", &self.is_remote())
            .finish()
    }
}
