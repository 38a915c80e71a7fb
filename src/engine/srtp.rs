//! SRTP and SRTCP (RFC 3711, RFC 7714). AES-GCM media, the hot path, is sealed and opened in
//! place; AES-CM and SRTCP go through rtc-srtp behind a guard.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod gcm;
mod index;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

use self::gcm::Gcm;
use self::index::{Source, WINDOW};
use super::certificate::provider;
use super::dtls::{KeyingMaterial, SrtpProfile};
use super::guard::contain;
use crate::error::{Error, Result};

/// Sources remembered when sending, and of RTCP; more are refused.
const MAX_SOURCES: usize = 1_000;
/// Sources remembered when receiving: 1,000 that may be declared, 1,000 unknown ones, and one to
/// be looked at; more are refused.
const MAX_RECEIVED_SOURCES: usize = 2_001;
const CM_TAG: usize = 10;
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
    /// There are [`MAX_RECEIVED_SOURCES`] authentic sources already, or [`MAX_SOURCES`] of RTCP.
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
    sender: Sender,
    receiver: Receiver,
    send_rtcp: Context,
    sent_rtcp: u32,
    receive_rtcp: Context,
    rtcp_sources: BTreeSet<u32>,
}

struct Keys {
    profile: SrtpProfile,
    key: Vec<u8>,
    salt: Vec<u8>,
}

struct Sender {
    cipher: SendCipher,
    sources: BTreeMap<u32, Source>,
}

#[allow(clippy::large_enum_variant)] // one per session
enum SendCipher {
    Gcm(Gcm),
    Cm(Context),
}

#[allow(clippy::large_enum_variant)] // one per session
enum Receiver {
    Gcm(Gcm, BTreeMap<u32, Source>),
    /// A context each: one that was tried on a forgery must not be kept.
    Cm(BTreeMap<u32, Context>),
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
        let (cipher, receiver) = match material.profile {
            SrtpProfile::Aes128CmHmacSha1_80 => (
                SendCipher::Cm(local.context()?),
                Receiver::Cm(BTreeMap::new()),
            ),
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => (
                SendCipher::Gcm(local.gcm()?),
                Receiver::Gcm(remote.gcm()?, BTreeMap::new()),
            ),
        };
        Ok(Self {
            sender: Sender {
                cipher,
                sources: BTreeMap::new(),
            },
            receiver,
            send_rtcp: local.context()?,
            sent_rtcp: 0,
            receive_rtcp: remote.context()?,
            rtcp_sources: BTreeSet::new(),
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
        let Sender { cipher, sources } = &mut self.sender;
        if sources.len() >= MAX_SOURCES && !sources.contains_key(&header.ssrc) {
            return Err(Error::invalid_state("too many sources"));
        }
        let source = sources
            .entry(header.ssrc)
            .or_insert_with(|| Source::new(header.sequence_number));
        let index = source
            .index(header.sequence_number)
            .filter(|index| source.is_new(*index))
            .ok_or_else(|| Error::invalid_state("the sequence number was used before"))?;
        match cipher {
            SendCipher::Gcm(cipher) => {
                let tag = cipher
                    .seal(header.ssrc, index, packet, header_len)
                    .ok_or_else(|| Error::crypto("SRTP"))?;
                source.accept(index);
                out.extend_from_slice(tag.as_ref());
            }
            SendCipher::Cm(context) => {
                let plain: &[u8] = packet;
                let sealed =
                    contain(|| context.encrypt_rtp_with_header(plain, &dummy_header(header)))
                        .map_err(|_| Error::crypto("internal fault"))?
                        .map_err(Error::crypto)?;
                source.accept(index);
                out.truncate(start);
                out.extend_from_slice(&sealed);
            }
        }
        Ok(())
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
        let tag = match self.receiver {
            Receiver::Gcm(..) => gcm::TAG,
            Receiver::Cm(_) => CM_TAG,
        };
        if header.header_len < RTP_HEADER || packet.len() < header.header_len.saturating_add(tag) {
            return Err(SrtpDrop::TooShort);
        }
        match &mut self.receiver {
            Receiver::Gcm(cipher, sources) => open_gcm(cipher, sources, packet, header),
            Receiver::Cm(sources) => open_cm(&self.remote, sources, packet, header),
        }
    }

    /// Forgets a received source; what comes of it then counts as the first of a new one.
    pub(crate) fn forget_source(&mut self, ssrc: u32) {
        match &mut self.receiver {
            Receiver::Gcm(_, sources) => drop(sources.remove(&ssrc)),
            Receiver::Cm(sources) => drop(sources.remove(&ssrc)),
        }
    }

    /// As [`Self::unprotect_rtp`], for SRTCP.
    pub(crate) fn unprotect_rtcp(
        &mut self,
        packet: &mut [u8],
    ) -> std::result::Result<usize, SrtpDrop> {
        let gcm = self.remote.profile != SrtpProfile::Aes128CmHmacSha1_80;
        let (tag, after_index) = if gcm { (gcm::TAG, 0) } else { (CM_TAG, CM_TAG) };
        let least = RTCP_HEADER.saturating_add(SRTCP_INDEX).saturating_add(tag);
        let index_at = packet
            .len()
            .checked_sub(after_index.saturating_add(SRTCP_INDEX))
            .filter(|_| packet.len() >= least)
            .ok_or(SrtpDrop::TooShort)?;
        // rtc-srtp takes a packet of the AES-CM profiles without the E bit unauthenticated.
        if packet.get(index_at).is_none_or(|byte| byte & 0x80 == 0) {
            return Err(SrtpDrop::NotEncrypted);
        }
        let ssrc = packet
            .get(4..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u32::from_be_bytes(*bytes))
            .ok_or(SrtpDrop::TooShort)?;
        // A forgery leaves a mark in the state of its source: try the unknown elsewhere first.
        if !self.rtcp_sources.contains(&ssrc) {
            let mut probe = self.remote.context().map_err(|_| SrtpDrop::Forged)?;
            opened(|| probe.decrypt_rtcp(packet))?;
            if self.rtcp_sources.len() >= MAX_SOURCES {
                return Err(SrtpDrop::TooManySources);
            }
            self.rtcp_sources.insert(ssrc);
        }
        let context = &mut self.receive_rtcp;
        let plain = opened(|| context.decrypt_rtcp(packet))?;
        put(packet, &plain)
    }
}

impl Keys {
    fn gcm(&self) -> Result<Gcm> {
        Gcm::from_master(provider()?.crypto(), &self.key, &self.salt)
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
            Some(srtp_replay_protection(WINDOW as usize)),
            Some(srtcp_replay_protection(WINDOW as usize)),
            provider()?.crypto(),
        )
        .map_err(Error::crypto)
    }
}

/// RFC 3711 section 3.3: index guess, replay check, authentication, and only then the state moves.
fn open_gcm(
    cipher: &Gcm,
    sources: &mut BTreeMap<u32, Source>,
    packet: &mut [u8],
    header: HeaderFields,
) -> std::result::Result<usize, SrtpDrop> {
    let HeaderFields {
        ssrc,
        sequence_number,
        header_len,
    } = header;
    if let Some(source) = sources.get_mut(&ssrc) {
        let doubtful = source
            .doubtful_index(sequence_number)
            .map(|index| (index, packet.to_vec()));
        let likely = source
            .index(sequence_number)
            .filter(|index| source.is_new(*index))
            .ok_or(SrtpDrop::Replayed);
        let opened = likely.and_then(|index| {
            let plain = cipher.open(ssrc, index, packet, header_len);
            plain.map(|n| (index, n)).ok_or(SrtpDrop::Forged)
        });
        let opened = opened.or_else(|drop| {
            let (index, copy) = doubtful.ok_or(drop)?;
            packet.copy_from_slice(&copy);
            let plain = cipher.open(ssrc, index, packet, header_len);
            plain.map(|n| (index, n)).ok_or(drop)
        });
        return match opened {
            Ok((index, plain)) => {
                source.accept(index);
                Ok(plain)
            }
            Err(drop) => {
                source.refuse();
                Err(drop)
            }
        };
    }
    let index = u64::from(sequence_number);
    let plain = cipher
        .open(ssrc, index, packet, header_len)
        .ok_or(SrtpDrop::Forged)?;
    if sources.len() >= MAX_RECEIVED_SOURCES {
        return Err(SrtpDrop::TooManySources);
    }
    let mut source = Source::new(sequence_number);
    source.accept(index);
    sources.insert(ssrc, source);
    Ok(plain)
}

fn open_cm(
    keys: &Keys,
    sources: &mut BTreeMap<u32, Context>,
    packet: &mut [u8],
    header: HeaderFields,
) -> std::result::Result<usize, SrtpDrop> {
    let dummy = dummy_header(header);
    if let Some(context) = sources.get_mut(&header.ssrc) {
        let plain = opened(|| context.decrypt_rtp_with_header(packet, &dummy))?;
        return put(packet, &plain);
    }
    let mut context = keys.context().map_err(|_| SrtpDrop::Forged)?;
    let plain = opened(|| context.decrypt_rtp_with_header(packet, &dummy))?;
    if sources.len() >= MAX_RECEIVED_SOURCES {
        return Err(SrtpDrop::TooManySources);
    }
    sources.insert(header.ssrc, context);
    put(packet, &plain)
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

/// rtc-srtp takes the payload's offset from the size the header would have if it were written
/// anew, which differs from the size it has on the wire when an extension is padded unusually.
/// Only size, SSRC and sequence number are read, so any header of the right size serves.
fn dummy_header(header: HeaderFields) -> rtp::Header {
    let words = header.header_len.saturating_sub(RTP_HEADER) / 4;
    rtp::Header {
        ssrc: header.ssrc,
        sequence_number: header.sequence_number,
        csrc: vec![0; words],
        ..rtp::Header::default()
    }
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
