//! What a fuzzer's bytes say to do.

/// Read from the front; past the end everything is zero and empty.
pub(crate) struct Script<'a>(&'a [u8]);

/// From here on the first byte of a block is the high part of its length.
const LONG: u8 = 224;

impl<'a> Script<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// Bytes with their length before them.
    pub(crate) fn block(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            high @ LONG.. => usize::from(high - LONG) << 8 | usize::from(self.byte()),
            length => length.into(),
        };
        let (block, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        block
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A copy with some of its bytes changed, and perhaps cut.
    pub(crate) fn mutated(&mut self, genuine: &[u8]) -> Vec<u8> {
        let mut copy = genuine.to_vec();
        for _ in 0..=self.byte() % 4 {
            let at = usize::from(self.u16());
            let with = self.byte();
            let length = copy.len();
            if length == 0 {
                break;
            }
            match self.byte() % 8 {
                0 => copy.truncate(at % length),
                1 => copy.insert(at % length, with),
                _ => copy[at % length] ^= with,
            }
        }
        copy
    }
}

/// The block that [`Script::block`] reads as these bytes, of which there are at most 8,191.
#[cfg(test)]
pub(crate) fn block(bytes: &[u8]) -> Vec<u8> {
    let mut out = match bytes.len() {
        short if short < LONG.into() => vec![short as u8],
        long => vec![LONG + (long >> 8) as u8, long as u8],
    };
    out.extend_from_slice(bytes);
    out
}
