//! What INIT, INIT ACK and the cookie say (RFC 9260 section 5).

use std::time::{Duration, Instant};

use crate::engine::sctp::wire;

pub(super) const RETRY: Duration = Duration::from_millis(300);
/// Streams offered in each direction; 65,535 is reserved (RFC 8831 section 6.2 wants them all).
const STREAMS: u16 = u16::MAX;

const STATE_COOKIE: u16 = 7;
/// RFC 9653 section 4.
const ZERO_CHECKSUM: u16 = 0x8001;
/// RFC 5061 section 4.2.7.
const SUPPORTED_EXTENSIONS: u16 = 0x8008;
/// RFC 3758 section 3.1.
const FORWARD_TSN_SUPPORTED: u16 = 0xc000;
/// The error detection method of DTLS (RFC 9653 section 9).
const DTLS_METHOD: u32 = 1;

const SECRET: usize = 16;
/// The secret, and the peer's INIT: tag, window, streams out and in, TSN, flags.
const COOKIE: usize = SECRET + 17;

/// The optional parameters of an INIT or INIT ACK.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    zero_checksum: bool,
    forward_tsn: bool,
    /// The list of extensions.
    extensions: bool,
}

/// With everything; without what is newest, which old ones fail at (RFC 9653 is of 2024); and with
/// nothing but what RFC 9260 has.
pub(super) const OFFERS: [Options; 3] = [
    Options {
        zero_checksum: true,
        forward_tsn: true,
        extensions: true,
    },
    Options {
        zero_checksum: false,
        forward_tsn: true,
        extensions: true,
    },
    Options {
        zero_checksum: false,
        forward_tsn: false,
        extensions: false,
    },
];

/// What is said while the association is made.
pub(super) struct Handshake {
    /// What every packet to us must carry.
    pub(super) tag: u32,
    pub(super) initial_tsn: u32,
    /// Shows that a cookie is ours.
    pub(super) secret: [u8; SECRET],
    pub(super) cookie: Vec<u8>,
    pub(super) due: Option<Instant>,
    pub(super) interval: Duration,
    /// INITs sent, and those that the peer has refused.
    pub(super) inits: u32,
    pub(super) refused: usize,
    /// Cookies of the peer that is met already.
    pub(super) echoes: u32,
}

/// The peer's INIT or INIT ACK.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) tag: u32,
    pub(super) window: u32,
    pub(super) outbound: u16,
    pub(super) inbound: u16,
    pub(super) initial_tsn: u32,
    /// What it named, itself or in the list.
    pub(super) forward_tsn: bool,
    pub(super) reconfig: bool,
    pub(super) zero_checksum: bool,
    /// The parameters that it knows, since it sent them.
    pub(super) knows: Options,
}

impl Handshake {
    pub(super) fn new(initial_tsn: u32) -> Self {
        Self {
            tag: crate::random::u32().max(1),
            initial_tsn,
            secret: crate::random::bytes(),
            cookie: Vec::new(),
            due: None,
            interval: RETRY,
            inits: 0,
            refused: 0,
            echoes: 0,
        }
    }

    /// The fixed part and the parameters of our INIT or INIT ACK.
    pub(super) fn init(&self, window: u32, cookie: Option<&[u8]>, options: Options) -> Vec<u8> {
        let mut body = self.tag.to_be_bytes().to_vec();
        body.extend_from_slice(&window.to_be_bytes());
        body.extend_from_slice(&STREAMS.to_be_bytes());
        body.extend_from_slice(&STREAMS.to_be_bytes());
        body.extend_from_slice(&self.initial_tsn.to_be_bytes());
        if let Some(cookie) = cookie {
            wire::put_parameter(&mut body, STATE_COOKIE, cookie);
        }
        if options.zero_checksum {
            wire::put_parameter(&mut body, ZERO_CHECKSUM, &DTLS_METHOD.to_be_bytes());
        }
        if options.forward_tsn {
            wire::put_parameter(&mut body, FORWARD_TSN_SUPPORTED, &[]);
        }
        if options.extensions {
            let extensions = [wire::RECONFIG, wire::FORWARD_TSN];
            wire::put_parameter(&mut body, SUPPORTED_EXTENSIONS, &extensions);
        }
        body
    }

    pub(super) fn bake(&self, peer: &Peer) -> Vec<u8> {
        let mut cookie = self.secret.to_vec();
        cookie.extend_from_slice(&peer.tag.to_be_bytes());
        cookie.extend_from_slice(&peer.window.to_be_bytes());
        cookie.extend_from_slice(&peer.outbound.to_be_bytes());
        cookie.extend_from_slice(&peer.inbound.to_be_bytes());
        cookie.extend_from_slice(&peer.initial_tsn.to_be_bytes());
        let flags = [peer.forward_tsn, peer.zero_checksum, peer.reconfig];
        cookie.push(flags.iter().fold(0, |all, flag| all << 1 | u8::from(*flag)));
        cookie
    }

    pub(super) fn taste(&self, cookie: &[u8]) -> Option<Peer> {
        let cookie = cookie.first_chunk::<COOKIE>()?;
        let rest = cookie.strip_prefix(&self.secret)?;
        let flags = rest.get(16)?;
        Some(Peer {
            tag: wire::u32_at(rest, 0)?,
            window: wire::u32_at(rest, 4)?,
            outbound: wire::u16_at(rest, 8)?,
            inbound: wire::u16_at(rest, 10)?,
            initial_tsn: wire::u32_at(rest, 12)?,
            forward_tsn: flags & 4 != 0,
            zero_checksum: flags & 2 != 0,
            reconfig: flags & 1 != 0,
            knows: Options::default(),
        })
    }
}

impl Peer {
    /// RFC 9260 sections 3.3.2 and 3.3.3; the cookie comes with an INIT ACK.
    pub(super) fn parse(body: &[u8]) -> Option<(Self, Option<Vec<u8>>)> {
        let mut peer = Self {
            tag: wire::u32_at(body, 0)?,
            window: wire::u32_at(body, 4)?,
            outbound: wire::u16_at(body, 8)?,
            inbound: wire::u16_at(body, 10)?,
            initial_tsn: wire::u32_at(body, 12)?,
            forward_tsn: false,
            // Without a list nothing is known.
            reconfig: true,
            zero_checksum: false,
            knows: Options::default(),
        };
        let mut cookie = None;
        for parameter in wire::parameters(body.get(16..)?) {
            let (kind, value) = parameter.ok()?;
            match kind {
                STATE_COOKIE => cookie = Some(value.to_vec()),
                FORWARD_TSN_SUPPORTED => {
                    peer.forward_tsn = true;
                    peer.knows.forward_tsn = true;
                }
                ZERO_CHECKSUM => {
                    peer.zero_checksum = wire::u32_at(value, 0) == Some(DTLS_METHOD);
                    peer.knows.zero_checksum = true;
                }
                SUPPORTED_EXTENSIONS => {
                    // Many do not name FORWARD-TSN but in the list.
                    peer.forward_tsn |= value.contains(&wire::FORWARD_TSN);
                    peer.reconfig = value.contains(&wire::RECONFIG);
                    peer.knows.forward_tsn |= peer.forward_tsn;
                    peer.knows.extensions = true;
                }
                _ => {}
            }
        }
        (peer.tag != 0 && peer.outbound > 0 && peer.inbound > 0).then_some((peer, cookie))
    }
}
