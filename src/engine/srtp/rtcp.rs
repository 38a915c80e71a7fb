//! SRTCP in both directions, by rtc-srtp behind a guard.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeMap;

use webrtc_srtp::context::Context;

use super::keys::Keys;
use super::packet::SrtpDrop;
use super::{cm, gcm};
use crate::engine::guard::contain;
use crate::error::{Error, Result};

/// Sources of SRTCP over the life of the keys: like those that ended.
const MAX_SOURCES: usize = 65_536;
/// SRTCP packets that may be overtaken.
const WINDOW: u32 = 64;
const RTCP_HEADER: usize = 8;
const SRTCP_INDEX: usize = 4;
/// RFC 3711 section 9.2: no more SRTCP packets than this under one key.
const MAX_SRTCP_PACKETS: u32 = 0x7fff_ffff;

pub(super) struct Rtcp {
    /// The peer's keys, to try what comes of an unknown source.
    remote: Keys,
    send: Context,
    sent: u32,
    receive: Context,
    sources: BTreeMap<u32, Window>,
}

/// Highest index accepted of an SRTCP source, and which of the 64 up to it were.
#[derive(Default)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Rtcp {
    pub(super) fn new(local: &Keys, remote: Keys) -> Result<Self> {
        Ok(Self {
            send: local.context()?,
            sent: 0,
            receive: remote.context()?,
            sources: BTreeMap::new(),
            remote,
        })
    }

    /// Appends the protected form of the compound packet `plain` to `out`.
    pub(super) fn protect(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if plain.len() < RTCP_HEADER {
            return Err(Error::invalid_parameters("not an RTCP packet"));
        }
        // rtc-srtp lets the index wrap, which would use nonces again.
        if self.sent >= MAX_SRTCP_PACKETS {
            return Err(Error::invalid_state("the SRTCP key is used up"));
        }
        let context = &mut self.send;
        let sealed = contain(|| context.encrypt_rtcp(plain))
            .map_err(|_| Error::crypto("internal fault"))?
            .map_err(Error::crypto)?;
        self.sent = self.sent.saturating_add(1);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    /// Decrypts in place; the plain packet is `packet[..n]` for the `n` returned.
    pub(super) fn unprotect(&mut self, packet: &mut [u8]) -> std::result::Result<usize, SrtpDrop> {
        let (tag, after_index) = if self.remote.are_gcm() {
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
        match self.sources.get(&ssrc) {
            Some(window) if !window.is_new(index) => return Err(SrtpDrop::Replayed),
            Some(_) => {}
            None => {
                let mut probe = self.remote.context().map_err(|_| SrtpDrop::Forged)?;
                opened(|| probe.decrypt_rtcp(packet))?;
                if self.sources.len() >= MAX_SOURCES {
                    return Err(SrtpDrop::TooManySources);
                }
            }
        }
        let context = &mut self.receive;
        let plain = opened(|| context.decrypt_rtcp(packet))?;
        self.sources.entry(ssrc).or_default().accept(index);
        put(packet, &plain)
    }
}

impl Window {
    fn is_new(&self, index: u32) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WINDOW && self.seen >> behind & 1 == 0,
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
