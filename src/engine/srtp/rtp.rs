//! RTP in one direction, sealed and opened in place.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::cm::{self, Cm};
use super::gcm::{self, Gcm};
use super::index::Source;
use super::keys::Keys;
use super::packet::{HeaderFields, RTP_HEADER, SrtpDrop, fields};
use super::sources::Sources;
use crate::engine::certificate::provider;
use crate::error::{Error, Result};

/// Sources in use at once when sending; more are refused.
const MAX_SOURCES: usize = 1_000;
/// Sources in use at once when receiving: 1,000 that may be declared, 1,000 unknown ones, and one
/// to be looked at; more are refused.
const MAX_RECEIVED_SOURCES: usize = 2_001;
/// Rollovers that a new source may have behind it, because all packets before were lost; and one
/// that comes back, since it ended for us.
const NEW_ROLLOVERS: u64 = 1;
const RESUMED_ROLLOVERS: u64 = 3;
/// Further ones that are tried, one for each packet in turn: a source may have been sent long before
/// anybody wanted it, and go on for long after it ended for us.
const FAR_ROLLOVERS: u64 = 32;

/// RTP in one direction.
pub(super) struct Half {
    cipher: Cipher,
    pub(super) sources: Sources,
}

#[allow(clippy::large_enum_variant)] // two per session
enum Cipher {
    Gcm(Gcm),
    Cm(Cm),
}

impl Cipher {
    fn tag_len(&self) -> usize {
        match self {
            Self::Gcm(_) => gcm::TAG,
            Self::Cm(_) => cm::TAG,
        }
    }

    fn open(&mut self, header: HeaderFields, index: u64, packet: &mut [u8]) -> Option<usize> {
        let (ssrc, header_len) = (header.ssrc, header.header_len);
        match self {
            Self::Gcm(gcm) => gcm.open(ssrc, index, packet, header_len),
            Self::Cm(cm) => cm.open(ssrc, index, packet, header_len),
        }
    }
}

impl Half {
    pub(super) fn new(keys: &Keys) -> Result<Self> {
        let provider = provider()?;
        let crypto = provider.crypto();
        let cipher = match keys.are_gcm() {
            true => Cipher::Gcm(Gcm::from_master(crypto, &keys.key, &keys.salt)?),
            false => Cipher::Cm(Cm::from_master(crypto, &keys.key, &keys.salt)?),
        };
        Ok(Self {
            cipher,
            sources: Sources::default(),
        })
    }

    /// As `Srtp::protect_rtp`.
    pub(super) fn protect(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header_len: usize,
    ) -> Result<()> {
        let packet = out.get_mut(start..).unwrap_or_default();
        let header = fields(packet, header_len)
            .ok_or_else(|| Error::invalid_parameters("not an RTP packet"))?;
        let Self { cipher, sources } = self;
        if sources.get_mut(header.ssrc).is_none() {
            let new = || Source::new(u64::from(header.sequence_number));
            let source = sources.resumed(header.ssrc).unwrap_or_else(new);
            if !sources.insert(header.ssrc, source, MAX_SOURCES) {
                return Err(Error::invalid_state("too many sources"));
            }
        }
        let source = sources
            .get_mut(header.ssrc)
            .ok_or_else(|| Error::invalid_state("too many sources"))?;
        let index = source
            .index(header.sequence_number)
            .filter(|index| source.is_new(*index))
            .ok_or_else(|| Error::invalid_state("the sequence number was used before"))?;
        let failed = || Error::crypto("SRTP");
        match cipher {
            Cipher::Gcm(cipher) => {
                let tag = cipher.seal(header.ssrc, index, packet, header_len);
                source.accept(index);
                out.extend_from_slice(tag.ok_or_else(failed)?.as_ref());
            }
            Cipher::Cm(cipher) => {
                let tag = cipher.seal(header.ssrc, index, packet, header_len);
                source.accept(index);
                out.extend_from_slice(&tag.ok_or_else(failed)?);
            }
        }
        Ok(())
    }

    /// As `Srtp::unprotect_rtp`; `copy` takes the packet as it came, for a second try.
    pub(super) fn unprotect(
        &mut self,
        copy: &mut Vec<u8>,
        packet: &mut [u8],
        header: HeaderFields,
    ) -> std::result::Result<usize, SrtpDrop> {
        let Self { cipher, sources } = self;
        let least = header.header_len.saturating_add(cipher.tag_len());
        if header.header_len < RTP_HEADER || packet.len() < least {
            return Err(SrtpDrop::TooShort);
        }
        match sources.get_mut(header.ssrc) {
            Some(source) => open_known(cipher, source, copy, packet, header),
            None => open_new(cipher, sources, copy, packet, header),
        }
    }
}

/// RFC 3711 section 3.3: index guess, replay check, authentication, and only then the state moves.
fn open_known(
    cipher: &mut Cipher,
    source: &mut Source,
    copy: &mut Vec<u8>,
    packet: &mut [u8],
    header: HeaderFields,
) -> std::result::Result<usize, SrtpDrop> {
    let number = header.sequence_number;
    let doubtful = source.doubtful_index(number);
    if doubtful.is_some() {
        keep(copy, packet);
    }
    let mut drop = SrtpDrop::Replayed;
    if let Some(index) = source.index(number).filter(|index| source.is_new(*index)) {
        if let Some(plain) = cipher.open(header, index, packet) {
            source.accept(index);
            return Ok(plain);
        }
        drop = SrtpDrop::Forged;
    }
    if let Some(index) = doubtful {
        packet.copy_from_slice(copy);
        if let Some(plain) = cipher.open(header, index, packet) {
            source.accept(index);
            return Ok(plain);
        }
    }
    source.refuse();
    Err(drop)
}

/// The first packet of a source: only authentication settles its rollover counter. Sequence
/// numbers begin anywhere (RFC 3711 section 3.3.1 has them begin in the lower half because of
/// that), so that the first to arrive may have passed the wrap already.
fn open_new(
    cipher: &mut Cipher,
    sources: &mut Sources,
    copy: &mut Vec<u8>,
    packet: &mut [u8],
    header: HeaderFields,
) -> std::result::Result<usize, SrtpDrop> {
    let number = header.sequence_number;
    let mut source = sources
        .resumed(header.ssrc)
        .unwrap_or_else(|| Source::new(u64::from(number)));
    keep(copy, packet);
    let mut drop = SrtpDrop::Replayed;
    let most = match source.is_resumed() {
        true => RESUMED_ROLLOVERS,
        false => NEW_ROLLOVERS,
    };
    // The packet's own number says whose turn it is: what is not authentic leaves no state.
    let far = most + 1 + u64::from(number) % FAR_ROLLOVERS;
    for rollovers in (0..=most).chain([far]) {
        let index = source.ahead(number, rollovers);
        let Some(index) = index.filter(|index| source.is_new(*index)) else {
            continue;
        };
        if drop == SrtpDrop::Forged {
            packet.copy_from_slice(copy);
        }
        drop = SrtpDrop::Forged;
        if let Some(plain) = cipher.open(header, index, packet) {
            if !source.is_resumed() {
                source = Source::new(index);
            }
            source.accept(index);
            return match sources.insert(header.ssrc, source, MAX_RECEIVED_SOURCES) {
                true => Ok(plain),
                false => Err(SrtpDrop::TooManySources),
            };
        }
    }
    Err(drop)
}

fn keep(copy: &mut Vec<u8>, packet: &[u8]) {
    copy.clear();
    copy.extend_from_slice(packet);
}
