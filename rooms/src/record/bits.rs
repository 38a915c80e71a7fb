//! Bits of a header, the highest first.

/// Reads bits; `None` behind the end.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at >> 3)?;
        let bit = byte >> (7 - (self.at & 7)) & 1;
        self.at = self.at.checked_add(1)?;
        Some(bit == 1)
    }

    /// At most 32 bits.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value: u32 = 0;
        for _ in 0..count.min(32) {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len().saturating_mul(8)).then_some(())
    }

    /// `uvlc()` of AV1 and `ue(v)` of H.264: zeros, a one, and as many bits.
    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0_u32;
        while !self.bit()? {
            zeros = zeros.checked_add(1).filter(|zeros| *zeros < 32)?;
        }
        let rest = self.take(zeros)?;
        Some((1_u32 << zeros).wrapping_sub(1).saturating_add(rest))
    }

    /// `se(v)` of H.264, whose value nobody here wants.
    pub(super) fn signed_golomb(&mut self) -> Option<()> {
        self.golomb().map(|_| ())
    }
}
