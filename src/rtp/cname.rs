//! Canonical names (RFC 7022).

/// A CNAME of 96 random bits in base 64 (RFC 7022 section 4.2), for one connection.
pub(crate) fn cname_from_random(random: [u8; 12]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| ALPHABET.get((bits & 0x3f) as usize).map(|b| char::from(*b));
    random
        .chunks_exact(3)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b));
            [bits >> 18, bits >> 12, bits >> 6, bits]
        })
        .filter_map(digit)
        .collect()
}
