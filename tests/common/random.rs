//! The random generator of the integration tests.

/// A seed for the test's random choices, printed so that a failure can be repeated with
/// `ORTC_SEED`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(default: u64) -> Self {
        let seed = std::env::var("ORTC_SEED").ok();
        let seed = seed.map_or(default, |seed| seed.parse().unwrap());
        println!("seed {seed}");
        Self(seed)
    }

    /// Choices that follow from those of another.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next() as u8;
        }
    }
}
