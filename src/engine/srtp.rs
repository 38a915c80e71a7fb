//! SRTP and SRTCP (RFC 3711, RFC 7714). Media is sealed and opened in place; SRTCP goes through
//! rtc-srtp behind a guard.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod cm;
mod gcm;
mod index;
mod keys;
mod packet;
mod rtcp;
mod rtp;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;

use self::keys::Keys;
pub(crate) use self::packet::{HeaderFields, SrtpDrop};
use self::rtcp::Rtcp;
use self::rtp::Half;
use super::dtls::{KeyingMaterial, SrtpProfile};
use crate::error::Result;

/// Both directions of one session.
pub(crate) struct Srtp {
    profile: SrtpProfile,
    sender: Half,
    receiver: Half,
    /// A packet as it came, for a second try.
    copy: Vec<u8>,
    rtcp: Rtcp,
}

impl fmt::Debug for Srtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srtp")
            .field("profile", &self.profile)
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
            profile: material.profile,
            sender: Half::new(&local)?,
            receiver: Half::new(&remote)?,
            copy: Vec::new(),
            rtcp: Rtcp::new(&local, remote)?,
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
        self.sender.protect(out, start, header_len)
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
        self.rtcp.protect(plain, out)
    }

    /// Decrypts in place; the plain packet is `packet[..n]` for the `n` returned. After an error
    /// the content of `packet` is undefined.
    pub(crate) fn unprotect_rtp(
        &mut self,
        packet: &mut [u8],
        header: HeaderFields,
    ) -> std::result::Result<usize, SrtpDrop> {
        self.receiver.unprotect(&mut self.copy, packet, header)
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
        self.rtcp.unprotect(packet)
    }
}
