//! A packet that comes in, and its chunks: which count, and whose they are.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::state::{Association, State};
use crate::engine::sctp::SctpFailure;
use crate::engine::sctp::wire::{self, Chunk};

/// A lone packet is acknowledged after this long (RFC 9260 section 6.2 allows up to 500 ms).
const ACK_DELAY: Duration = Duration::from_millis(20);

impl Association {
    /// RFC 9260 section 6.8; a checksum of zero stands for none (RFC 9653 section 5.2), but not
    /// where the peer cannot know yet that this is taken.
    fn checksum_holds(&self, packet: &[u8], checksum: u32, first: u8) -> bool {
        if checksum == 0 && first != wire::INIT && first != wire::COOKIE_ECHO {
            return true;
        }
        wire::checksum(packet) == Some(checksum)
    }

    pub(super) fn dispatch(&mut self, now: Instant, packet: &[u8]) -> Option<()> {
        let (header, list) = wire::header(packet)?;
        // All of it must be well-formed before any of it counts.
        if list.is_empty() || wire::chunks(list).any(|chunk| chunk.is_err()) {
            return None;
        }
        let first = list.first().copied()?;
        // RFC 9260 section 3: never with others in one packet. It has a tag of its own.
        if first == wire::INIT && wire::chunks(list).nth(1).is_some() {
            return None;
        }
        if !self.checksum_holds(packet, header.checksum, first) {
            return None;
        }
        let reflected = first == wire::ABORT && header.tag == self.peer_tag;
        let expected = if first == wire::INIT {
            0
        } else {
            self.handshake.tag
        };
        // RFC 9260 section 8.5.
        if header.tag != expected && !reflected {
            return None;
        }
        let mut data = false;
        for chunk in wire::chunks(list).flatten() {
            if self.state == State::Over {
                return Some(());
            }
            if chunk.kind == wire::DATA {
                data |= self.data(&chunk);
                continue;
            }
            let strayed = chunk.kind == wire::INIT && first != wire::INIT;
            if strayed || self.chunk(now, &chunk).is_none() {
                self.drop_packet();
            }
            // RFC 9260 section 3.2: the high bit of an unknown type says whether to go on.
            if !wire::is_known(chunk.kind) && chunk.kind & 0x80 == 0 {
                break;
            }
        }
        if data {
            self.inbound.packets_to_ack = self.inbound.packets_to_ack.saturating_add(1);
            if self.inbound.packets_to_ack == 1 {
                self.ack_at = now.checked_add(ACK_DELAY);
            }
            self.perform_deferred_reset();
        }
        Some(())
    }

    fn data(&mut self, chunk: &Chunk<'_>) -> bool {
        if !matches!(self.state, State::Established | State::CookieEchoed) {
            return false;
        }
        let taken = wire::Data::parse(chunk.flags, chunk.body)
            .and_then(|data| self.inbound.data(&data, &mut self.events));
        if taken.is_none() {
            self.drop_packet();
        }
        true
    }

    fn chunk(&mut self, now: Instant, chunk: &Chunk<'_>) -> Option<()> {
        match chunk.kind {
            wire::INIT => self.on_init(chunk.body),
            wire::INIT_ACK => self.on_init_ack(now, chunk.body),
            wire::COOKIE_ECHO => self.on_cookie_echo(now, chunk.body),
            wire::COOKIE_ACK => {
                if self.state == State::CookieEchoed {
                    self.establish();
                }
                Some(())
            }
            wire::SACK if self.state == State::Established => self.on_sack(now, chunk.body),
            wire::FORWARD_TSN if self.state == State::Established => {
                self.inbound.forward(chunk.body, &mut self.events)?;
                self.perform_deferred_reset();
                Some(())
            }
            wire::RECONFIG if self.state == State::Established => self.on_reconfig(now, chunk.body),
            wire::HEARTBEAT => {
                self.push_control(wire::chunk(wire::HEARTBEAT_ACK, 0, chunk.body));
                Some(())
            }
            wire::HEARTBEAT_ACK if self.state == State::Established => {
                self.resets.on_heartbeat(chunk.body);
                self.path_mtu.on_answer(chunk.body)
            }
            wire::ABORT if self.state == State::CookieWait && self.offer_less(now) => Some(()),
            wire::ABORT => {
                self.fail(SctpFailure::PeerAborted);
                Some(())
            }
            wire::SHUTDOWN => {
                self.push_control(wire::chunk(wire::SHUTDOWN_ACK, 0, &[]));
                self.fail(SctpFailure::PeerClosed);
                Some(())
            }
            _ => Some(()),
        }
    }
}
