//! Trains of equal-sized datagrams, cut to what segmentation offload (GSO) can take.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::io;

/// The largest UDP payload over IPv4 (65,535 - 20 - 8), which also bounds one GSO train.
const MAX_PAYLOAD: usize = 65_507;

/// What became of a transmit that did not have to wait.
#[derive(Debug)]
pub(crate) enum SendOutcome {
    /// All of it went to the kernel.
    Sent,
    /// This many bytes went (whole datagrams); send the rest when the socket is writable again.
    Partial(usize),
    /// The kernel or this module refused it (or what was left of it); it is counted and gone.
    /// Transient for the socket: it stays usable.
    Dropped(io::Error),
}

/// Sends `contents` in as few calls of `send(bytes, segment_size)` as `gso` segments a call allow.
/// Sets `gso` to 1 if the kernel turns out not to do it for this route.
pub(super) fn send_train(
    contents: &[u8],
    segment_size: Option<usize>,
    gso: &mut usize,
    mut send: impl FnMut(&[u8], Option<usize>) -> io::Result<()>,
) -> io::Result<SendOutcome> {
    let segment = segment_size
        .filter(|size| (1..contents.len()).contains(size))
        .unwrap_or(contents.len());
    let mut sent = 0;
    loop {
        let rest = contents.get(sent..).unwrap_or_default();
        let batch = (*gso)
            .min(MAX_PAYLOAD.checked_div(segment).unwrap_or(1))
            .max(1);
        let length = rest.len().min(batch.saturating_mul(segment));
        let chunk = rest.get(..length).unwrap_or_default();
        let result = match send(chunk, (length > segment).then_some(segment)) {
            // Is it segmentation or the destination that the kernel refuses? One plain datagram
            // tells. (quinn-udp would switch GSO off for the whole socket in both cases.)
            Err(e) if length > segment && may_be_lack_of_gso(&e) => {
                let first = chunk.get(..segment).unwrap_or_default();
                let plain = send(first, None);
                if plain.is_ok() {
                    *gso = 1;
                }
                plain.map(|()| segment)
            }
            result => result.map(|()| length),
        };
        match result {
            Ok(length) => sent = sent.saturating_add(length),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return if sent == 0 {
                    Err(e)
                } else {
                    Ok(SendOutcome::Partial(sent))
                };
            }
            Err(e) => return Ok(SendOutcome::Dropped(e)),
        }
        if sent >= contents.len() {
            return Ok(SendOutcome::Sent);
        }
    }
}

/// Drivers without checksum offload answer EIO, old kernels EINVAL.
fn may_be_lack_of_gso(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(EIO)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_train_is_split_as_gso_allows() {
        let mut calls = Vec::new();
        let mut gso = 4;
        let outcome = send_train(&[0; 1050], Some(100), &mut gso, |chunk, segment| {
            calls.push((chunk.len(), segment));
            Ok(())
        });
        assert!(matches!(outcome, Ok(SendOutcome::Sent)));
        assert_eq!(
            calls,
            [(400, Some(100)), (400, Some(100)), (250, Some(100))]
        );

        // A train never exceeds one IP packet.
        let mut largest = 0;
        let outcome = send_train(&[0; 120_000], Some(1200), &mut 64, |chunk, _| {
            largest = largest.max(chunk.len());
            Ok(())
        });
        assert!(matches!(outcome, Ok(SendOutcome::Sent)));
        assert_eq!(largest, 64_800);

        let mut calls = 0;
        let outcome = send_train(&[], Some(0), &mut 64, |_, _| {
            calls += 1;
            Ok(())
        });
        assert!(matches!(outcome, Ok(SendOutcome::Sent)));
        assert_eq!(calls, 1);
    }

    #[test]
    fn gso_is_given_up_only_when_a_plain_datagram_passes() {
        let mut gso = 64;
        let mut plain = 0;
        let outcome = send_train(&[0; 500], Some(100), &mut gso, |chunk, segment| {
            if segment.is_some() {
                return Err(io::Error::from_raw_os_error(5));
            }
            plain += chunk.len();
            Ok(())
        });
        assert!(matches!(outcome, Ok(SendOutcome::Sent)));
        assert_eq!((gso, plain), (1, 500));

        let mut gso = 64;
        let outcome = send_train(&[0; 500], Some(100), &mut gso, |_, _| {
            Err(io::ErrorKind::InvalidInput.into())
        });
        assert!(matches!(outcome, Ok(SendOutcome::Dropped(_))));
        assert_eq!(gso, 64);
    }

    #[test]
    fn a_full_socket_buffer_is_would_block_or_partial() {
        let full = || io::Error::from(io::ErrorKind::WouldBlock);
        let outcome = send_train(&[0; 500], Some(100), &mut 64, |_, _| Err(full()));
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::WouldBlock);

        let mut room = 2;
        let outcome = send_train(&[0; 500], Some(100), &mut 1, |_, _| {
            room -= 1;
            if room < 0 { Err(full()) } else { Ok(()) }
        });
        assert!(matches!(outcome, Ok(SendOutcome::Partial(200))));
    }
}
