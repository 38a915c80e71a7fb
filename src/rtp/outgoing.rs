//! The compound packets this endpoint sends (RFC 3550 section 6.1): a report first, then the
//! CNAME of each SSRC in it, then the rest.

use std::ops::Bound;
use std::time::Instant;

use super::event::KeyframeRequest;
use super::nack;
use super::reports::{
    self, MAX_COUNT, MAX_NACK_ENTRIES, ReportBlock, SenderInfo, sdes_chunk_len, write_bye,
    write_cname, write_fir, write_nack, write_pli, write_receiver_report, write_sender_report,
    write_transport,
};
use super::session::RtpSession;

/// Bound on a compound packet, in bytes before SRTCP adds its 20: a datagram of 1,200 bytes passes
/// everywhere.
const MAX_COMPOUND: usize = 1_180;
const SENDER_REPORT_LEN: usize = 28;

impl RtpSession {
    /// The next compound packet to send, of at most 1,180 bytes. To be called until `None` after
    /// `handle_timeout`, `request_keyframe`, `remove_sender` and `close`.
    pub(crate) fn poll_rtcp(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.out.is_empty() {
            if std::mem::take(&mut self.report_due) {
                self.build_reports(now);
            }
            if !self.byes.is_empty() {
                self.build_byes();
            }
            if !self.requests.is_empty() || !self.nacks.is_empty() || self.transport_due {
                self.build_feedback();
            }
        }
        let compound = self.out.pop_front()?;
        self.timer.count(compound.len());
        self.counters.compounds_sent = self.counters.compounds_sent.wrapping_add(1);
        Some(compound)
    }

    /// One report for each SSRC that sends, several in a compound (RFC 8108 section 5.3 allows
    /// for that). The first carries the blocks about the peer's sources.
    fn build_reports(&mut self, now: Instant) {
        let mut blocks = self.report_blocks(now);
        let ntp = self.ntp_at(now);
        let mut infos = self
            .senders
            .iter()
            .filter(|(_, sender)| sender.reports())
            .map(|(ssrc, sender)| SenderInfo {
                ssrc: *ssrc,
                ntp,
                rtp_timestamp: sender.timestamp_at(now),
                // The fields wrap (RFC 3550 section 6.4.1).
                packets: sender.stats.packets_sent as u32,
                octets: sender.stats.bytes_sent as u32,
            })
            .peekable();
        if infos.peek().is_none() {
            drop(infos);
            let mut out = Vec::new();
            write_receiver_report(&mut out, self.reporter, &blocks);
            write_cname(&mut out, &[self.reporter], &self.cname);
            self.reporter_announced = true;
            self.out.push_back(out);
            return;
        }
        let per_sender = SENDER_REPORT_LEN.saturating_add(sdes_chunk_len(&self.cname));
        while infos.peek().is_some() {
            let mut out = Vec::new();
            let mut ssrcs = Vec::new();
            // What is in `out`, and the SDES packet that will follow.
            let mut length = blocks
                .len()
                .saturating_mul(reports::BLOCK_LEN)
                .saturating_add(4);
            while let Some(info) = infos.next_if(|_| {
                ssrcs.is_empty()
                    || (ssrcs.len() < MAX_COUNT
                        && length.saturating_add(per_sender) <= MAX_COMPOUND)
            }) {
                write_sender_report(&mut out, &info, &blocks);
                blocks.clear();
                ssrcs.push(info.ssrc);
                length = length.saturating_add(per_sender);
            }
            write_cname(&mut out, &ssrcs, &self.cname);
            self.out.push_back(out);
        }
    }

    /// Blocks about the sources heard since their last one, at most 31, taking turns.
    fn report_blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let after = (Bound::Excluded(self.block_cursor), Bound::Unbounded);
        let turn: Vec<u32> = self
            .sources
            .range(after)
            .chain(self.sources.range(..=self.block_cursor))
            .filter(|(_, source)| source.heard_since_report && source.left_at.is_none())
            .map(|(ssrc, _)| *ssrc)
            .take(MAX_COUNT)
            .collect();
        let mut blocks = Vec::with_capacity(turn.len());
        for ssrc in turn {
            if let Some(source) = self.sources.get_mut(&ssrc) {
                blocks.push(source.report(now));
                self.block_cursor = ssrc;
            }
        }
        blocks
    }

    /// BYE goes out at once: a group of fewer than 50 need not spread it (RFC 3550 section 6.3.7).
    fn build_byes(&mut self) {
        let byes = std::mem::take(&mut self.byes);
        for ssrcs in byes.chunks(MAX_COUNT) {
            let Some(first) = ssrcs.first().copied() else {
                continue;
            };
            let mut out = Vec::new();
            write_receiver_report(&mut out, first, &[]);
            write_cname(&mut out, &[first], &self.cname);
            write_bye(&mut out, ssrcs);
            self.out.push_back(out);
        }
    }

    /// Feedback goes out at once, in minimal compound packets (RFC 4585 section 3.1); where the
    /// peer allows for it without report and CNAME (RFC 5506), once another compound has told the
    /// CNAME.
    fn build_feedback(&mut self) {
        let reduced = self.reduced_size && !self.timer.initial;
        let mut packets = Vec::new();
        for (ssrc, request) in std::mem::take(&mut self.requests) {
            let from = self.speaker(ssrc);
            let Some(source) = self.sources.get_mut(&ssrc) else {
                continue;
            };
            let mut packet = Vec::new();
            match request {
                KeyframeRequest::Pli => write_pli(&mut packet, from, ssrc),
                KeyframeRequest::Fir => {
                    source.fir_sequence = source.fir_sequence.wrapping_add(1);
                    write_fir(&mut packet, from, ssrc, source.fir_sequence);
                }
            }
            packets.push((from, packet));
        }
        for (ssrc, sequence_numbers) in std::mem::take(&mut self.nacks) {
            let from = self.speaker(ssrc);
            for entries in nack::entries(&sequence_numbers).chunks(MAX_NACK_ENTRIES) {
                let mut packet = Vec::new();
                write_nack(&mut packet, from, ssrc, entries);
                packets.push((from, packet));
            }
        }
        let media = self.transport.as_ref().map(|recorder| recorder.media);
        if std::mem::take(&mut self.transport_due)
            && let Some(from) = media.map(|media| self.speaker(media))
            && let Some(recorder) = &mut self.transport
        {
            while let Some(body) = recorder.message() {
                let mut packet = Vec::new();
                write_transport(&mut packet, from, recorder.media, &body);
                packets.push((from, packet));
            }
        }
        // One compound speaks for one SSRC.
        packets.sort_by_key(|(from, _)| *from);
        let mut out = Vec::new();
        let mut speaker = None;
        for (from, packet) in packets {
            let full = out.len().saturating_add(packet.len()) > MAX_COMPOUND;
            if !out.is_empty() && (full || speaker != Some(from)) {
                self.out.push_back(std::mem::take(&mut out));
            }
            speaker = Some(from);
            let named = from != self.reporter || self.reporter_announced;
            if out.is_empty() && !(reduced && named) {
                write_receiver_report(&mut out, from, &[]);
                write_cname(&mut out, &[from], &self.cname);
                self.reporter_announced |= from == self.reporter;
            }
            out.extend_from_slice(&packet);
        }
        if !out.is_empty() {
            self.out.push_back(out);
        }
    }
}

/// A CNAME of 96 random bits in base 64 (RFC 7022 section 4.2), for one connection.
pub(crate) fn cname_from_random(random: [u8; 12]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| ALPHABET.get((bits & 0x3f) as usize).map(|b| char::from(*b));
    random
        .chunks_exact(3)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b));
            [bits >> 18, bits >> 12, bits >> 6, bits]
        })
        .filter_map(digit)
        .collect()
}
