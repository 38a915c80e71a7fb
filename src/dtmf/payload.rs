//! The telephone-event payload (RFC 4733 section 2.3), and which event is which digit.

/// Digits by event code (RFC 4733 section 3.2).
const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// The event code of a digit, upper case letters only.
pub(super) fn event_of(digit: char) -> Option<u8> {
    let position = DIGITS
        .iter()
        .position(|&known| char::from(known) == digit)?;
    u8::try_from(position).ok()
}

/// The digit of an event code; none for the events beyond 15, which are not DTMF.
pub(super) fn digit_of(event: u8) -> Option<char> {
    DIGITS.get(usize::from(event)).map(|&digit| digit.into())
}

/// One event as it stands in a packet:
/// event (8 bits), E, R, volume (6 bits), duration (16 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TelephoneEvent {
    pub(super) event: u8,
    pub(super) end: bool,
    /// Power level in dBm0 without its sign, 0 to 63.
    pub(super) volume: u8,
    /// In units of the RTP clock, since the packet's timestamp.
    pub(super) duration: u16,
}

impl TelephoneEvent {
    pub(super) const LEN: usize = 4;

    pub(super) fn encode(self) -> [u8; Self::LEN] {
        let [high, low] = self.duration.to_be_bytes();
        let flags = u8::from(self.end) << 7 | self.volume & 0x3f;
        [self.event, flags, high, low]
    }

    /// `None` unless it is exactly one event. R is ignored (RFC 4733 section 2.3.3).
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload else {
            return None;
        };
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }
}
