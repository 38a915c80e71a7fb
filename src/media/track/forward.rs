//! A local track that sends on what others receive.

use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::fan::{Fan, FanBatch, Follower};
use super::forward_state::{Layers, MediaForwardStats};
use super::forwarding::Forwarding;
use super::{End, MediaStreamTrack, Source};
use crate::error::{Error, Result};
use crate::media::forward::{ForwardConditions, LayerSelector};
use crate::media::{Kind, RTCCodec};
use crate::queue::lock;
use crate::rtp::{KeyframeRequest, RtpPacket};

/// A local track that is fed by a received one: [`MediaStreamTrack::forward`].
///
/// [`track`](Self::track) is added to a stream of the connection that is to have it, like any
/// other; one forward for each receiver, so that each is paused and fed by itself. Packets go on
/// as they are, neither decoded nor copied: SSRC, payload type, identifiers of header extensions,
/// `mid` and `rid` become those of the receiver's connection, and sequence numbers and timestamps
/// are one line without a break, whatever the sources do. What is reported to the receiver, what
/// is sent again for it, and redundancy are its own; a key frame that it asks for is asked of the
/// source, once a second for all who need it, until it comes.
///
/// The track goes on being fed when this is dropped, for as long as a connection sends it.
pub struct MediaForward {
    track: MediaStreamTrack,
    source: Mutex<MediaStreamTrack>,
}

impl MediaForward {
    /// The local track. It takes no media otherwise: `write_sample` and `write_rtp` are refused.
    pub fn track(&self) -> &MediaStreamTrack {
        &self.track
    }

    /// The received track that feeds it.
    pub fn source(&self) -> MediaStreamTrack {
        lock(&self.source).clone()
    }

    /// Is fed by another received track from now on, video from its next key frame, which is
    /// asked for.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a track of another kind or one that is not received,
    /// `UnsupportedCodec` when a connection that sends this has none of the track's codecs; then
    /// all stays as it was.
    pub fn set_source(&self, source: &MediaStreamTrack) -> Result<()> {
        let layers = source.layers(self.track.kind())?;
        let codecs = layers
            .first()
            .map(|(_, fan)| fan.codecs())
            .unwrap_or_default();
        if let End::Local(local) = &self.track.inner.end {
            local
                .outlets
                .for_each(|sink, key| sink.may_forward(key, &codecs))?;
        }
        *lock(&self.source) = source.clone();
        self.follow(layers);
        Ok(())
    }

    /// Sends nothing on, from now on.
    pub fn pause(&self) {
        if let Some(forwarding) = self.track.forwarding() {
            forwarding.pause();
        }
    }

    /// Goes on. Video does so with a key frame, which is asked for, if any packet came meanwhile;
    /// else with the next packet.
    pub fn resume(&self) {
        if let Some(forwarding) = self.track.forwarding() {
            forwarding.resume(Instant::now());
        }
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.track.forwarding().is_some_and(Forwarding::is_paused)
    }

    /// Whether nothing is sent on for now because the receiver's path does not carry it
    /// ([`LayerChoice::is_held_back`](crate::LayerChoice::is_held_back)).
    pub fn is_held_back(&self) -> bool {
        self.track
            .forwarding()
            .is_some_and(Forwarding::is_held_back)
    }

    /// The size in which the receiver shows the picture, in pixels; `None`: as large as there is.
    /// Of a source with several encodings the one that suits it is sent.
    pub fn set_tile(&self, tile: Option<(u16, u16)>) {
        self.tell(|conditions| conditions.tile = tile);
    }

    /// Bits a second that the receiver can have of this, where something estimates that; `None`:
    /// the losses that it reports decide.
    pub fn set_available_bitrate(&self, bitrate: Option<u64>) {
        self.tell(|conditions| conditions.bitrate = bitrate);
    }

    /// Chooses among the encodings of the source by this, instead of
    /// [`DefaultLayerSelector`](crate::DefaultLayerSelector). It
    /// must not call this forward back.
    pub fn set_selector(&self, selector: impl LayerSelector + 'static) {
        if let Some(forwarding) = self.track.forwarding() {
            forwarding.set_selector(Box::new(selector));
        }
    }

    /// What the encoding is called that is sent at present; `None` before, and for a source that
    /// has no name for it.
    pub fn layer(&self) -> Option<String> {
        self.track.forwarding()?.layer()
    }

    fn tell(&self, f: impl FnOnce(&mut ForwardConditions)) {
        if let Some(forwarding) = self.track.forwarding() {
            forwarding.tell(f);
        }
    }

    /// What became of the source's packets.
    pub fn stats(&self) -> MediaForwardStats {
        let forwarding = self.track.forwarding();
        forwarding.map(Forwarding::stats).unwrap_or_default()
    }

    fn follow(&self, layers: Layers) {
        if let End::Local(local) = &self.track.inner.end
            && let Some(forwarding) = &local.forward
        {
            let own: Weak<Source> = Arc::downgrade(local);
            let own: Weak<dyn Follower> = own;
            forwarding.follow(Instant::now(), layers, &own);
        }
    }
}

impl Follower for Source {
    fn feed(&self, batch: &FanBatch<'_>) -> bool {
        let forward = self.forward.as_ref();
        forward.is_some_and(|forward| forward.feed(batch, &self.outlets))
    }
}

impl MediaStreamTrack {
    /// A local track that sends on what this one receives: see [`MediaForward`].
    ///
    /// ```
    /// use ortc::{MediaStream, MediaStreamTrack, RTCConnection, Result};
    ///
    /// /// Sends a track that one connection receives to another.
    /// fn watch(received: &MediaStreamTrack, watcher: &RTCConnection) -> Result<()> {
    ///     let forward = received.forward()?;
    ///     let stream = MediaStream::new();
    ///     stream.add_track(forward.track());
    ///     watcher.add_stream(&stream)
    /// }
    /// ```
    ///
    /// While a received track is forwarded, packets wait for
    /// [`recv_rtp`](Self::recv_rtp) and [`recv_sample`](Self::recv_sample) only from their first
    /// call on; taps are served as before. Digits go on with the audio that they are in.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a track that is not received, or one of digits.
    pub fn forward(&self) -> Result<MediaForward> {
        let layers = self.layers(self.kind())?;
        let forward = MediaForward {
            track: Self::forwarded(self.kind()),
            source: Mutex::new(self.clone()),
        };
        forward.follow(layers);
        Ok(forward)
    }

    fn forwarded(kind: Kind) -> Self {
        let source = Source {
            forward: Some(Box::new(Forwarding::new(kind))),
            ..Source::default()
        };
        Self::local(kind, Arc::new(source))
    }

    /// Its encodings, for one who forwards it: that of the track itself first.
    fn layers(&self, kind: Kind) -> Result<Layers> {
        match &self.inner.end {
            End::Remote(remote, encodings) if self.kind() == kind => {
                let (own, others) = {
                    let encodings = lock(encodings);
                    (encodings.own.clone(), encodings.others.clone())
                };
                let others = others.into_iter();
                let others = others.filter_map(|(rid, track)| Some((Some(rid), track.own_fan()?)));
                Ok(std::iter::once((own, remote.fan().clone()))
                    .chain(others)
                    .collect())
            }
            End::Remote(..) => Err(Error::invalid_parameters(format!(
                "a track of kind {} cannot feed one of kind {kind}",
                self.kind()
            ))),
            End::Local(_) | End::Dtmf(_) => Err(Error::invalid_parameters(
                "only a received track of audio or video is forwarded",
            )),
        }
    }

    fn own_fan(&self) -> Option<Arc<Fan>> {
        match &self.inner.end {
            End::Remote(remote, _) => Some(remote.fan().clone()),
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    pub(super) fn forwarding(&self) -> Option<&Forwarding> {
        match &self.inner.end {
            End::Local(source) => source.forward.as_deref(),
            End::Remote(..) | End::Dtmf(_) => None,
        }
    }

    /// The codecs of what feeds it; `None` unless it is fed by a received track.
    pub(crate) fn fed_codecs(&self) -> Option<Vec<RTCCodec>> {
        self.forwarding().map(Forwarding::codecs)
    }

    pub(crate) fn is_fed(&self) -> bool {
        self.forwarding().is_some()
    }

    /// A receiver of a track that is fed needs a key frame. Under no lock.
    pub(crate) fn ask_feeder(&self, now: Instant) {
        if let Some(forwarding) = self.forwarding() {
            forwarding.ask(now, KeyframeRequest::Pli);
        }
    }

    /// The path to a receiver of a track that is fed does not carry it. Under no lock.
    pub(crate) fn spare_path(&self, now: Instant) {
        if let End::Local(local) = &self.inner.end
            && let Some(forwarding) = &local.forward
        {
            forwarding.spare_path(now, &local.outlets);
        }
    }

    /// The fan of a received track that somebody forwards.
    pub(crate) fn fan(&self) -> Option<&Fan> {
        match &self.inner.end {
            End::Remote(remote, _) => remote.active_fan(),
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    /// Hands a packet that came to those who forward the track, once the connection is unlocked.
    pub(crate) fn offer(&self, packet: &RtpPacket) {
        if let Some(fan) = self.fan() {
            match self.is_enabled() {
                true => fan.offer(packet),
                false => fan.passed_over(),
            }
        }
    }

    /// Under no lock: hands out what was offered.
    pub(crate) fn hand_out(&self, now: Instant) {
        if let Some(fan) = self.fan() {
            fan.hand_out(now);
        }
    }
}

impl std::fmt::Debug for MediaForward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaForward")
            .field("track", &self.track)
            .field("source", &self.source())
            .finish_non_exhaustive()
    }
}
