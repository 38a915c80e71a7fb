//! Answers to STUN binding requests (RFC 8489), so that no third party need be asked.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tracing::debug;

use crate::metrics::Metrics;

const HEADER: usize = 20;
const MAGIC: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes that need not be understood have this bit: section 14.
const OPTIONAL: u16 = 0x8000;
/// USERNAME, MESSAGE-INTEGRITY, PRIORITY, USE-CANDIDATE: nothing hangs on them here.
const HARMLESS: [u16; 4] = [0x0006, 0x0008, 0x0024, 0x0025];

/// Answers to one address and to all in a second: an answer is up to twice as long as its request,
/// and who asks may be forged.
const OF_ONE: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
const OF_ALL: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_999);
/// Addresses are forgotten after so many answers.
const TIDY: u32 = 20_000;

struct Rates {
    one: DefaultKeyedRateLimiter<IpAddr>,
    all: DefaultDirectRateLimiter,
}

/// Answers until the shutdown.
pub(crate) async fn answer(
    socket: UdpSocket,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
) {
    let rates = Rates {
        one: RateLimiter::keyed(Quota::per_second(OF_ONE)),
        all: RateLimiter::direct(Quota::per_second(OF_ALL)),
    };
    let mut buffer = [0; 1_500];
    let mut answers = 0_u32;
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            _ = shutdown.wait_for(|ends| *ends) => return,
        };
        // An error is of an earlier answer that did not arrive.
        let Ok((length, from)) = received else {
            continue;
        };
        let Some(answer) = buffer.get(..length).and_then(|bytes| reply(bytes, from)) else {
            continue;
        };
        if rates.all.check().is_err() || rates.one.check_key(&from.ip().to_canonical()).is_err() {
            metrics.stun_refused.inc();
            continue;
        }
        match socket.send_to(&answer, from).await {
            Ok(_) => metrics.stun_answers.inc(),
            Err(error) => debug!(%error, "a STUN answer was not sent"),
        }
        answers = answers.wrapping_add(1);
        if answers.is_multiple_of(TIDY) {
            rates.one.retain_recent();
        }
    }
}

/// The answer to a datagram; none if it is no binding request.
fn reply(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let (header, body) = request.split_at_checked(HEADER)?;
    let length = usize::from(u16::from_be_bytes([*header.get(2)?, *header.get(3)?]));
    let fits = header.starts_with(&BINDING_REQUEST)
        && header.get(4..8)? == MAGIC
        && length == body.len()
        && length.is_multiple_of(4);
    if !fits {
        return None;
    }
    let unknown = unknown(body)?;
    let transaction = header.get(4..HEADER)?;
    let (kind, attributes) = if unknown.is_empty() {
        let value = xored(from, transaction);
        (BINDING_SUCCESS, attribute(XOR_MAPPED_ADDRESS, &value))
    } else {
        // Section 6.3.1: 420, and which they are.
        let mut attributes = attribute(ERROR_CODE, &[0, 0, 4, 20]);
        let list: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        attributes.extend(attribute(UNKNOWN_ATTRIBUTES, &list));
        (BINDING_ERROR, attributes)
    };
    let mut answer = kind.to_vec();
    answer.extend(u16::try_from(attributes.len()).ok()?.to_be_bytes());
    answer.extend(transaction);
    answer.extend(attributes);
    Some(answer)
}

/// Attributes that have to be understood and are not, at most a few of them; none if they are broken.
fn unknown(mut body: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let kind = u16::from_be_bytes([a, b]);
        let length = usize::from(u16::from_be_bytes([c, d]));
        body = rest.get(length.next_multiple_of(4)..)?;
        if kind & OPTIONAL == 0 && !HARMLESS.contains(&kind) && unknown.len() < 2 {
            unknown.push(kind);
        }
    }
    body.is_empty().then_some(unknown)
}

/// Section 14.2: port and address, each bit turned by cookie and transaction id.
fn xored(from: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let turned = |bytes: &[u8]| -> Vec<u8> {
        let pairs = bytes.iter().zip(transaction);
        pairs.map(|(byte, by)| byte ^ by).collect()
    };
    let port = from.port().to_be_bytes();
    let (family, address) = match from.ip().to_canonical() {
        IpAddr::V4(address) => (1, turned(&address.octets())),
        IpAddr::V6(address) => (2, turned(&address.octets())),
    };
    let mut value = vec![0, family];
    value.extend(turned(&port));
    value.extend(address);
    value
}

/// Of a length that is a multiple of 4, or padded to it.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    let length = u16::try_from(value.len()).unwrap_or(0);
    bytes.extend(length.to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, u8::try_from(attributes.len()).unwrap()];
        bytes.extend(MAGIC);
        bytes.extend(*b"transaction!");
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn d44_a_binding_request_is_answered_with_the_address_that_it_came_from() {
        // RFC 5769 section 2.2 and 2.3 have the values of these addresses under this transaction.
        let transaction = [
            0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
            0xdf, 0xae,
        ];
        assert_eq!(
            xored("192.0.2.1:32853".parse().unwrap(), &transaction),
            [0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        );
        assert_eq!(
            xored(
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
                    .parse()
                    .unwrap(),
                &transaction
            ),
            [
                0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4,
                0xb5, 0xbe, 0xd2, 0xb9, 0xd9
            ]
        );
        let answer = reply(&request(&[]), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(answer.len(), 32);
        assert_eq!(answer[..4], [1, 1, 0, 12]);
        assert_eq!(&answer[8..20], b"transaction!");
    }

    #[test]
    fn d44_what_is_no_request_is_not_answered_and_what_is_not_understood_is_said() {
        let from = "192.0.2.1:1".parse().unwrap();
        let good = request(&[]);
        for end in 0..good.len() {
            assert!(reply(&good[..end], from).is_none());
        }
        for at in [0, 1, 3, 4] {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(reply(&bad, from).is_none());
        }
        assert!(reply(&request(&[0x80, 0x22, 0, 9, 1, 2, 3, 4]), from).is_none());
        let optional = request(&[0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        assert_eq!(reply(&optional, from).unwrap()[..2], BINDING_SUCCESS);
        let unknown = request(&[0x00, 0x03, 0, 4, 0, 0, 0, 6]);
        let said = reply(&unknown, from).unwrap();
        assert_eq!(said[..2], BINDING_ERROR);
        assert_eq!(
            said[20..],
            [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0, 3, 0, 0]
        );
    }
}
