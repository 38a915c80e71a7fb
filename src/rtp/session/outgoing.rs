//! The compound packets this endpoint sends (RFC 3550 section 6.1): a report first, then the
//! CNAME of each SSRC in it, then the rest.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

use super::RtpSession;
use crate::rtp::event::KeyframeRequest;
use crate::rtp::nack;
use crate::rtp::reports::{
    self, MAX_COUNT, MAX_NACK_ENTRIES, ReportBlock, SenderInfo, sdes_chunk_len, write_bye,
    write_cname, write_fir, write_nack, write_pli, write_receiver_report, write_sender_report,
    write_transport,
};

/// Bound on a compound packet, in bytes before SRTCP adds its 20: a datagram of 1,200 bytes passes
/// everywhere.
const MAX_COMPOUND: usize = 1_180;
/// Blocks in a receiver report that follows another report: two of these fill a compound.
const BLOCKS_APIECE: usize = 22;

/// A compound in the making: reports, and the SSRCs that they are of.
#[derive(Default)]
struct Reports {
    data: Vec<u8>,
    ssrcs: Vec<u32>,
}

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
        self.timer.count(compound.len(), reports::parts(&compound));
        self.counters.compounds_sent = self.counters.compounds_sent.wrapping_add(1);
        Some(compound)
    }

    /// One report for each SSRC that sends, several in a compound (RFC 8108 section 5.3 allows
    /// for that), with the blocks about the peer's sources that it speaks for; those that find no
    /// room in it follow in receiver reports (RFC 3550 section 6.4).
    fn build_reports(&mut self, now: Instant) {
        let mut blocks = self.report_blocks(now);
        let ntp = self.ntp_at(now);
        let senders = self.senders.iter().filter(|(_, sender)| sender.reports());
        let infos: Vec<SenderInfo> = senders
            .map(|(ssrc, sender)| SenderInfo {
                ssrc: *ssrc,
                ntp,
                rtp_timestamp: sender.timestamp_at(now),
                // The fields wrap (RFC 3550 section 6.4.1).
                packets: sender.stats.packets_sent as u32,
                octets: sender.stats.bytes_sent as u32,
            })
            .collect();
        let mut reports = Reports::default();
        for info in &infos {
            let mut own = blocks.remove(&info.ssrc).unwrap_or_default();
            let rest = own.split_off(own.len().min(MAX_COUNT));
            let mut packet = Vec::new();
            write_sender_report(&mut packet, info, &own);
            self.add_report(&mut reports, info.ssrc, &packet);
            self.add_blocks(&mut reports, info.ssrc, &rest);
        }
        for (ssrc, own) in blocks {
            self.add_blocks(&mut reports, ssrc, &own);
            self.reporter_announced = true;
        }
        if infos.is_empty() && reports.ssrcs.is_empty() && self.out.is_empty() {
            let mut packet = Vec::new();
            write_receiver_report(&mut packet, self.reporter, &[]);
            self.add_report(&mut reports, self.reporter, &packet);
            self.reporter_announced = true;
        }
        self.finish_reports(&mut reports);
    }

    fn add_blocks(&mut self, reports: &mut Reports, ssrc: u32, blocks: &[ReportBlock]) {
        for blocks in blocks.chunks(BLOCKS_APIECE) {
            let mut packet = Vec::new();
            write_receiver_report(&mut packet, ssrc, blocks);
            self.add_report(reports, ssrc, &packet);
        }
    }

    fn add_report(&mut self, reports: &mut Reports, ssrc: u32, packet: &[u8]) {
        let named = reports.ssrcs.last() == Some(&ssrc);
        let chunks = reports.ssrcs.len().saturating_add(usize::from(!named));
        let names = sdes_chunk_len(&self.cname).saturating_mul(chunks);
        let length = reports.data.len().saturating_add(packet.len());
        if !reports.data.is_empty()
            && (chunks > MAX_COUNT || length.saturating_add(names).saturating_add(4) > MAX_COMPOUND)
        {
            self.finish_reports(reports);
        }
        reports.data.extend_from_slice(packet);
        if reports.ssrcs.last() != Some(&ssrc) {
            reports.ssrcs.push(ssrc);
        }
    }

    fn finish_reports(&mut self, reports: &mut Reports) {
        let Reports { mut data, ssrcs } = std::mem::take(reports);
        if !data.is_empty() {
            write_cname(&mut data, &ssrcs, &self.cname);
            self.out.push_back(data);
        }
    }

    /// Blocks about all sources heard since their last one, by the SSRC of ours that tells them.
    /// They begin with another one each time: what is in one packet may be lost in it.
    fn report_blocks(&mut self, now: Instant) -> BTreeMap<u32, Vec<ReportBlock>> {
        let after = (Bound::Excluded(self.block_cursor), Bound::Unbounded);
        let turn: Vec<u32> = self
            .sources
            .range(after)
            .chain(self.sources.range(..=self.block_cursor))
            .filter(|(_, source)| source.heard_since_report && source.left_at.is_none())
            .map(|(ssrc, _)| *ssrc)
            .collect();
        let mut blocks: BTreeMap<u32, Vec<ReportBlock>> = BTreeMap::new();
        for (n, ssrc) in turn.into_iter().enumerate() {
            let speaker = self.speaker(ssrc);
            if let Some(source) = self.sources.get_mut(&ssrc) {
                blocks.entry(speaker).or_default().push(source.report(now));
                if n < MAX_COUNT {
                    self.block_cursor = ssrc;
                }
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
