//! Media into a local track, for the connections that send it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::outlets::{MediaSink, Outlets, Owner};
use super::{End, Inner, MediaStreamTrack};
use crate::error::{Error, Result};
use crate::rtp::{AudioLevel, RtpPacket};

impl MediaStreamTrack {
    /// Sends one encoded frame on every connection that sends this track.
    ///
    /// `duration` is how long the frame lasts; it advances the RTP timestamp. The frame is
    /// packetised for the codec in use there: an access unit in Annex B form for H264, one frame
    /// for VP8, one packet for opus, any number of samples for PCMA and PCMU. Before a connection
    /// is connected, while its [`RTCTrack`](crate::RTCTrack) is stopped, and once it is closed, the
    /// frame is not sent there; that is no error, since media of that moment is of no use later,
    /// and a track without a connection today may have one tomorrow.
    /// [`RTCConnection::closed`](crate::RTCConnection::closed) tells when to stop encoding.
    ///
    /// # Errors
    ///
    /// `InvalidState` on a remote track and on one that is fed by a remote one; `InvalidParameters` when the frame is not valid for the
    /// codec. With several connections the first error is returned after all have been served.
    pub fn write_sample(&self, data: impl Into<Bytes>, duration: Duration) -> Result<()> {
        let data = data.into();
        self.for_each_sink(|sink, key| sink.write_sample(key, &data, duration, None))
    }

    /// Like [`write_sample`](Self::write_sample), and says how loud the audio is; it goes out where
    /// the connection has the audio level header extension (RFC 6464).
    ///
    /// # Errors
    ///
    /// As [`write_sample`](Self::write_sample).
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
            End::Local(source) if source.forward.is_some() => {
                Err(Error::invalid_state("the track is fed by a received one"))
            }
            End::Local(source) => source.outlets.for_each(f),
            End::Remote(..) => Err(Error::invalid_state(
                "media is written to local tracks only; this one comes from the peer",
            )),
            End::Dtmf(_) => Err(Error::invalid_state(
                "a track of digits takes no media; play digits on it",
            )),
        }
    }

    fn outlets(&self) -> Option<&Outlets> {
        match &self.inner.end {
            End::Local(source) => Some(&source.outlets),
            End::Dtmf(end) => Some(&end.outlets),
            End::Remote(..) => None,
        }
    }

    pub(crate) fn attach(&self, sink: Weak<dyn MediaSink>, key: u32) {
        let Some(outlets) = self.outlets() else {
            return;
        };
        outlets.add(sink.clone(), key, self.owner(), || {
            if let Some(end) = self.dtmf_end()
                && let Some(sink) = sink.upgrade()
            {
                for command in end.take_backlog() {
                    // A closed connection plays nothing; a new player has room for the backlog.
                    let _ = sink.play_dtmf(key, &command);
                }
            }
        });
    }

    pub(crate) fn detach(&self, sink: &Weak<dyn MediaSink>, key: u32) {
        if let Some(outlets) = self.outlets() {
            outlets.remove(sink, key, &self.owner());
        }
    }

    fn owner(&self) -> Owner {
        let inner: Weak<Inner> = Arc::downgrade(&self.inner);
        inner
    }
}
