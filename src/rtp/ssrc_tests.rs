//! Whose SSRC is whose: collisions, and under which SSRC this end speaks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtcp::receiver_report::ReceiverReport;

use super::reports::{self, packets};
use super::session_tests::{
    OURS, THEIRS, block, compounds, events, find, header, ms, peer_sr, run, session,
};
use super::*;

fn label(kind: &'static str, mid: Option<&str>, streams: &[&str]) -> MediaLabel {
    MediaLabel {
        kind,
        mid: mid.map(str::to_owned),
        streams: streams.iter().map(|id| (*id).to_owned()).collect(),
    }
}

/// An RTCP packet of any type whose first word after the header is an SSRC.
fn any(count: u8, kind: u8, words: &[u32]) -> Vec<u8> {
    let mut out = vec![0x80 | count, kind];
    out.extend_from_slice(&(words.len() as u16).to_be_bytes());
    out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    out
}

/// libdatachannel's receiver writes its reports under the SSRC that they are about.
#[test]
fn r_c17_no_rtcp_is_a_collision_whatever_its_sender() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    session.sent(start, OURS, 0, 100);
    let mut report = Vec::new();
    reports::write_receiver_report(&mut report, OURS, &[block(OURS)]);
    let mut named = Vec::new();
    reports::write_cname(&mut named, &[OURS], "peer");
    let kinds = [
        peer_sr(OURS, 1),
        report.clone(),
        named,
        any(1, 203, &[OURS]),
        any(0, 204, &[OURS, 0x6162_6364]),
        any(0, 207, &[OURS, 0x0400_0002, 1, 2]),
        any(1, 205, &[OURS, OURS, 0x0001_0000]),
        any(
            15,
            205,
            &[OURS, OURS, 0x0001_0001, 0x0000_0000, 0x2001_0000],
        ),
        any(1, 206, &[OURS, OURS]),
        any(4, 206, &[OURS, 0, OURS, 0x0100_0000]),
        any(15, 206, &[OURS, 0, 0x5245_4d42, 0x0100_0000, OURS]),
    ];
    for seconds in 0..60u64 {
        let at = start + Duration::from_secs(seconds);
        for packet in &kinds {
            let mut compound = report.clone();
            compound.extend_from_slice(packet);
            session.handle_rtcp(at, packet);
            session.handle_rtcp(at, &compound);
        }
        session.sent(at, OURS, 0, 100);
        run(&mut session, at + ms(999));
        for event in events(&mut session) {
            assert!(
                !matches!(event, RtpEvent::SsrcCollision { .. }),
                "{event:?}"
            );
        }
    }
    assert_eq!(
        session
            .outbound_stats(OURS)
            .unwrap()
            .remote
            .unwrap()
            .fraction_lost,
        64
    );
}

/// The SSRC of an end that sends nothing is as safe.
#[test]
fn r_c17_reports_leave_the_reporting_ssrc_alone() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.received(start, &header(THEIRS, 1, 0), 1, 8_000);
    let (at, compound) = run(&mut session, start + ms(700)).remove(0);
    let ours = find::<ReceiverReport>(&compound)[0].ssrc;
    session.handle_rtcp(at, &any(0, 201, &[ours]));
    session.handle_rtcp(at, &peer_sr(ours, 1));
    assert!(compounds(&mut session, at).is_empty());
    session.received(at, &header(THEIRS, 2, 0), 1, 8_000);
    let next = run(&mut session, at + ms(2_000)).remove(0).1;
    assert_eq!(find::<ReceiverReport>(&next)[0].ssrc, ours);
}

/// 200 tracks each way, all but one muted: none is taken for dead, at either end.
#[test]
fn g033_silent_tracks_stay_alive_however_many_there_are() {
    for tracks in [1u32, 50, 200, 500, 900] {
        let start = Instant::now();
        let mut ends = [1u32, 2].map(|end| {
            let mut session = session(start, RtpConfig::default());
            for n in 0..tracks {
                session.add_sender(end * 10_000 + n, 90_000).unwrap();
                session.sent(start, end * 10_000 + n, 0, 100);
            }
            for n in 0..tracks {
                session.received(start, &header((3 - end) * 10_000 + n, 1, 0), 100, 90_000);
            }
            events(&mut session);
            session
        });
        let (mut bytes, mut now) = (0, start);
        let end = start + Duration::from_secs(60);
        while let Some(at) = ends.iter().filter_map(RtpSession::poll_timeout).min() {
            now = now.max(at);
            if now > end {
                break;
            }
            for from in 0..2 {
                ends[from].handle_timeout(now);
                for compound in compounds(&mut ends[from], now) {
                    assert!(compound.len() <= 1_180);
                    bytes += compound.len() + 28;
                    ends[1 - from].handle_rtcp(now, &compound);
                }
            }
        }
        for session in &mut ends {
            let lost = |event: &RtpEvent| matches!(event, RtpEvent::Timeout { .. });
            assert!(!events(session).iter().any(lost), "{tracks}");
        }
        // 5 % of 1 Mbit/s in both directions, and what a few tracks cost each second.
        let rate = bytes * 8 / 60;
        assert!(rate < 2 * 60_000, "{tracks}: {rate}");
    }
}

/// Every source that is heard has its block in each interval, under an SSRC of its kind.
#[test]
fn report_blocks_of_all_sources_go_out_in_every_interval() {
    for (sources, senders) in [
        (1u32, 0u32),
        (31, 1),
        (32, 1),
        (200, 0),
        (200, 1),
        (200, 3),
        (900, 2),
    ] {
        let start = Instant::now();
        let mut session = session(start, RtpConfig::default());
        for ssrc in 0..senders {
            session.add_sender(ssrc, 90_000).unwrap();
            session.label_sender(ssrc, label("video", None, &[]));
            session.sent(start, ssrc, 0, 10);
        }
        let mut reported = std::collections::BTreeSet::new();
        for ssrc in THEIRS..THEIRS + sources {
            session.received(start, &header(ssrc, 1, 0), 1_000, 90_000);
            let kind = if ssrc % 2 == 0 { "video" } else { "audio" };
            session.label_source(ssrc, &Arc::new(label(kind, None, &[])));
        }
        let mut reports = 0;
        while reports == 0 {
            let now = session.poll_timeout().unwrap();
            session.handle_timeout(now);
            for compound in compounds(&mut session, now) {
                reports += 1;
                for report in find::<ReceiverReport>(&compound) {
                    assert!(report.reports.len() <= 31);
                    reported.extend(report.reports.iter().map(|block| block.ssrc));
                }
                for report in find::<rtcp::sender_report::SenderReport>(&compound) {
                    assert!(report.reports.iter().all(|block| block.ssrc % 2 == 0));
                    reported.extend(report.reports.iter().map(|block| block.ssrc));
                }
            }
        }
        assert_eq!(reported.len(), sources as usize, "{sources} {senders}");
    }
}

/// The 1,001st source, and all that follow, find room where others have ended.
#[test]
fn sources_that_ended_make_room() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    for ssrc in 1..5_000 {
        assert!(
            session.received(start, &header(ssrc, 1, 0), 1, 8_000),
            "{ssrc}"
        );
        let mut bye = Vec::new();
        reports::write_bye(&mut bye, &[ssrc]);
        session.handle_rtcp(start, &bye);
        events(&mut session);
    }
    assert_eq!(session.counters().sources_refused, 0);
}

fn collisions(session: &mut RtpSession) -> Vec<u32> {
    let told = events(session).into_iter();
    told.filter_map(|event| match event {
        RtpEvent::SsrcCollision { ssrc } => Some(ssrc),
        _ => None,
    })
    .collect()
}

#[test]
fn r_c17_rtp_with_our_ssrc_is_a_collision_once() {
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    for ssrc in [OURS, OURS + 1] {
        session.add_sender(ssrc, 8_000).unwrap();
        session.sent(start, ssrc, 0, 100);
    }
    let mut at = start;
    for n in 0..100 {
        at += ms(20);
        session.received(at, &header(OURS, n, 0), 1, 8_000);
        // Also where nobody declared the source.
        session.check_collision(at, OURS + 1);
    }
    assert_eq!(collisions(&mut session), [OURS, OURS + 1]);
    assert!(session.add_sender(OURS, 8_000).is_err());
    session.remove_sender(OURS);
    assert!(session.add_sender(OURS, 8_000).is_err(), "the peer has it");
    // A peer that returns what it gets takes up any number: that is a loop.
    for ssrc in 0..20 {
        session.add_sender(ssrc, 8_000).unwrap();
        at += ms(1_000);
        session.sent(at, ssrc, 0, 100);
        session.received(at, &header(ssrc, 1, 0), 1, 8_000);
        session.remove_sender(ssrc);
    }
    assert!(collisions(&mut session).is_empty());
    // A minute without: the next is news.
    session.add_sender(500, 8_000).unwrap();
    at += ms(60_000);
    session.sent(at, 500, 0, 100);
    session.received(at, &header(500, 1, 0), 1, 8_000);
    assert_eq!(collisions(&mut session), [500]);
}

/// The sender of the feedback on a source in a compound, which speaks for one SSRC throughout.
fn speakers(session: &mut RtpSession, now: Instant) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for compound in compounds(session, now) {
        let word = |at: usize| u32::from_be_bytes(compound[at..at + 4].try_into().unwrap());
        let mut at = 0;
        for packet in packets(&compound) {
            if matches!(compound[at + 1], 205 | 206) {
                assert_eq!(word(at + 4), word(4), "{packet:?}");
                found.push((word(at + 8), word(at + 4)));
            }
            at += 4 * (usize::from(u16::from_be_bytes([compound[at + 2], compound[at + 3]])) + 1);
        }
    }
    found.sort_unstable();
    found
}

/// Janus finds the medium by the sender's SSRC and ignores a NACK of audio's for video.
#[test]
fn feedback_goes_out_under_an_ssrc_of_its_kind() {
    let start = Instant::now();
    let source = |session: &mut RtpSession, ssrc, label| {
        session.received(start, &header(ssrc, 1, 0), 1, 90_000);
        session.label_source(ssrc, &Arc::new(label));
        session.enable_nack(ssrc);
    };
    let ask = |session: &mut RtpSession, after: u64| {
        let now = start + ms(after);
        for ssrc in THEIRS..THEIRS + 4 {
            session.received(now, &header(ssrc, after as u16, 0), 1, 90_000);
            session.request_keyframe(now, ssrc, KeyframeRequest::Pli);
        }
        session.handle_timeout(now + ms(10));
        speakers(session, now + ms(10))
    };
    for reduced in [false, true] {
        let mut session = session(start, RtpConfig::default());
        session.set_reduced_size(reduced);
        source(&mut session, THEIRS, label("video", Some("v"), &["cam"]));
        source(&mut session, THEIRS + 1, label("video", None, &["screen"]));
        source(
            &mut session,
            THEIRS + 2,
            label("audio", Some("a"), &["cam"]),
        );
        source(&mut session, THEIRS + 3, label("video", Some("w"), &[]));
        // Audio has the smallest SSRC; nothing of video is sent: no medium is named.
        session.add_sender(1, 8_000).unwrap();
        session.label_sender(1, label("audio", None, &["cam"]));
        session.sent(start, 1, 0, 100);
        let asked = ask(&mut session, 100);
        let reporter = asked[0].1;
        assert!(
            asked
                .iter()
                .all(|(about, from)| { *from == if *about == THEIRS + 2 { 1 } else { reporter } })
        );
        assert_ne!(reporter, 1);
        for (ssrc, label) in [
            (2, label("video", None, &["other"])),
            (3, label("video", None, &["screen"])),
            (4, label("video", Some("v"), &["screen"])),
            (5, label("video", Some("w"), &[])),
        ] {
            session.add_sender(ssrc, 90_000).unwrap();
            session.label_sender(ssrc, label);
            // What is declared and not sent speaks for nothing.
            if ssrc != 5 {
                session.sent(start, ssrc, 0, 100);
            }
        }
        let mut asked = ask(&mut session, 4_000);
        asked.dedup();
        let expected = [
            (THEIRS, 4),
            (THEIRS + 1, 3),
            (THEIRS + 2, 1),
            (THEIRS + 3, 2),
        ];
        assert_eq!(asked, expected, "reduced {reduced}");
    }
}
