//! Fuzz targets of what STUN and TURN servers send.

use super::stun;
pub(crate) use super::turn::fuzz as turn;

/// The answer to a Binding request.
pub(crate) fn binding_response(data: &[u8]) {
    let is_response = stun::response_id(data).is_some();
    if stun::parse_response(data).is_ok() {
        assert!(is_response);
    }
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let response = |kind: u8, attributes: &[u8]| {
        let length = attributes.len() as u8;
        let mut out = vec![1, kind, 0, length, 0x21, 0x12, 0xa4, 0x42];
        out.extend([7; 12]);
        out.extend_from_slice(attributes);
        out
    };
    vec![
        response(1, &[0, 0x20, 0, 8, 0, 1, 0x10, 1, 0x2b, 0x12, 0xa4, 0x43]),
        response(1, &[0, 1, 0, 8, 0, 1, 0x10, 1, 192, 0, 2, 1]),
        response(0x11, &[0, 9, 0, 6, 0, 0, 4, 0, b'n', b'o', 0, 0]),
        response(1, &[0x7f, 0, 0, 0]),
    ]
}
