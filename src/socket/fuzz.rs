//! Fuzz targets of what STUN and TURN servers send, and peers over TCP.

use super::direct::{first_frame, framed, whole_frames};
use super::stun;
pub(crate) use super::turn::fuzz as turn;

/// The answer to a Binding request.
pub(crate) fn binding_response(data: &[u8]) {
    let is_response = stun::response_id(data).is_some();
    if stun::parse_response(data).is_ok() {
        assert!(is_response);
    }
}

/// Datagrams on a stream: however it is cut they come out as they are, and framed again they are the
/// same bytes.
pub(crate) fn stream_frames(data: &[u8]) {
    let whole = whole_frames(data);
    let (mut at, mut again) = (0, Vec::new());
    while let Some(frame) = first_frame(data.get(at..).unwrap_or_default()) {
        let datagram = data.get(at..).and_then(|rest| rest.get(frame.clone()));
        let datagram = datagram.unwrap_or_default();
        match datagram {
            [] => again.extend([0, 0]),
            _ => again.extend(framed(datagram, datagram.len()).0),
        }
        at += frame.end;
    }
    assert_eq!(at, whole);
    assert_eq!(data.get(..whole), Some(&*again));
    let cut = data.len() / 2;
    assert!(whole_frames(data.get(..cut).unwrap_or_default()) <= whole);
}

#[cfg(test)]
pub(crate) fn frame_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0, 3, 1, 2, 3, 0, 0, 0, 1, 128],
        vec![0, 0, 0, 0],
        vec![0xff, 0xff, 1],
        framed(&[7; 250], 100).0,
    ]
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
