#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use rtcp::goodbye::Goodbye;
use rtcp::packet::Packet;
use rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::receiver_report::ReceiverReport;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::SourceDescription;

use super::reports::{self, ReportBlock, SenderInfo};
use super::*;

pub(super) const OURS: u32 = 0x1000;
pub(super) const THEIRS: u32 = 0x2000;
const NTP: u64 = 0xe000_7000_0000_0000;

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn session(now: Instant, config: RtpConfig) -> RtpSession {
    RtpSession::new(now, "cname".into(), 42, (now, NTP), config)
}

pub(super) fn header(ssrc: u32, sequence_number: u16, timestamp: u32) -> RtpHeader {
    let mut out = Vec::new();
    write_header(
        &mut out,
        &OutgoingHeader {
            payload_type: 96,
            sequence_number,
            timestamp,
            ssrc,
            ..Default::default()
        },
    );
    RtpHeader::parse(&out).unwrap()
}

pub(super) fn events(session: &mut RtpSession) -> Vec<RtpEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

pub(super) fn compounds(session: &mut RtpSession, now: Instant) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| session.poll_rtcp(now)).collect()
}

/// Runs the session's timers until `end` and returns what it sent, and when.
pub(super) fn run(session: &mut RtpSession, end: Instant) -> Vec<(Instant, Vec<u8>)> {
    let mut sent = Vec::new();
    while let Some(at) = session.poll_timeout().filter(|at| *at <= end) {
        session.handle_timeout(at);
        assert!(session.poll_timeout().is_none_or(|next| next > at), "spins");
        sent.extend(compounds(session, at).into_iter().map(|c| (at, c)));
    }
    sent
}

fn decode(compound: &[u8]) -> Vec<Box<dyn Packet>> {
    assert!(compound.len() <= 1_200);
    assert!(reports::is_valid_compound(compound));
    let packets = rtcp::packet::unmarshal(&mut &compound[..]).unwrap();
    // RFC 3550 section 6.1: a report first, then the CNAME.
    let first = &packets[0];
    assert!(get::<SenderReport>(first).is_some() || get::<ReceiverReport>(first).is_some());
    assert!(
        packets
            .iter()
            .any(|p| get::<SourceDescription>(p).is_some())
    );
    packets
}

#[allow(clippy::borrowed_box)]
fn get<T: 'static>(packet: &Box<dyn Packet>) -> Option<&T> {
    packet.as_any().downcast_ref()
}

pub(super) fn find<T: Clone + 'static>(compound: &[u8]) -> Vec<T> {
    decode(compound)
        .iter()
        .filter_map(get::<T>)
        .cloned()
        .collect()
}

pub(super) fn peer_sr(ssrc: u32, ntp: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let info = SenderInfo {
        ssrc,
        ntp,
        rtp_timestamp: 77,
        packets: 1,
        octets: 1,
    };
    reports::write_sender_report(&mut out, &info, &[]);
    out
}

pub(super) fn peer_rr(blocks: &[ReportBlock]) -> Vec<u8> {
    let mut out = Vec::new();
    reports::write_receiver_report(&mut out, 0x3000, blocks);
    out
}

fn peer_bye(ssrcs: &[u32]) -> Vec<u8> {
    let mut out = peer_rr(&[]);
    reports::write_bye(&mut out, ssrcs);
    out
}

fn peer_pli(media: u32) -> Vec<u8> {
    let mut out = peer_rr(&[]);
    reports::write_pli(&mut out, 0x3000, media);
    out
}

pub(super) fn block(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_sequence_number: 9,
        jitter: 800,
        last_sr: 0,
        delay_since_last_sr: 0,
    }
}

#[test]
fn sender_report_has_the_numbers_of_rfc_3550() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    session.sent(start, OURS, 1_000, 100);
    session.sent(start + ms(20), OURS, 1_160, 60);
    let (at, compound) = run(&mut session, start + ms(700)).remove(0);
    let sr = find::<SenderReport>(&compound).remove(0);
    assert_eq!((sr.ssrc, sr.packet_count, sr.octet_count), (OURS, 2, 160));
    assert!(sr.reports.is_empty());
    let elapsed = at - start;
    assert_eq!(sr.ntp_time, NTP + reports::to_ntp(elapsed));
    let units = (elapsed - ms(20)).as_nanos() * 8_000 / 1_000_000_000;
    assert_eq!(u128::from(sr.rtp_time), 1_160 + units);
    let sdes = find::<SourceDescription>(&compound).remove(0);
    assert_eq!(sdes.chunks[0].source, OURS);
    assert_eq!(sdes.chunks[0].items[0].text, &b"cname"[..]);
}

#[test]
fn b019_a_cname_replaces_the_one_of_every_stream() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    session.add_sender(OURS + 1, 8_000).unwrap();
    session.set_cname("alice".into());
    session.sent(start, OURS, 1_000, 100);
    session.sent(start, OURS + 1, 1_000, 100);
    let (_, compound) = run(&mut session, start + ms(700)).remove(0);
    let sdes = find::<SourceDescription>(&compound).remove(0);
    let names = sdes.chunks.iter().map(|chunk| &chunk.items[0].text[..]);
    assert_eq!(names.collect::<Vec<_>>(), [b"alice", b"alice"]);
}

#[test]
fn receiver_report_has_the_numbers_of_rfc_3550() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    // 8 kHz, 20 ms; 12 is lost, 13 is 5 ms late: J = 40/16, then += (40 - J)/16.
    for (sequence, at, timestamp) in [(10, 0, 0), (11, 20, 160), (13, 65, 480), (14, 80, 640)] {
        let header = header(THEIRS, sequence, timestamp);
        assert!(session.received(start + ms(at), &header, 160, 8_000));
    }
    session.handle_rtcp(start + ms(90), &peer_sr(THEIRS, 0x1111_2222_3333_4444));
    let (at, compound) = run(&mut session, start + ms(700)).remove(0);
    let rr = find::<ReceiverReport>(&compound).remove(0);
    let report = &rr.reports[0];
    assert_eq!(report.ssrc, THEIRS);
    assert_eq!(report.total_lost, 1);
    assert_eq!(report.fraction_lost, 51);
    assert_eq!(report.last_sequence_number, 14);
    assert_eq!(report.jitter, 77 / 16);
    assert_eq!(report.last_sender_report, 0x2222_3333);
    let delay = (at - start - ms(90)).as_nanos() * 65_536 / 1_000_000_000;
    assert_eq!(u128::from(report.delay), delay);
    let stats = session.inbound_stats(THEIRS).unwrap();
    assert_eq!((stats.packets_received, stats.bytes_received), (4, 640));
    assert_eq!((stats.packets_lost, stats.active), (1, true));
    let clock = stats.clock.unwrap();
    assert_eq!(
        (clock.ntp, clock.rtp_timestamp),
        (0x1111_2222_3333_4444, 77)
    );
    // The next interval has no loss, the total stays; sources not heard are not reported.
    let later = at + ms(1);
    session.received(later, &header(THEIRS, 15, 800), 160, 8_000);
    let next = run(&mut session, later + Duration::from_secs(5));
    let rr = find::<ReceiverReport>(&next[0].1).remove(0);
    assert_eq!(
        (rr.reports[0].fraction_lost, rr.reports[0].total_lost),
        (0, 1)
    );
    assert!(find::<ReceiverReport>(&next[1].1)[0].reports.is_empty());
}

#[test]
fn sequence_numbers_follow_appendix_a_1() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    let mut receive = |sequence| {
        session.received(start, &header(THEIRS, sequence, 0), 1, 8_000);
        let stats = session.inbound_stats(THEIRS).unwrap();
        (stats.highest_sequence_number, stats.packets_lost)
    };
    assert_eq!(receive(0xfffe), (0xfffe, 0));
    assert_eq!(receive(0x0001), (0x1_0001, 2));
    // Late, then a duplicate.
    assert_eq!(receive(0xffff), (0x1_0001, 1));
    assert_eq!(receive(0x0000), (0x1_0001, 0));
    assert_eq!(receive(0x0000), (0x1_0001, -1));
    // One far packet changes nothing, two in a row are a restart.
    assert_eq!(receive(0x8000), (0x1_0001, -1));
    assert_eq!(receive(0x0002), (0x1_0002, -1));
    assert_eq!(receive(0x9000), (0x1_0002, -1));
    assert_eq!(receive(0x9001), (0x9001, 0));
}

/// D16: RFC 3550 section 6.3.1, over more than 1,000 reports of a sender, of a receiver, of many of
/// both, and with sources that come and go.
#[test]
fn r_d16_report_intervals_stay_within_the_range_of_rfc_3550() {
    const REPORTS: usize = 1_000;
    for (senders, sources, changing) in [(1, 0, false), (0, 1, false), (5, 5, false), (1, 3, true)]
    {
        let start = Instant::now();
        let mut session = session(start, RtpConfig::default());
        for n in 0..senders {
            session.add_sender(OURS + n, 48_000).unwrap();
            session.sent(start, OURS + n, 0, 100);
        }
        let mut times = Vec::new();
        let mut now = start;
        for round in 0u16..4_600 {
            for n in 0..sources {
                // Each is silent for a minute out of four.
                let silent = changing && (u32::from(round) / 240 + n) % 4 == 0;
                if !silent {
                    session.received(now, &header(THEIRS + n, round, 0), 100, 8_000);
                }
            }
            for n in 0..senders {
                session.sent(now, OURS + n, u32::from(round), 100);
            }
            now += ms(250);
            times.extend(run(&mut session, now).into_iter().map(|(at, _)| at));
        }
        times.dedup();
        assert!(times.len() > REPORTS, "{}", times.len());
        let first = (times[0] - start).as_secs_f64() * 1.21828;
        assert!((0.2499..=0.7501).contains(&first), "first: {first}");
        let mut mean = 0.0;
        let mut halves = [0; 2];
        for (index, pair) in times.windows(2).enumerate() {
            let interval = (pair[1] - pair[0]).as_secs_f64();
            mean += interval / (times.len() - 1) as f64;
            let factor = interval * 1.21828;
            let range = 0.4999..=1.5001;
            assert!(
                range.contains(&factor),
                "{senders}, {sources}, {index}: {factor}"
            );
            halves[usize::from(factor > 1.0)] += 1;
        }
        // Reconsideration favours longer intervals; the compensation brings the mean back to 1 s.
        assert!((mean - 1.0).abs() < 0.1, "{senders}, {sources}: {mean}");
        // Drawn, and not always the same.
        assert!(halves.iter().all(|half| *half > REPORTS / 8), "{halves:?}");
    }
}

#[test]
fn many_senders_and_sources_share_small_compounds() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    for ssrc in 0..70 {
        session.add_sender(ssrc, 90_000).unwrap();
        session.sent(start, ssrc, 0, 10);
    }
    let mut reported = std::collections::BTreeMap::new();
    let mut now = start;
    for sequence in 0..10 {
        for ssrc in 0..40 {
            session.received(now, &header(THEIRS + ssrc, sequence, 0), 10, 8_000);
        }
        now = session.poll_timeout().unwrap();
        session.handle_timeout(now);
        let sent = compounds(&mut session, now);
        let mut senders = Vec::new();
        for compound in &sent {
            let described: Vec<u32> = find::<SourceDescription>(compound)
                .iter()
                .flat_map(|sdes| sdes.chunks.iter().map(|chunk| chunk.source))
                .collect();
            let here = find::<SenderReport>(compound);
            assert!(here.iter().map(|sr| sr.ssrc).eq(described));
            for sr in here {
                senders.push(sr.ssrc);
                assert!(sr.reports.len() <= 31);
                for report in sr.reports {
                    *reported.entry(report.ssrc).or_insert(0) += 1;
                }
            }
        }
        assert!(senders.is_empty() || senders.iter().copied().eq(0..70));
    }
    // Everyone had a turn, nobody two more than another.
    assert_eq!(reported.len(), 40);
    let spread = reported.values().max().unwrap() - reported.values().min().unwrap();
    assert!(spread <= 1, "{reported:?}");
}

#[test]
fn g009_remove_says_bye_stop_does_not() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    for ssrc in [OURS, OURS + 1, OURS + 2] {
        session.add_sender(ssrc, 8_000).unwrap();
    }
    session.sent(start, OURS, 0, 1);
    session.sent(start, OURS + 1, 0, 1);
    session.stop_sender(OURS);
    assert!(compounds(&mut session, start).is_empty());
    // A stopped SSRC is not reported on, and continues with its next packet.
    let report = run(&mut session, start + ms(700)).remove(0).1;
    assert_eq!(find::<SenderReport>(&report).len(), 1);
    let later = start + ms(710);
    session.sent(later, OURS, 160, 1);
    assert_eq!(session.outbound_stats(OURS).unwrap().packets_sent, 2);
    session.remove_sender(OURS);
    let sent = compounds(&mut session, later);
    assert_eq!(sent.len(), 1);
    assert_eq!(find::<Goodbye>(&sent[0])[0].sources, [OURS]);
    // RFC 3550 section 6.3.7: who never sent anything must not say BYE.
    session.remove_sender(OURS + 2);
    assert!(compounds(&mut session, later).is_empty());
    session.close();
    let sent = compounds(&mut session, later);
    assert_eq!(find::<Goodbye>(&sent[0])[0].sources, [OURS + 1]);
    assert_eq!(session.poll_timeout(), None);
    assert!(!session.received(later, &header(THEIRS, 1, 1), 1, 8_000));
}

#[test]
fn a116_bye_ends_only_sources_the_peer_sent_from() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    session.received(start, &header(THEIRS, 1, 0), 1, 8_000);
    assert!(session.inbound_stats(THEIRS).unwrap().active);
    session.handle_rtcp(start, &peer_bye(&[OURS, 5, THEIRS, THEIRS]));
    let bye = RtpEvent::Bye {
        ssrc: THEIRS,
        reason: String::new(),
    };
    assert_eq!(events(&mut session), [bye]);
    assert_eq!(session.counters().byes_ignored, 3);
    assert!(!session.inbound_stats(THEIRS).unwrap().active);
    // A packet the BYE overtook does not bring it back, a later one does.
    assert!(!session.received(start + ms(100), &header(THEIRS, 2, 0), 1, 8_000));
    session.handle_rtcp(start + ms(100), &peer_sr(THEIRS, 1));
    assert_eq!(events(&mut session), []);
    assert!(session.received(start + ms(1_100), &header(THEIRS, 3, 0), 1, 8_000));
    assert!(session.inbound_stats(THEIRS).unwrap().active);
}

#[test]
fn a116_bye_carries_its_reason() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.received(start, &header(THEIRS, 1, 0), 1, 8_000);
    events(&mut session);
    let mut compound = peer_rr(&[]);
    compound.extend_from_slice(&[
        0x81, 203, 0, 3, 0, 0, 0x20, 0, 5, b'd', b'o', b'n', b'e', 0xff,
    ]);
    compound.extend_from_slice(&[0, 0]);
    session.handle_rtcp(start, &compound);
    let reason = "done\u{fffd}".to_owned();
    assert_eq!(
        events(&mut session),
        [RtpEvent::Bye {
            ssrc: THEIRS,
            reason
        }]
    );
}

#[test]
fn g033_a113_silence_times_out_once_and_a_packet_revives() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.received(start, &header(THEIRS, 1, 0), 1, 8_000);
    session.received(start + ms(4_000), &header(THEIRS, 2, 0), 1, 8_000);
    events(&mut session);
    run(&mut session, start + ms(13_999));
    assert_eq!(events(&mut session), []);
    run(&mut session, start + ms(14_000));
    assert_eq!(events(&mut session), [RtpEvent::Timeout { ssrc: THEIRS }]);
    run(&mut session, start + ms(20_000));
    assert_eq!(events(&mut session), []);
    session.received(start + ms(20_000), &header(THEIRS, 3, 0), 1, 8_000);
    assert!(session.inbound_stats(THEIRS).unwrap().active);
    run(&mut session, start + ms(30_000));
    assert_eq!(events(&mut session), [RtpEvent::Timeout { ssrc: THEIRS }]);
    // Five intervals of 5 s after its last packet it is no member any more, and the timers rest.
    run(&mut session, start + ms(44_999));
    assert!(session.inbound_stats(THEIRS).is_some());
    run(&mut session, start + ms(60_000));
    assert_eq!(session.inbound_stats(THEIRS), None);
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn g033_sender_reports_keep_a_muted_track_alive() {
    let start = Instant::now();
    let mut muted = session(start, RtpConfig::default());
    let mut peer = session(start, RtpConfig::default());
    muted.add_sender(OURS, 48_000).unwrap();
    muted.sent(start, OURS, 0, 1);
    peer.received(start, &header(OURS, 1, 0), 1, 48_000);
    events(&mut peer);
    for (at, compound) in run(&mut muted, start + ms(60_000)) {
        run(&mut peer, at);
        peer.handle_rtcp(at, &compound);
    }
    assert_eq!(events(&mut peer), []);
    muted.stop_sender(OURS);
    for (at, compound) in run(&mut muted, start + ms(80_000)) {
        run(&mut peer, at);
        peer.handle_rtcp(at, &compound);
    }
    assert_eq!(events(&mut peer), [RtpEvent::Timeout { ssrc: OURS }]);
}

#[test]
fn g033_the_timeout_is_configurable() {
    let start = Instant::now();
    let config = RtpConfig {
        source_timeout: ms(2_000),
        ..Default::default()
    };
    let mut session = session(start, config);
    session.received(start, &header(THEIRS, 1, 0), 1, 8_000);
    session.received(start, &header(THEIRS + 1, 1, 0), 1, 8_000);
    session.set_source_timeout(THEIRS + 1, ms(500));
    events(&mut session);
    run(&mut session, start + ms(1_999));
    assert_eq!(
        events(&mut session),
        [RtpEvent::Timeout { ssrc: THEIRS + 1 }]
    );
    run(&mut session, start + ms(2_000));
    assert_eq!(events(&mut session), [RtpEvent::Timeout { ssrc: THEIRS }]);
}

#[test]
fn remote_report_measures_the_round_trip() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    session.sent(start, OURS, 0, 1);
    let (at, compound) = run(&mut session, start + ms(700)).remove(0);
    let ntp = find::<SenderReport>(&compound)[0].ntp_time;
    let mut report = ReportBlock {
        last_sr: reports::ntp_middle(ntp),
        delay_since_last_sr: 0x8000,
        ..block(OURS)
    };
    let stranger = block(7);
    session.handle_rtcp(at + ms(620), &peer_rr(&[report, stranger]));
    let view = session.outbound_stats(OURS).unwrap().remote.unwrap();
    assert_eq!((view.fraction_lost, view.cumulative_lost), (64, -3));
    assert_eq!(view.jitter, ms(100));
    let error = view.rtt.unwrap().abs_diff(ms(120));
    assert!(error < Duration::from_micros(40), "{error:?}");
    assert_eq!(session.counters().feedback_ignored, 1);
    // Garbage gives no round trip: a negative one, hours, none yet.
    for (last_sr, delay) in [(report.last_sr, 0x9_0000), (1, 0), (0, 0)] {
        report.last_sr = last_sr;
        report.delay_since_last_sr = delay;
        session.handle_rtcp(at + ms(620), &peer_rr(&[report]));
        assert_eq!(
            session.outbound_stats(OURS).unwrap().remote.unwrap().rtt,
            None
        );
    }
}

#[test]
fn the_reporting_ssrc_evades_collisions() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.received(start, &header(THEIRS, 1, 0), 1, 8_000);
    let (at, compound) = run(&mut session, start + ms(700)).remove(0);
    let ours = find::<ReceiverReport>(&compound)[0].ssrc;
    session.received(at, &header(ours, 1, 0), 1, 8_000);
    assert_eq!(
        find::<Goodbye>(&compounds(&mut session, at)[0])[0].sources,
        [ours]
    );
    let next = run(&mut session, at + ms(2_000)).remove(0).1;
    assert_ne!(find::<ReceiverReport>(&next)[0].ssrc, ours);
}

#[test]
fn r_c16_key_frames_at_most_one_a_second() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 90_000).unwrap();
    let mut requested = Vec::new();
    for step in 0..5_000 {
        let now = start + ms(step);
        session.handle_timeout(now);
        session.handle_rtcp(now, &peer_pli(OURS));
        session.handle_rtcp(now, &peer_pli(5));
        for event in events(&mut session) {
            assert_eq!(event, RtpEvent::KeyframeRequested { ssrc: OURS });
            requested.push(step);
        }
    }
    assert_eq!(requested, [0, 1_000, 2_000, 3_000, 4_000]);
    // One that came too soon is kept, not lost.
    assert_eq!(session.poll_timeout(), Some(start + ms(5_000)));
    assert_eq!(session.outbound_stats(OURS).unwrap().plis, 5_000);
}

#[test]
fn a_fir_repeated_is_one_request() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 90_000).unwrap();
    for (second, sequence, expected) in [(0, 7, 1), (2, 7, 0), (4, 8, 1)] {
        let mut compound = peer_rr(&[]);
        reports::write_fir(&mut compound, 0x3000, OURS, sequence);
        session.handle_rtcp(start + ms(second * 1_000), &compound);
        assert_eq!(events(&mut session).len(), expected);
    }
}

#[test]
fn requests_for_key_frames_go_out_at_once_and_are_limited() {
    use KeyframeRequest::{Fir, Pli};
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    assert!(!session.request_keyframe(start, THEIRS, Pli));
    session.received(start, &header(THEIRS, 1, 0), 1, 90_000);
    assert!(session.request_keyframe(start, THEIRS, Pli));
    assert!(!session.request_keyframe(start + ms(499), THEIRS, Pli));
    let sent = compounds(&mut session, start);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        find::<PictureLossIndication>(&sent[0])[0].media_ssrc,
        THEIRS
    );
    for (at, sequence) in [(500, 1), (1_000, 2)] {
        assert!(session.request_keyframe(start + ms(at), THEIRS, Fir));
        let sent = compounds(&mut session, start + ms(at));
        let fir = find::<FullIntraRequest>(&sent[0]).remove(0);
        assert_eq!(
            (fir.fir[0].ssrc, fir.fir[0].sequence_number),
            (THEIRS, sequence)
        );
    }
    let stats = session.inbound_stats(THEIRS).unwrap();
    assert_eq!((stats.plis_sent, stats.firs_sent), (1, 2));
    // Many at once are split.
    for ssrc in 0..200 {
        session.received(start, &header(ssrc, 1, 0), 1, 90_000);
        assert!(session.request_keyframe(start, ssrc, Pli));
    }
    let sent = compounds(&mut session, start);
    let asked: usize = sent
        .iter()
        .map(|c| find::<PictureLossIndication>(c).len())
        .sum();
    assert_eq!(asked, 200);
}

#[test]
fn sources_are_bounded() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    for ssrc in 0..1_000 {
        assert!(session.received(start, &header(ssrc, 1, 0), 1, 8_000));
    }
    assert!(!session.received(start, &header(1_000, 1, 0), 1, 8_000));
    assert_eq!(session.counters().sources_refused, 1);
    session.remove_receiver(0);
    assert!(session.received(start, &header(1_000, 1, 0), 1, 8_000));
}

#[test]
fn cname_is_96_bits_in_base_64() {
    assert_eq!(cname_from_random([0; 12]), "AAAAAAAAAAAAAAAA");
    assert_eq!(cname_from_random([0xff; 12]), "////////////////");
    assert_eq!(cname_from_random(*b"Many hands m"), "TWFueSBoYW5kcyBt");
}

#[test]
fn extreme_configurations_neither_overflow_nor_spin() {
    let start = Instant::now();
    for time in [Duration::ZERO, Duration::MAX] {
        for session_bandwidth in [0, u64::MAX] {
            let config = RtpConfig {
                source_timeout: time,
                kind_timeouts: vec![("audio", time)],
                min_interval: time,
                keyframe_request_interval: time,
                session_bandwidth,
            };
            let mut session = session(start, config);
            session.add_sender(OURS, 0).unwrap();
            session.sent(start, OURS, 0, 1);
            session.received(start, &header(THEIRS, 1, 0), 1, 0);
            let label = MediaLabel {
                kind: "audio",
                ..MediaLabel::default()
            };
            session.label_source(THEIRS, &label.into());
            session.request_keyframe(start, THEIRS, KeyframeRequest::Pli);
            session.handle_rtcp(start, &peer_rr(&[block(OURS)]));
            let sent = run(&mut session, start + Duration::from_secs(60));
            assert!(sent.len() < 2_000, "{}", sent.len());
        }
    }
}

#[test]
fn a_long_cname_is_cut_and_fits() {
    let start = Instant::now();
    let clock = (start, NTP);
    let cname = "x".repeat(300);
    let mut session = RtpSession::new(start, cname, 1, clock, RtpConfig::default());
    for ssrc in 0..40 {
        session.add_sender(ssrc, 8_000).unwrap();
        session.sent(start, ssrc, 0, 1);
        session.received(start, &header(THEIRS + ssrc, 1, 0), 1, 8_000);
    }
    let sent = run(&mut session, start + ms(5_000));
    let chunks = sent.iter().flat_map(|(_, c)| find::<SourceDescription>(c));
    let texts: Vec<usize> = chunks
        .flat_map(|sdes| sdes.chunks)
        .map(|chunk| chunk.items[0].text.len())
        .collect();
    assert!(texts.len() >= 40 && texts.iter().all(|length| *length == 255));
}

#[test]
fn jitter_and_loss_follow_the_formulas_over_a_long_trace() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    let seed = 0x5eed_u64;
    let mut rng = crate::simnet::Rng::new(seed);
    let mut below = |bound: u64| rng.below(bound);
    // RFC 3550 appendices A.3 and A.8, by the letter, at one unit of the clock a millisecond.
    let (mut transit, mut jitter) = (None, 0i64);
    let (mut highest, mut received, mut reported) = (0, 0i64, 0);
    let (mut expected_prior, mut received_prior) = (0, 0);
    for sequence in 0..5_000u16 {
        if sequence > 0 && below(10) == 0 {
            continue;
        }
        let arrival = u64::from(sequence) * 20 + below(20);
        let now = start + ms(arrival);
        for (at, compound) in run(&mut session, now) {
            let rr = find::<ReceiverReport>(&compound).remove(0);
            let expected = highest + 1 - expected_prior;
            let lost = expected - (received - received_prior);
            (expected_prior, received_prior) = (highest + 1, received);
            let report = &rr.reports[0];
            assert_eq!(i64::from(report.jitter), jitter >> 4, "seed {seed}, {at:?}");
            assert_eq!(i64::from(report.fraction_lost), lost * 256 / expected);
            assert_eq!(i64::from(report.total_lost), highest + 1 - received);
            reported += 1;
        }
        let timestamp = u32::from(sequence) * 20;
        session.received(now, &header(THEIRS, sequence, timestamp), 1, 1_000);
        let new = arrival as i64 - i64::from(timestamp);
        if let Some(old) = transit.replace(new) {
            jitter += (new - old).abs() - ((jitter + 8) >> 4);
        }
        highest = i64::from(sequence);
        received += 1;
    }
    assert!(reported > 50, "{reported}");
}

/// RFC 5506: feedback alone may do without report and CNAME, and only where the peer said so.
#[test]
fn g043_feedback_is_of_reduced_size_where_it_may_be() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    let mut number = 0;
    let mut feedback = |session: &mut RtpSession, at: u64| {
        let now = start + ms(at);
        // One packet is missing.
        session.received(now, &header(THEIRS, number, 0), 1, 8_000);
        session.enable_nack(THEIRS);
        number += 2;
        session.received(now, &header(THEIRS, number, 0), 1, 8_000);
        number += 1;
        assert!(session.request_keyframe(now, THEIRS, KeyframeRequest::Pli));
        let pli = compounds(session, now).remove(0);
        session.handle_timeout(now + ms(20));
        let nack = compounds(session, now + ms(20)).pop().unwrap();
        session.received(now + ms(30), &header(THEIRS, number - 2, 0), 1, 8_000);
        (pli, nack)
    };
    session.set_reduced_size(true);
    // Nobody knows our CNAME yet.
    let (pli, nack) = feedback(&mut session, 0);
    assert_eq!(find::<PictureLossIndication>(&pli).len(), 1);
    decode(&nack);
    let reports = run(&mut session, start + ms(5_000));
    assert!(reports.len() > 3);
    reports.iter().for_each(|(_, report)| drop(decode(report)));
    let (pli, nack) = feedback(&mut session, 5_000);
    assert_eq!((pli.len(), &pli[..2]), (12, &[0x81, 206][..]));
    assert_eq!((nack.len(), &nack[..2]), (16, &[0x81, 205][..]));
    // Regular reports stay whole (RFC 5506 section 4.2), and so does a BYE.
    let reports = run(&mut session, start + ms(9_000));
    assert!(reports.len() > 2);
    reports.iter().for_each(|(_, report)| drop(decode(report)));
    // The other end takes them.
    let mut peer = super::session_tests::session(start, RtpConfig::default());
    peer.add_sender(THEIRS, 8_000).unwrap();
    peer.sent(start, THEIRS, 0, 1);
    for reduced in [&pli, &nack] {
        peer.handle_rtcp(start, reduced);
    }
    let told = events(&mut peer);
    assert_eq!(told[0], RtpEvent::KeyframeRequested { ssrc: THEIRS });
    assert!(
        matches!(&told[1], RtpEvent::Nack { ssrc: THEIRS, sequence_numbers } if sequence_numbers.len() == 1)
    );
    assert_eq!(peer.counters().compounds_invalid, 0);
    session.set_reduced_size(false);
    let (pli, nack) = feedback(&mut session, 9_000);
    decode(&pli);
    decode(&nack);
    session.set_reduced_size(true);
    session.close();
    compounds(&mut session, start + ms(9_100))
        .iter()
        .for_each(|bye| drop(decode(bye)));
}
