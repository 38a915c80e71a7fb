//! What a sending track keeps for digits: who plays them, their codecs, and room among the sequence
//! numbers of packets that are relayed.

use crate::dtmf::Player;
use crate::media::track::MediaStreamTrack;
use crate::media::{CodecId, Kind, RTCCodec};

/// The payload types that others use most for digits come first, then all dynamic ones.
const PREFERRED: [u8; 3] = [101, 110, 126];

/// The digits of one audio track.
pub(crate) struct SendingDtmf {
    pub(crate) key: u32,
    pub(crate) source: MediaStreamTrack,
    pub(super) player: Player,
}

/// How the sequence numbers of relayed packets make room for those of digits.
#[derive(Default)]
pub(super) struct Relay {
    /// Sequence number of the newest relayed packet, as it came.
    newest: Option<u16>,
    shift: u16,
    /// `newest` when `shift` last changed: what comes later than it but is older has no number
    /// of its own any more.
    shifted_after: Option<u16>,
    digits_first: bool,
}

impl Relay {
    /// A digit takes a number.
    pub(super) fn make_room(&mut self) {
        match self.newest {
            Some(newest) => {
                self.shift = self.shift.wrapping_add(1);
                self.shifted_after = Some(newest);
            }
            None => self.digits_first = true,
        }
    }

    /// The number with which a relayed packet goes out, and whether it is the newest so far; `next`
    /// is the one that comes next. `None` when a digit has its number.
    pub(super) fn number(&mut self, sequence: u16, next: u16) -> Option<(u16, bool)> {
        const OUT_OF_SIGHT: u16 = 0x1000;
        if self.newest.is_none() && self.digits_first {
            self.shift = next.wrapping_sub(sequence);
        }
        if let Some(after) = self.shifted_after {
            let ahead = sequence.wrapping_sub(after);
            if ahead == 0 || ahead >= 0x8000 {
                return None;
            }
            if ahead > OUT_OF_SIGHT {
                self.shifted_after = None;
            }
        }
        let out = sequence.wrapping_add(self.shift);
        let is_newest = self
            .newest
            .is_none_or(|newest| (1..0x8000).contains(&sequence.wrapping_sub(newest)));
        if is_newest {
            self.newest = Some(sequence);
        }
        Some((out, is_newest))
    }
}

pub(super) fn is_dtmf(codec: &RTCCodec) -> bool {
    codec.id() == Some(CodecId::Dtmf)
}

/// The codecs with one for digits for each clock rate of the audio codecs; as they are if they
/// have one already. The clock must be that of the audio (RFC 4733 section 2.1), so that both
/// share one line of timestamps. The payload types of `before` are kept.
pub(super) fn with_dtmf(
    mut codecs: Vec<RTCCodec>,
    before: &[RTCCodec],
    is_taken: impl Fn(u8) -> bool,
) -> Vec<RTCCodec> {
    if codecs.iter().any(is_dtmf) {
        return codecs;
    }
    let mut rates: Vec<u32> = Vec::new();
    for codec in &codecs {
        let is_audio = codec
            .facts()
            .is_some_and(|facts| facts.is_primary && facts.kind == Kind::Audio);
        let rate = codec.effective_clock_rate();
        if is_audio && !rates.contains(&rate) {
            rates.push(rate);
        }
    }
    for rate in rates {
        let used = |id: u8| codecs.iter().any(|codec| codec.payload_type == id);
        let same = |codec: &&RTCCodec| is_dtmf(codec) && codec.effective_clock_rate() == rate;
        let free = before
            .iter()
            .filter(same)
            .map(|codec| codec.payload_type)
            .chain(PREFERRED)
            .chain(96..=127)
            .find(|&id| !used(id) && !is_taken(id));
        if let Some(id) = free {
            codecs.push(RTCCodec {
                clock_rate: Some(rate),
                ..RTCCodec::dtmf(id)
            });
        }
    }
    codecs
}
