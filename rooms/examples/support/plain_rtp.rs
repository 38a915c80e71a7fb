//! RTP without encryption, as a SIP box speaks it in a network of one's own: G.711 mu-law with the
//! static payload type 0 (RFC 3551 section 6), digits as RFC 4733 has them.

/// What such boxes take for digits unless they say otherwise.
const DIGITS: u8 = 101;
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// What a datagram was.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard<'a> {
    Voice(&'a [u8]),
    /// A key is down, or, at its end, up; the timestamp tells one press from the next.
    Key {
        digit: char,
        up: bool,
        timestamp: u32,
    },
}

/// Reads a packet: RFC 3550 section 5.1. `None`: none, or of another kind.
pub(crate) fn read(datagram: &[u8]) -> Option<Heard<'_>> {
    let (head, rest) = datagram.split_first_chunk::<12>()?;
    let (first, kind) = (head[0], head[1] & 0x7f);
    if first >> 6 != 2 {
        return None;
    }
    let mut rest = rest.get(usize::from(first & 0x0f) * 4..)?;
    if first & 0x10 != 0 {
        let (extension, behind) = rest.split_first_chunk::<4>()?;
        let words = u16::from_be_bytes([extension[2], extension[3]]);
        rest = behind.get(usize::from(words) * 4..)?;
    }
    if first & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    match kind {
        0 => Some(Heard::Voice(rest)),
        DIGITS => {
            // RFC 4733 section 2.3.
            let event = rest.first_chunk::<4>()?;
            Some(Heard::Key {
                digit: char::from(*KEYS.get(usize::from(event[0]))?),
                up: event[1] & 0x80 != 0,
                timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            })
        }
        _ => None,
    }
}

/// Makes packets, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    ssrc: u32,
    sequence: u16,
    /// Where the voice is, in samples.
    timestamp: u32,
    key: Option<(u8, u32)>,
}

impl Writer {
    pub(crate) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            ..Self::default()
        }
    }

    /// A frame of voice; while a key is down, its packet in the place of it.
    pub(crate) fn voice(&mut self, frame: &[u8]) -> Vec<u8> {
        let at = self.timestamp;
        self.timestamp = at.wrapping_add(u32::try_from(frame.len()).unwrap_or(0));
        match self.key {
            Some((event, since)) => self.event(event, since, false, false),
            None => self.packet(0, at, false, frame),
        }
    }

    /// A key goes down.
    pub(crate) fn down(&mut self, digit: char) -> Option<Vec<u8>> {
        let event = KEYS.iter().position(|key| char::from(*key) == digit)?;
        let event = u8::try_from(event).ok()?;
        self.key = Some((event, self.timestamp));
        Some(self.event(event, self.timestamp, true, false))
    }

    /// It goes up: said three times, one may be lost (section 2.5.1.4).
    pub(crate) fn up(&mut self) -> Vec<Vec<u8>> {
        let Some((event, since)) = self.key.take() else {
            return Vec::new();
        };
        (0..3)
            .map(|_| self.event(event, since, false, true))
            .collect()
    }

    fn event(&mut self, event: u8, since: u32, first: bool, end: bool) -> Vec<u8> {
        let long = self.timestamp.wrapping_sub(since).max(160);
        let [high, low] = u16::try_from(long).unwrap_or(u16::MAX).to_be_bytes();
        // At -10 dBm0.
        let volume = if end { 0x8a } else { 0x0a };
        self.packet(DIGITS, since, first, &[event, volume, high, low])
    }

    fn packet(&mut self, kind: u8, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, kind | u8::from(marker) << 7];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e15_what_is_written_is_read_and_nothing_else() {
        let mut writer = Writer::new(7);
        assert_eq!(
            read(&writer.voice(&[1; 160])),
            Some(Heard::Voice(&[1; 160]))
        );
        let down = writer.down('#').unwrap();
        let key = |up| Heard::Key {
            digit: '#',
            up,
            timestamp: 160,
        };
        assert_eq!(read(&down), Some(key(false)));
        assert_eq!(read(&writer.voice(&[2; 160])), Some(key(false)));
        let ups = writer.up();
        assert!(ups.len() == 3 && ups.iter().all(|up| read(up) == Some(key(true))));
        // 160 samples long (RFC 4733 section 2.3).
        assert_eq!(ups[0][12..], [11, 0x8a, 0, 160]);
        assert_eq!(read(&writer.voice(&[3])), Some(Heard::Voice(&[3])));
        assert_eq!(writer.down('x'), None);
        // With sources, an extension and padding.
        let long = [
            &[0xb1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9][..],
            &[0, 0, 0, 1, 8, 8, 8, 8, 5, 5, 0, 2],
        ];
        let long = long.concat();
        assert_eq!(read(&long), Some(Heard::Voice(&[5, 5])));
        for cut in 0..long.len() {
            let _ = read(&long[..cut]);
        }
        for junk in [
            &[][..],
            &[0; 12],
            &[0xff; 40],
            &[0x80, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0],
        ] {
            assert_eq!(read(junk), None);
        }
    }
}
