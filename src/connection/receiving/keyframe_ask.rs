//! When a key frame is asked for that those who forward a track want: at once, then once a second
//! until it comes.

use std::time::{Duration, Instant};

use crate::media::{Depacketizer, RTCCodec};
use crate::rtp::{KeyframeRequest, RtpPacket};

/// A key frame is asked for again so long after the last time.
const REPEAT: Duration = Duration::from_secs(1);
/// So often while nothing comes: then there is nobody to ask.
const MAX_REPEATS: u8 = 10;
/// A key frame that is wanted of a track, or was.
#[derive(Debug, Default)]
pub(crate) struct KeyframeAsk {
    pub(super) wanted: Option<KeyframeRequest>,
    last: Option<Instant>,
    repeats: u8,
}

impl KeyframeAsk {
    /// Somebody wants one; true to ask now.
    pub(super) fn want(&mut self, now: Instant, request: KeyframeRequest) -> bool {
        if self.wanted.is_none() {
            self.repeats = 0;
        }
        self.wanted = Some(self.wanted.map_or(request, |known| known.max(request)));
        self.ask(now)
    }

    /// When to ask again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.wanted?;
        let last = self.last.filter(|_| self.repeats < MAX_REPEATS)?;
        last.checked_add(REPEAT)
    }

    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let soon = |last: Instant| now.saturating_duration_since(last) < REPEAT;
        if self.wanted.is_none() || self.last.is_some_and(soon) {
            return false;
        }
        self.last = Some(now);
        self.repeats = self.repeats.saturating_add(1);
        true
    }

    /// A packet came; it may be what is wanted.
    pub(super) fn arrived(&mut self, codecs: &[RTCCodec], packet: &RtpPacket) {
        if self.wanted.is_none() {
            return;
        }
        // The source lives: it is worth asking.
        self.repeats = 0;
        let mut codecs = codecs.iter();
        let codec = codecs.find(|codec| codec.payload_type == packet.payload_type);
        let format = codec.and_then(|codec| Depacketizer::for_codec(codec).ok());
        if format.is_some_and(|format| format.begins_keyframe(&packet.payload)) {
            self.wanted = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(tag: u8) -> RtpPacket {
        RtpPacket {
            payload_type: 97,
            payload: vec![0x10, tag, 0, 0].into(),
            ..RtpPacket::default()
        }
    }

    /// Of fifty who ask every 10 ms one request a second is made, until a key frame begins.
    #[test]
    fn r_c16_one_request_a_second_for_all_until_it_comes() {
        let codecs = [RTCCodec::vp8(97)];
        let start = Instant::now();
        let mut ask = KeyframeAsk::default();
        let mut asked = Vec::new();
        for n in 0..500u64 {
            let now = start + Duration::from_millis(n * 10);
            for _ in 0..50 {
                if ask.want(now, KeyframeRequest::Pli) {
                    asked.push(n * 10);
                }
            }
            ask.arrived(&codecs, &packet(1));
        }
        assert_eq!(asked, [0, 1_000, 2_000, 3_000, 4_000]);
        ask.arrived(&codecs, &packet(0));
        assert_eq!((ask.wanted, ask.due()), (None, None));
    }

    /// A request may be lost, and so may what answers it; a source that is silent is let be.
    #[test]
    fn it_is_asked_for_again_though_nobody_asks_again() {
        let start = Instant::now();
        let mut ask = KeyframeAsk::default();
        assert!(ask.want(start, KeyframeRequest::Fir));
        let mut asked = Vec::new();
        for n in 1..60_000u64 {
            let now = start + Duration::from_millis(n);
            if ask.due().is_some_and(|due| due <= now) && ask.ask(now) {
                asked.push(n);
            }
        }
        let expected: Vec<u64> = (1..10).map(|n| n * 1_000).collect();
        assert_eq!(asked, expected);
        // It lives, and is asked again.
        ask.arrived(&[RTCCodec::vp8(97)], &packet(1));
        assert!(ask.due().is_some() && ask.wanted == Some(KeyframeRequest::Fir));
    }
}
