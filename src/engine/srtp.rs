//! SRTP and SRTCP (RFC 3711, RFC 7714). Media is sealed and opened in place; SRTCP goes through
//! rtc-srtp behind a guard.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod cm;
mod gcm;
mod index;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

use self::cm::Cm;
use self::gcm::Gcm;
use self::index::Source;
use self::sources::Sources;
use super::certificate::provider;
use super::dtls::{KeyingMaterial, SrtpProfile};
use super::guard::contain;
use crate::error::{Error, Result};

/// Sources in use at once when sending; more are refused.
const MAX_SOURCES: usize = 1_000;
/// Sources in use at once when receiving: 1,000 that may be declared, 1,000 unknown ones, and one
/// to be looked at; more are refused.
const MAX_RECEIVED_SOURCES: usize = 2_001;
/// Sources of SRTCP over the life of the keys: like those that ended.
const MAX_RTCP_SOURCES: usize = 65_536;
/// SRTCP packets that may be overtaken.
const RTCP_WINDOW: u32 = 64;
/// Rollovers that a new source may have behind it, because all packets before were lost; and one
/// that comes back, since it ended for us.
const NEW_ROLLOVERS: u64 = 1;
const RESUMED_ROLLOVERS: u64 = 3;
/// Further ones that are tried, one for each packet in turn: a source may have been sent long before
/// anybody wanted it, and go on for long after it ended for us.
const FAR_ROLLOVERS: u64 = 32;
const RTP_HEADER: usize = 12;
const RTCP_HEADER: usize = 8;
const SRTCP_INDEX: usize = 4;
/// RFC 3711 section 9.2: no more SRTCP packets than this under one key.
const MAX_SRTCP_PACKETS: u32 = 0x7fff_ffff;

/// Why a packet was dropped; none of it ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SrtpDrop {
    /// Shorter than its header and tag.
    TooShort,
    /// Seen before, or older than the replay window.
    Replayed,
    /// The tag does not match.
    Forged,
    /// There are [`MAX_RECEIVED_SOURCES`] authentic sources already, or too many ended.
    TooManySources,
    /// SRTCP with the E bit clear; a DTLS-SRTP peer always encrypts.
    NotEncrypted,
}

/// What the caller has read from an RTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderFields {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    /// Fixed header, CSRCs and header extension, in bytes.
    pub(crate) header_len: usize,
}

/// Both directions of one session.
pub(crate) struct Srtp {
    local: Keys,
    remote: Keys,
    sender: Half,
    receiver: Half,
    /// A packet as it came, for a second try.
    copy: Vec<u8>,
    send_rtcp: Context,
    sent_rtcp: u32,
    receive_rtcp: Context,
    rtcp_sources: BTreeMap<u32, RtcpWindow>,
}

/// Highest index accepted of an SRTCP source, and which of the 64 up to it were.
#[derive(Default)]
struct RtcpWindow {
    highest: u32,
    seen: u64,
}

struct Keys {
    profile: SrtpProfile,
    key: Vec<u8>,
    salt: Vec<u8>,
}

/// RTP in one direction.
struct Half {
    cipher: Cipher,
    sources: Sources,
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

impl fmt::Debug for Srtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srtp")
            .field("profile", &self.local.profile)
            .finish_non_exhaustive()
    }
}

impl Srtp {
    pub(crate) fn new(material: &KeyingMaterial) -> Result<Self> {
        let local = Keys {
            profile: material.profile,
            key: material.local_key.clone(),
            salt: material.local_salt.clone(),
        };
        let remote = Keys {
            profile: material.profile,
            key: material.remote_key.clone(),
            salt: material.remote_salt.clone(),
        };
        Ok(Self {
            sender: local.half()?,
            receiver: remote.half()?,
            copy: Vec::new(),
            send_rtcp: local.context()?,
            sent_rtcp: 0,
            receive_rtcp: remote.context()?,
            rtcp_sources: BTreeMap::new(),
            local,
            remote,
        })
    }

    /// Protects the packet at `out[start..]` in place and appends the tag. Fails when its
    /// sequence number was protected before or is far behind: no nonce may be used twice
    /// (RFC 7714 section 8.1), so to send a packet again, send the protected one again.
    pub(crate) fn protect_rtp(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header_len: usize,
    ) -> Result<()> {
        let packet = out.get_mut(start..).unwrap_or_default();
        let header = fields(packet, header_len)
            .ok_or_else(|| Error::invalid_parameters("not an RTP packet"))?;
        let Half { cipher, sources } = &mut self.sender;
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

    /// A sending source ended. If it begins again, its index goes on.
    pub(crate) fn end_sending(&mut self, ssrc: u32) {
        self.sender.sources.end(ssrc);
    }

    /// With which sequence number an SSRC that was sent before and ended may go on.
    pub(crate) fn next_sequence(&self, ssrc: u32) -> Option<u16> {
        self.sender.sources.next_of_ended(ssrc)
    }

    /// Appends the protected form of the compound packet `plain` to `out`.
    pub(crate) fn protect_rtcp(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if plain.len() < RTCP_HEADER {
            return Err(Error::invalid_parameters("not an RTCP packet"));
        }
        // rtc-srtp lets the index wrap, which would use nonces again.
        if self.sent_rtcp >= MAX_SRTCP_PACKETS {
            return Err(Error::invalid_state("the SRTCP key is used up"));
        }
        let context = &mut self.send_rtcp;
        let sealed = contain(|| context.encrypt_rtcp(plain))
            .map_err(|_| Error::crypto("internal fault"))?
            .map_err(Error::crypto)?;
        self.sent_rtcp = self.sent_rtcp.saturating_add(1);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    /// Decrypts in place; the plain packet is `packet[..n]` for the `n` returned. After an error
    /// the content of `packet` is undefined.
    pub(crate) fn unprotect_rtp(
        &mut self,
        packet: &mut [u8],
        header: HeaderFields,
    ) -> std::result::Result<usize, SrtpDrop> {
        let Half { cipher, sources } = &mut self.receiver;
        let least = header.header_len.saturating_add(cipher.tag_len());
        if header.header_len < RTP_HEADER || packet.len() < least {
            return Err(SrtpDrop::TooShort);
        }
        match sources.get_mut(header.ssrc) {
            Some(source) => open_known(cipher, source, &mut self.copy, packet, header),
            None => open_new(cipher, sources, &mut self.copy, packet, header),
        }
    }

    /// A received source ended and makes room. If it comes back, only what is newer than all it
    /// had is taken.
    pub(crate) fn end_source(&mut self, ssrc: u32) {
        self.receiver.sources.end(ssrc);
    }

    /// Forgets a received source of whose packets no use was made; what comes of it then counts as
    /// the first of a new one.
    pub(crate) fn forget_source(&mut self, ssrc: u32) {
        self.receiver.sources.forget(ssrc);
    }

    /// As [`Self::unprotect_rtp`], for SRTCP.
    pub(crate) fn unprotect_rtcp(
        &mut self,
        packet: &mut [u8],
    ) -> std::result::Result<usize, SrtpDrop> {
        let gcm = self.remote.profile != SrtpProfile::Aes128CmHmacSha1_80;
        let (tag, after_index) = if gcm {
            (gcm::TAG, 0)
        } else {
            (cm::TAG, cm::TAG)
        };
        let least = RTCP_HEADER.saturating_add(SRTCP_INDEX).saturating_add(tag);
        let index_at = packet
            .len()
            .checked_sub(after_index.saturating_add(SRTCP_INDEX))
            .filter(|_| packet.len() >= least)
            .ok_or(SrtpDrop::TooShort)?;
        // rtc-srtp takes a packet of the AES-CM profiles without the E bit unauthenticated.
        let index = packet
            .get(index_at..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u32::from_be_bytes(*bytes))
            .filter(|index| index >> 31 == 1)
            .ok_or(SrtpDrop::NotEncrypted)?
            & MAX_SRTCP_PACKETS;
        let ssrc = packet
            .get(4..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u32::from_be_bytes(*bytes))
            .ok_or(SrtpDrop::TooShort)?;
        // A forgery leaves a mark in the context: try the unknown elsewhere first.
        match self.rtcp_sources.get(&ssrc) {
            Some(window) if !window.is_new(index) => return Err(SrtpDrop::Replayed),
            Some(_) => {}
            None => {
                let mut probe = self.remote.context().map_err(|_| SrtpDrop::Forged)?;
                opened(|| probe.decrypt_rtcp(packet))?;
                if self.rtcp_sources.len() >= MAX_RTCP_SOURCES {
                    return Err(SrtpDrop::TooManySources);
                }
            }
        }
        let context = &mut self.receive_rtcp;
        let plain = opened(|| context.decrypt_rtcp(packet))?;
        self.rtcp_sources.entry(ssrc).or_default().accept(index);
        put(packet, &plain)
    }
}

impl RtcpWindow {
    fn is_new(&self, index: u32) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < RTCP_WINDOW && self.seen >> behind & 1 == 0,
        }
    }

    fn accept(&mut self, index: u32) {
        if let Some(ahead) = index.checked_sub(self.highest) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = index;
        } else if let Some(behind) = self.highest.checked_sub(index) {
            self.seen |= 1u64.checked_shl(behind).unwrap_or(0);
        }
    }
}

impl Keys {
    fn half(&self) -> Result<Half> {
        let provider = provider()?;
        let crypto = provider.crypto();
        let cipher = match self.profile {
            SrtpProfile::Aes128CmHmacSha1_80 => {
                Cipher::Cm(Cm::from_master(crypto, &self.key, &self.salt)?)
            }
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                Cipher::Gcm(Gcm::from_master(crypto, &self.key, &self.salt)?)
            }
        };
        Ok(Half {
            cipher,
            sources: Sources::default(),
        })
    }

    fn context(&self) -> Result<Context> {
        let profile = match self.profile {
            SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProfile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
            SrtpProfile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        Context::new(
            &self.key,
            &self.salt,
            profile,
            None,
            None,
            provider()?.crypto(),
        )
        .map_err(Error::crypto)
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

fn opened<T>(
    call: impl FnOnce() -> rtc_shared::error::Result<T>,
) -> std::result::Result<T, SrtpDrop> {
    use rtc_shared::error::Error as RtcError;
    match contain(call) {
        Ok(Ok(plain)) => Ok(plain),
        Ok(Err(RtcError::SrtpSsrcDuplicated(..) | RtcError::SrtcpSsrcDuplicated(..))) => {
            Err(SrtpDrop::Replayed)
        }
        Ok(Err(_)) | Err(_) => Err(SrtpDrop::Forged),
    }
}

fn put(packet: &mut [u8], plain: &[u8]) -> std::result::Result<usize, SrtpDrop> {
    packet
        .get_mut(..plain.len())
        .ok_or(SrtpDrop::TooShort)?
        .copy_from_slice(plain);
    Ok(plain.len())
}

fn fields(packet: &[u8], header_len: usize) -> Option<HeaderFields> {
    let (fixed, _) = packet.split_first_chunk::<RTP_HEADER>()?;
    let &[_, _, n0, n1, _, _, _, _, s0, s1, s2, s3] = fixed;
    let sane =
        header_len >= RTP_HEADER && header_len.is_multiple_of(4) && packet.len() >= header_len;
    sane.then_some(HeaderFields {
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        sequence_number: u16::from_be_bytes([n0, n1]),
        header_len,
    })
}
