//! Fuzz targets of what the peer sends as RTP and RTCP, decrypted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use super::extensions::{
    decode_abs_send_time, decode_audio_level, decode_csrc_audio_levels, decode_text,
    decode_transport_cc,
};
use super::red_window::RedWindow;
use super::*;
use crate::simnet::Script;

const OURS: u32 = 0x1000;
const THEIRS: u32 = 0x2000;

/// Header, extensions and payload; what is read and written again is read as the same.
pub(crate) fn packet(data: &[u8]) {
    is_rtcp(data);
    let Ok(header) = RtpHeader::parse(data) else {
        return;
    };
    let Ok(packet) = to_packet(&header, data) else {
        return;
    };
    assert!(packet.payload.len() < data.len() && packet.csrcs.len() <= 15);
    let elements: Vec<_> = packet.extensions.iter().collect();
    for (_, value) in &elements {
        decode_text(value);
        decode_audio_level(value);
        decode_csrc_audio_levels(value).count();
        decode_abs_send_time(value);
        decode_transport_cc(value);
    }
    let mut out = Vec::new();
    write_header(
        &mut out,
        &OutgoingHeader {
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence_number: packet.sequence_number,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
            csrcs: &packet.csrcs,
            extensions: &elements,
        },
    );
    out.extend_from_slice(&packet.payload);
    let again = to_packet(&RtpHeader::parse(&out).unwrap(), &out).unwrap();
    assert!(again.extensions.iter().eq(elements.iter().copied()));
    assert_eq!(
        RtpPacket {
            extensions: HeaderExtensionValues::default(),
            ..again
        },
        RtpPacket {
            extensions: HeaderExtensionValues::default(),
            ..packet.clone()
        }
    );
    let mut changed = packet.extensions.clone();
    changed.insert(3, b"in").unwrap();
    assert_eq!(changed.get(3), Some(&b"in"[..]));
    changed.remove(3);
    assert_eq!(changed.get(3), None);
}

/// Redundant audio (RFC 2198).
pub(crate) fn red(data: &[u8]) {
    let mut window = RedWindow::new(7, false);
    let mut script = Script::new(data);
    let sequence_number = script.u16();
    let payload = script.rest();
    window.arrived(sequence_number, Some(0));
    let Some(red) = parse_red(payload) else {
        return;
    };
    let mut end = 0;
    for block in red.redundant.iter().chain([&red.primary]) {
        assert!(block.range.start >= end && block.range.end <= payload.len());
        end = block.range.end;
        window.place(sequence_number, 0u32.wrapping_sub(block.offset));
    }
    assert_eq!(end, payload.len());
}

fn session(now: Instant) -> RtpSession {
    let mut session = RtpSession::new(
        now,
        "cname".into(),
        42,
        (now, 0xe000_7000_0000_0000),
        RtpConfig::default(),
    );
    session.add_sender(OURS, 8_000).unwrap();
    session.sent(now, OURS, 1, 100);
    session
}

fn header(ssrc: u32, sequence_number: u16, timestamp: u32) -> RtpHeader {
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

fn check_output(session: &mut RtpSession, now: Instant, most_events: usize) {
    let events = std::iter::from_fn(|| session.poll_event()).count();
    assert!(events <= most_events, "{events} events");
    while let Some(out) = session.poll_rtcp(now) {
        assert!(out.len() <= 1_200);
        rtcp::packet::unmarshal(&mut &out[..]).unwrap();
    }
}

/// One compound, to a session that sends and receives.
pub(crate) fn rtcp(data: &[u8]) {
    let now = Instant::now();
    let mut session = session(now);
    session.enable_nack(THEIRS);
    for number in [1, 2, 5] {
        session.receive(now, &header(THEIRS, number, number.into()), 100, 90_000);
        session.transport_arrived(now, number, THEIRS);
    }
    let now = now + Duration::from_millis(700);
    session.handle_rtcp(now, data);
    session.handle_timeout(now);
    // One for each four bytes, and those that this end caused.
    check_output(&mut session, now, data.len() / 4 + 4);
}

/// A session over time: packets, compounds, verbs and timers in any order.
pub(crate) fn live_session(data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let mut session = session(now);
    let mut script = Script::new(data);
    let mut bytes = 0;
    while !script.is_done() {
        match script.byte() % 12 {
            0 | 1 => {
                let compound = script.block();
                bytes += compound.len();
                session.handle_rtcp(now, compound);
            }
            2 | 3 => {
                // Near one another, so that there is something to lose and to find again.
                let ssrc = THEIRS + u32::from(script.byte() % 4);
                let header = header(ssrc, script.u16(), script.u32());
                bytes += 12;
                session.receive(now, &header, script.byte().into(), 90_000);
                session.transport_arrived(now, header.sequence_number, ssrc);
            }
            4 => session.sent(now, OURS, script.u32(), script.byte().into()),
            5 => session.enable_nack(THEIRS + u32::from(script.byte() % 4)),
            6 => {
                let kind = [KeyframeRequest::Pli, KeyframeRequest::Fir];
                let ssrc = THEIRS + u32::from(script.byte() % 4);
                session.request_keyframe(now, ssrc, kind[usize::from(script.byte() % 2)]);
            }
            7 => {
                session.recovered(now, THEIRS, script.u16());
            }
            8 => session.remove_receiver(THEIRS + u32::from(script.byte() % 4)),
            9 => session.set_path_rtt(Some(Duration::from_millis(script.u16().into()))),
            10 => session.set_reduced_size(script.byte().is_multiple_of(2)),
            _ => {
                let end = now + Duration::from_millis(script.u16().into());
                while let Some(at) = session.poll_timeout().filter(|at| *at <= end) {
                    now = now.max(at);
                    session.handle_timeout(now);
                    assert!(
                        session.poll_timeout().is_none_or(|next| next > now),
                        "spins"
                    );
                    while session.poll_rtcp(now).is_some() {}
                }
                now = end;
            }
        }
    }
    session.handle_timeout(now);
    check_output(&mut session, now, bytes + 1_024);
    session.close();
    check_output(&mut session, now, 1_024);
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::rtp::fuzz_tests::corpus;
    use crate::simnet::script::block;

    pub(crate) fn packets() -> Vec<Vec<u8>> {
        let of = |csrcs: &[u32], extensions: &[(u8, &[u8])]| {
            let mut out = Vec::new();
            write_header(
                &mut out,
                &OutgoingHeader {
                    marker: true,
                    payload_type: 96,
                    sequence_number: 1,
                    ssrc: THEIRS,
                    csrcs,
                    extensions,
                    ..Default::default()
                },
            );
            out.extend_from_slice(b"payload");
            out
        };
        let mut padded = of(&[], &[]);
        padded[0] |= 0x20;
        padded.extend([0, 0, 3]);
        vec![
            of(&[], &[]),
            of(&[1, 2], &[(1, &[0x85]), (2, b"mid")]),
            of(&[], &[(15, &[]), (200, &[7; 40])]),
            padded,
        ]
    }

    pub(crate) fn compounds() -> Vec<Vec<u8>> {
        let mut all = corpus();
        all.push(corpus().concat());
        all
    }

    pub(crate) fn red() -> Vec<Vec<u8>> {
        let mut out = vec![0, 9];
        write_red_header(&mut out, 111, 960, 3);
        write_red_last_header(&mut out, 111);
        out.extend_from_slice(b"oldnew");
        vec![out, vec![0, 1, 111, 1, 2, 3]]
    }

    pub(crate) fn sessions() -> Vec<Vec<u8>> {
        let packet = |number: u8| vec![2, 0, 0, number, 0, 0, 0, number, 100];
        let lossy = [
            vec![5, 0],
            packet(1),
            packet(4),
            vec![11, 0, 200],
            packet(2),
            vec![6, 0, 0, 11, 4, 0],
        ];
        let mut all = vec![lossy.concat()];
        all.extend(corpus().iter().map(|compound| {
            let heard = [packet(1), vec![0], block(compound)].concat();
            [heard, vec![11, 8, 0]].concat()
        }));
        all
    }
}
