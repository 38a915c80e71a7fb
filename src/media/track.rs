//! MediaStreamTrack: a source of encoded media to send, or media received from the peer.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::description::MAX_ENCODINGS;
use super::{JitterBuffer, JitterConfig, JitterStats, Kind, MediaSample, RTCCodec};
use crate::budget::Budget;
use crate::dtmf::{Command, DTMFEvent, DtmfEnd};
use crate::error::{Error, Result};
use crate::locks::{Rank, lock_at};
use crate::queue::{Queue, lock};
use crate::rtp::{AudioLevel, KeyframeRequest, RtpPacket};

/// Packets of a remote track that wait for the application; when full the oldest is dropped and
/// counted.
const MAX_WAITING_PACKETS: usize = 2048;
/// Longer than any wait of a jitter buffer.
const AFTER_THE_END: Duration = Duration::from_secs(60);
/// Events that wait for the application.
const MAX_WAITING_EVENTS: usize = 64;

/// What happens to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaStreamTrackEvent {
    /// Remote tracks: RTP of this track has been received (draft `connected`, row A114).
    Connected,
    /// Remote tracks: the peer said BYE, or nothing was heard for the source time-out (draft
    /// `disconnected`, row A116).
    Disconnected,
    /// Local tracks: a receiver asks for a key frame (PLI or FIR, at most one a second); encode
    /// one soon.
    KeyframeRequested,
}

/// A track of encoded audio or video (rows A110 to A116). Cloning gives another handle to the
/// same track.
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
    Remote(Remote),
    /// Digits, local or remote; what clones share.
    Dtmf(Arc<DtmfEnd>),
}

/// What clones of a local track share (row A110): one source, many outlets.
#[derive(Default)]
pub(crate) struct Source {
    outlets: Mutex<Vec<Outlet>>,
    /// Further encodings of the same picture or sound, by RID.
    encodings: Mutex<Vec<(String, MediaStreamTrack)>>,
}

/// Where a connection takes media of a track; held weakly, a track never keeps a connection alive.
struct Outlet {
    sink: Weak<dyn MediaSink>,
    key: u32,
    /// The clone of the track that this outlet sends.
    track: Weak<Inner>,
}

/// A connection as its tracks see it.
pub(crate) trait MediaSink: Send + Sync {
    fn write_sample(
        &self,
        key: u32,
        data: &Bytes,
        duration: Duration,
        level: Option<AudioLevel>,
    ) -> Result<()>;
    fn write_rtp(&self, key: u32, packet: &RtpPacket) -> Result<()>;
    fn play_dtmf(&self, key: u32, command: &Command) -> Result<()>;
}

/// A connection as its remote tracks see it.
pub(crate) trait MediaOrigin: Send + Sync {
    fn request_keyframe(&self, key: u32, request: KeyframeRequest);
    /// More waits for the application than may.
    fn over_budget(&self);
}

struct Remote {
    packets: Queue<RtpPacket>,
    jitter: Mutex<Reordering>,
    origin: Weak<dyn MediaOrigin>,
    key: u32,
    encodings: Mutex<RemoteEncodings>,
}

/// The jitter buffer, and what of it is counted.
struct Reordering {
    buffer: JitterBuffer,
    counted: usize,
    /// Until the track has ended.
    budget: Option<Budget>,
}

impl Reordering {
    /// Counts what is held now; true when that has become more than the budget allows.
    fn count(&mut self) -> bool {
        let Some(budget) = &self.budget else {
            return false;
        };
        let (before, held) = (self.counted, self.buffer.held());
        budget.packets_changed(before, held);
        self.counted = held;
        held > before && budget.excess(0) > 0
    }

    fn end(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.packets_changed(self.counted, 0);
            self.counted = 0;
        }
    }
}

impl Drop for Reordering {
    fn drop(&mut self) {
        self.end();
    }
}

/// The encodings of a received track, by name.
#[derive(Default)]
struct RemoteEncodings {
    own: Option<String>,
    others: Vec<(String, MediaStreamTrack)>,
}

impl Source {
    /// Calls `f` for each connection that sends the track; the first error, after all are served.
    pub(crate) fn for_each_sink(
        &self,
        mut f: impl FnMut(&dyn MediaSink, u32) -> Result<()>,
    ) -> Result<()> {
        let mut outlets = lock_at(Rank::Outlets, &self.outlets);
        let mut result = Ok(());
        outlets.retain(|outlet| match outlet.sink.upgrade() {
            Some(sink) => {
                let written = f(sink.as_ref(), outlet.key);
                if result.is_ok() {
                    result = written;
                }
                true
            }
            None => false,
        });
        result
    }
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
        let config = JitterConfig {
            audio_level_id,
            ..JitterConfig::for_kind(kind)
        };
        Self::with_end(
            kind,
            End::Remote(Remote {
                packets: Queue::weighed(MAX_WAITING_PACKETS, budget.clone(), RtpPacket::held),
                jitter: Mutex::new(Reordering {
                    buffer: JitterBuffer::new(codecs, config),
                    counted: 0,
                    budget: Some(budget.clone()),
                }),
                origin,
                key,
                encodings: Mutex::default(),
            }),
            new_events(),
        )
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

    /// A local track with an identity that the application chose (row B61).
    pub(crate) fn named(kind: Kind, id: String) -> Self {
        Self::make(id, kind, End::Local(Arc::default()), new_events())
    }

    fn with_end(kind: Kind, end: End, events: Arc<Queue<MediaStreamTrackEvent>>) -> Self {
        Self::make(super::random_id(), kind, end, events)
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

    /// Another track with the same source (row A110, G32): what is written to one is sent by both,
    /// and both read one queue of key frame requests, since there is one encoder.
    pub(crate) fn clone_track(&self) -> Self {
        match &self.inner.end {
            End::Local(source) => Self::with_end(
                self.inner.kind,
                End::Local(source.clone()),
                self.inner.events.clone(),
            ),
            End::Dtmf(end) if !end.is_remote() => Self::with_dtmf(end.clone()),
            // A remote track has one queue: a clone is another handle to it.
            End::Remote(_) | End::Dtmf(_) => self.clone(),
        }
    }

    /// One encoding of the track (row G43), by its `rid`.
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
            End::Remote(remote) => {
                let encodings = lock(&remote.encodings);
                match &encodings.own {
                    Some(own) if own == rid => Some(self.clone()),
                    _ => find(&encodings.others),
                }
            }
            End::Dtmf(_) => None,
        }
    }

    pub(crate) fn set_remote_encodings(&self, own: Option<String>, others: Vec<(String, Self)>) {
        if let End::Remote(remote) = &self.inner.end {
            *lock(&remote.encodings) = RemoteEncodings { own, others };
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
            End::Remote(_) => true,
            End::Dtmf(end) => end.is_remote(),
        }
    }

    /// Sends one encoded frame on every connection that sends this track.
    ///
    /// `duration` is how long the frame lasts; it advances the RTP timestamp. The frame is
    /// packetised for the codec in use there: an access unit in Annex B form for H264, one frame
    /// for VP8, one packet for opus, any number of samples for PCMA and PCMU. Before a connection
    /// is connected, and while its [`RTCTrack`](crate::RTCTrack) is stopped, the frame is not
    /// sent there; that is no error, since media of that moment is of no use later.
    ///
    /// # Errors
    ///
    /// `InvalidState` on a remote track; `InvalidParameters` when the frame is not valid for the
    /// codec. With several connections the first error is returned after all have been served.
    pub fn write_sample(&self, data: impl Into<Bytes>, duration: Duration) -> Result<()> {
        let data = data.into();
        self.for_each_sink(|sink, key| sink.write_sample(key, &data, duration, None))
    }

    /// Like [`write_sample`](Self::write_sample), and says how loud the audio is; it goes out where
    /// the connection has the audio level header extension (RFC 6464).
    pub fn write_audio(
        &self,
        data: impl Into<Bytes>,
        duration: Duration,
        level: AudioLevel,
    ) -> Result<()> {
        let data = data.into();
        self.for_each_sink(|sink, key| sink.write_sample(key, &data, duration, Some(level)))
    }

    /// Sends one RTP packet on every connection that sends this track.
    ///
    /// Marker, sequence number, timestamp, contributing sources and payload are kept; SSRC and
    /// payload type become those of the connection's [`RTCTrack`](crate::RTCTrack), and the
    /// packet's header extensions give way to those of the connection. A relay may thus forward
    /// what it receives. Do not mix with `write_sample` on one track.
    ///
    /// # Errors
    ///
    /// `InvalidState` on a remote track; `InvalidParameters` when the packet is larger than a
    /// datagram may be (1,200 bytes of payload).
    pub fn write_rtp(&self, packet: &RtpPacket) -> Result<()> {
        self.for_each_sink(|sink, key| sink.write_rtp(key, packet))
    }

    fn for_each_sink(&self, f: impl Fn(&dyn MediaSink, u32) -> Result<()>) -> Result<()> {
        match &self.inner.end {
            End::Local(source) => source.for_each_sink(f),
            End::Remote(_) => Err(Error::invalid_state(
                "media is written to local tracks only; this one comes from the peer",
            )),
            End::Dtmf(_) => Err(Error::invalid_state(
                "a track of digits takes no media; play digits on it",
            )),
        }
    }

    fn source(&self) -> Option<&Source> {
        match &self.inner.end {
            End::Local(source) => Some(source),
            End::Dtmf(end) => Some(&end.source),
            End::Remote(_) => None,
        }
    }

    pub(crate) fn attach(&self, sink: Weak<dyn MediaSink>, key: u32) {
        let Some(source) = self.source() else {
            return;
        };
        let mut outlets = lock_at(Rank::Outlets, &source.outlets);
        // A connection that is gone keeps its memory as long as it is listed.
        outlets.retain(|outlet| outlet.sink.strong_count() > 0);
        outlets.push(Outlet {
            sink: sink.clone(),
            key,
            track: Arc::downgrade(&self.inner),
        });
        if let Some(end) = self.dtmf_end()
            && let Some(sink) = sink.upgrade()
        {
            for command in end.take_backlog() {
                // A closed connection plays nothing; a new player has room for the backlog.
                let _ = sink.play_dtmf(key, &command);
            }
        }
    }

    pub(crate) fn detach(&self, sink: &Weak<dyn MediaSink>, key: u32) {
        if let Some(source) = self.source() {
            let own = Arc::downgrade(&self.inner);
            lock_at(Rank::Outlets, &source.outlets).retain(|outlet| {
                !(outlet.key == key && outlet.sink.ptr_eq(sink) && outlet.track.ptr_eq(&own))
            });
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
            End::Remote(remote) => loop {
                let packet = remote.packets.pop().await?;
                // Padding, or the packet of a digit: there for its sequence number alone.
                if !packet.payload.is_empty() {
                    return Some(packet);
                }
            },
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
        let End::Remote(remote) = &self.inner.end else {
            return None;
        };
        loop {
            let (sample, deadline, wants_keyframe) = {
                let mut jitter = lock(&remote.jitter);
                let now = std::time::Instant::now();
                let sample = loop {
                    if let Some(sample) = jitter.buffer.pop(now) {
                        break Some(sample);
                    }
                    match remote.packets.try_pop() {
                        Some(packet) => jitter.buffer.push(now, packet),
                        None => break None,
                    }
                };
                if jitter.count()
                    && let Some(origin) = remote.origin.upgrade()
                {
                    origin.over_budget();
                }
                if sample.is_none() && remote.packets.is_closed() {
                    // Nothing more comes: what is missing is lost.
                    return jitter.buffer.pop(now + AFTER_THE_END);
                }
                let buffer = &mut jitter.buffer;
                (sample, buffer.poll_timeout(), buffer.wants_keyframe(now))
            };
            // The connection locks itself, and must not wait for the buffer.
            if wants_keyframe {
                self.request_keyframe();
            }
            if sample.is_some() {
                return sample;
            }
            let arrival = remote.packets.pop();
            let packet = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline.into(), arrival)
                    .await
                    .unwrap_or_default(),
                None => arrival.await,
            };
            if let Some(packet) = packet {
                let mut jitter = lock(&remote.jitter);
                jitter.buffer.push(std::time::Instant::now(), packet);
                jitter.count();
            }
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
        if let End::Remote(remote) = &self.inner.end
            && let Some(origin) = remote.origin.upgrade()
        {
            origin.request_keyframe(remote.key, request);
        }
    }

    /// What happened to the track since the last call; waits for it. `None` when the track has
    /// ended. Cancel-safe. At most 64 events wait; then the oldest is dropped.
    pub async fn next_event(&self) -> Option<MediaStreamTrackEvent> {
        self.inner.events.pop().await
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
        if let End::Remote(remote) = &self.inner.end {
            remote.packets.extend(packets);
        }
    }

    /// Bytes that wait for the application.
    pub(crate) fn held(&self) -> usize {
        match &self.inner.end {
            End::Remote(remote) => {
                let reordering = lock(&remote.jitter).counted;
                remote.packets.weight().saturating_add(reordering)
            }
            End::Local(_) | End::Dtmf(_) => 0,
        }
    }

    /// Drops what waits longest, about so many bytes; says how many it were, and packets.
    pub(crate) fn shed(&self, bytes: usize) -> (usize, u64) {
        let End::Remote(remote) = &self.inner.end else {
            return (0, 0);
        };
        let (mut gone, mut packets) = remote.packets.shed(bytes);
        if gone < bytes {
            let mut jitter = lock(&remote.jitter);
            let before = jitter.counted;
            let overflow = jitter.buffer.stats().overflow;
            jitter.buffer.shed();
            jitter.count();
            gone = gone.saturating_add(before.saturating_sub(jitter.counted));
            packets += jitter.buffer.stats().overflow.saturating_sub(overflow);
        }
        (gone, packets)
    }

    pub(crate) fn set_codecs(&self, codecs: &[RTCCodec]) {
        if let End::Remote(remote) = &self.inner.end {
            lock(&remote.jitter).buffer.set_codecs(codecs);
        }
    }

    /// Ends the track: what waits can still be read.
    pub(crate) fn end(&self) {
        self.inner.events.close();
        match &self.inner.end {
            End::Remote(remote) => {
                remote.packets.close();
                lock(&remote.jitter).end();
            }
            End::Dtmf(end) => end.close(),
            End::Local(_) => {}
        }
    }

    /// Packets that were dropped because the application did not read them.
    pub fn packets_dropped(&self) -> u64 {
        match &self.inner.end {
            End::Remote(remote) => remote.packets.dropped(),
            End::Local(_) | End::Dtmf(_) => 0,
        }
    }

    /// What happened to the packets that `recv_sample` took; `None` while it took none.
    pub(crate) fn jitter_stats(&self) -> Option<JitterStats> {
        match &self.inner.end {
            End::Remote(remote) => {
                Some(lock(&remote.jitter).buffer.stats()).filter(|s| s.received > 0)
            }
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
