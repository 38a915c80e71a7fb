//! RTCP from the peer. It may lie: what it says is believed about its own sources and our own
//! SSRCs only, and the work is bounded by the size of the packet.

use std::time::Instant;

use super::RtpSession;
use crate::rtp::event::RtpEvent;
use crate::rtp::receiver::SenderClock;
use crate::rtp::reports::{
    Blocks, Rtcp, fir_entries, is_valid_compound, nack_sequence_numbers, packets, parts, words,
};
use crate::rtp::transport_cc;

/// Bound on the sequence numbers that one compound can ask for again; the rest is counted.
const MAX_NACKED: usize = 1_000;

impl RtpSession {
    /// Takes in an authenticated, decrypted compound packet.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        self.counters.compounds_received = self.counters.compounds_received.wrapping_add(1);
        if !is_valid_compound(compound) {
            self.counters.compounds_invalid = self.counters.compounds_invalid.wrapping_add(1);
            return;
        }
        self.timer.count(compound.len(), parts(compound));
        let mut nack_budget = MAX_NACKED;
        for packet in packets(compound) {
            match packet {
                Rtcp::SenderReport(info, blocks) => {
                    self.heard_sender_report(now, info.ssrc, info.ntp, info.rtp_timestamp);
                    self.handle_blocks(now, blocks);
                }
                Rtcp::ReceiverReport(blocks) => self.handle_blocks(now, blocks),
                Rtcp::SourceDescription => {}
                Rtcp::Bye(ssrcs, reason) => {
                    for ssrc in words(ssrcs) {
                        if !self.leave(now, ssrc, reason) {
                            add(&mut self.counters.byes_ignored, 1);
                        }
                    }
                }
                Rtcp::Pli { media } => match self.senders.get_mut(&media) {
                    Some(sender) => {
                        add(&mut sender.stats.plis, 1);
                        self.keyframe_asked(now, media);
                    }
                    None => add(&mut self.counters.feedback_ignored, 1),
                },
                Rtcp::Fir(entries) => self.handle_fir(now, entries),
                Rtcp::Nack { media, entries } => {
                    self.handle_nack(media, entries, &mut nack_budget);
                }
                Rtcp::Transport(body) => self.handle_transport(now, body),
                Rtcp::Other => add(&mut self.counters.packets_ignored, 1),
                Rtcp::Malformed => add(&mut self.counters.packets_malformed, 1),
            }
        }
    }

    fn heard_sender_report(&mut self, now: Instant, ssrc: u32, ntp: u64, rtp_timestamp: u32) {
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return;
        };
        if source.left_at.is_some() {
            return;
        }
        let before = source
            .clock
            .map(|clock| now.saturating_duration_since(clock.arrived));
        source.report_gap = before.unwrap_or_default().max(source.report_gap / 4 * 3);
        source.clock = Some(SenderClock {
            ntp,
            rtp_timestamp,
            arrived: now,
        });
        source.delay_known = true;
        source.last_heard = now;
        self.reports_heard = true;
        self.activate(ssrc);
    }

    fn handle_blocks(&mut self, now: Instant, blocks: Blocks<'_>) {
        let ntp_now = self.ntp_at(now);
        for block in blocks.iter() {
            let Some(sender) = self.senders.get_mut(&block.ssrc) else {
                add(&mut self.counters.feedback_ignored, 1);
                continue;
            };
            sender.reported(now, ntp_now, &block);
        }
    }

    fn handle_fir(&mut self, now: Instant, entries: &[u8]) {
        for (ssrc, sequence) in fir_entries(entries) {
            let Some(sender) = self.senders.get_mut(&ssrc) else {
                add(&mut self.counters.feedback_ignored, 1);
                continue;
            };
            // RFC 5104 section 4.3.1.2: the same number again is the same request repeated.
            if sender.last_fir == Some(sequence) {
                continue;
            }
            sender.last_fir = Some(sequence);
            add(&mut sender.stats.firs, 1);
            self.keyframe_asked(now, ssrc);
        }
    }

    fn handle_transport(&mut self, now: Instant, body: &[u8]) {
        let Some(feedback) = transport_cc::parse(body) else {
            add(&mut self.counters.packets_malformed, 1);
            return;
        };
        let received = feedback.arrivals.iter().flatten().count();
        let lost = feedback.arrivals.len().saturating_sub(received);
        let reports = &mut self.transport_reports;
        add(&mut reports.messages, 1);
        add(&mut reports.received, received as u64);
        add(&mut reports.lost, lost as u64);
        if self.path.told(now, &feedback) {
            self.path_strained = true;
        }
    }

    fn handle_nack(&mut self, media: u32, entries: &[u8], budget: &mut usize) {
        let Some(sender) = self.senders.get_mut(&media) else {
            add(&mut self.counters.feedback_ignored, 1);
            return;
        };
        let mut numbers = nack_sequence_numbers(entries);
        let sequence_numbers: Vec<u16> = numbers.by_ref().take(*budget).collect();
        *budget = budget.saturating_sub(sequence_numbers.len());
        add(&mut self.counters.nacks_dropped, numbers.count() as u64);
        add(&mut sender.stats.nacks, 1);
        add(&mut sender.stats.nacked, sequence_numbers.len() as u64);
        if !sequence_numbers.is_empty() {
            self.push_event(RtpEvent::Nack {
                ssrc: media,
                sequence_numbers,
            });
        }
    }
}

fn add(counter: &mut u64, count: u64) {
    *counter = counter.wrapping_add(count);
}
