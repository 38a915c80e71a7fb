//! Digits between two connections over loopback.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::time::Duration;

use crate::common::{Peer, loopback, pair, run, within};
use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack, DTMFTone};
use ortc::rtp::RtpPacket;
use ortc::{
    Error, ErrorName, Kind, MediaStream, MediaStreamTrack, Misuse, RTCCodec, RTCConnection,
    RTCConnectionEvent, RTCTrackDescription, RTCTrackFilter,
};

/// Runs a test with two connections that are connecting, and closes them.
async fn between(test: impl AsyncFnOnce(&Peer, &Peer)) {
    run(async {
        let (a, b) = pair().await;
        test(&a, &b).await;
        a.connection.close();
        b.connection.close();
    })
    .await;
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A stream with audio and digits.
fn telephone() -> (MediaStream, MediaStreamTrack, DTMFMediaStreamTrack) {
    let (stream, audio, digits) = (
        MediaStream::new(),
        MediaStreamTrack::audio(),
        DTMFMediaStreamTrack::new(),
    );
    stream.add_track(&digits);
    stream.add_track(&audio);
    (stream, audio, digits)
}

/// Has `to` receive all that `from` sends; the audio and the digits, in the order of SSRCs sent.
fn receive(from: &Peer, to: &Peer) -> (MediaStreamTrack, DTMFMediaStreamTrack) {
    let track = &from.connection.tracks()[0];
    let json = serde_json::to_string(&track.description().unwrap()).unwrap();
    let description: RTCTrackDescription = serde_json::from_str(&json).unwrap();
    let audio = to.connection.receive_track(description).unwrap();
    let digits = to.connection.dtmf_track(&audio).unwrap();
    (audio, digits)
}

/// The events up to the end of the digits, as text.
async fn events(track: &DTMFMediaStreamTrack, digits: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut complete = 0;
    while complete < digits {
        let event = within(10, track.next_event()).await.unwrap();
        seen.push(match event {
            DTMFEvent::ToneStart { digit } => format!("start {digit}"),
            DTMFEvent::ToneStop { digit } => format!("stop {digit}"),
            DTMFEvent::Tone(tone) => {
                complete += 1;
                format!("tone {} {}", tone.digits, tone.duration.as_millis())
            }
            other => panic!("{other:?}"),
        });
    }
    seen
}

fn wanted(digits: &str, duration: u64) -> Vec<String> {
    let each = |digit: char| {
        [
            format!("start {digit}"),
            format!("stop {digit}"),
            format!("tone {digit} {duration}"),
        ]
    };
    digits.chars().flat_map(each).collect()
}

#[tokio::test]
async fn a098_a099_a100_g031_both_sides_have_the_events_of_each_digit_in_order() {
    between(async |a, b| {
        let (stream, audio, digits) = telephone();
        a.connection.add_stream(&stream).unwrap();
        let (_, heard) = receive(a, b);
        // Before the connection is there: the digits wait for it.
        digits.play("19#").unwrap();
        assert_eq!(events(&digits, 3).await, wanted("19#", 100));
        assert_eq!(events(&heard, 3).await, wanted("19#", 100));
        // Several tones, and a held one, beside audio.
        let speech = tokio::spawn(async move {
            loop {
                audio.write_sample(vec![1, 2, 3], ms(20)).unwrap();
                tokio::time::sleep(ms(20)).await;
            }
        });
        digits
            .play(vec![
                DTMFTone::new("a").with_duration(ms(60)),
                DTMFTone::new("0").with_duration(ms(60)),
            ])
            .unwrap();
        assert_eq!(events(&heard, 2).await, wanted("A0", 60));
        digits.tonestart('d').unwrap();
        tokio::time::sleep(ms(300)).await;
        digits.tonestop().unwrap();
        let seen = events(&heard, 1).await;
        assert_eq!(seen[..2], ["start D", "stop D"]);
        let length: u64 = seen[2].strip_prefix("tone D ").unwrap().parse().unwrap();
        assert!((100..=5_000).contains(&length), "{length} ms");
        speech.abort();
    })
    .await;
}

#[tokio::test]
async fn a089_a090_a104_a_received_track_of_digits_is_in_its_stream() {
    between(async |a, b| {
        let (stream, _, digits) = telephone();
        assert_eq!((digits.kind(), digits.is_remote()), (Kind::Dtmf, false));
        a.connection.add_stream(&stream).unwrap();
        let (audio, heard) = receive(a, b);
        let arrived = b
            .event(|event| match event {
                RTCConnectionEvent::AddStream(stream) => Some(stream.clone()),
                _ => None,
            })
            .await;
        assert_eq!(arrived.id(), stream.id());
        assert_eq!(arrived.dtmf_tracks(), std::slice::from_ref(&heard));
        let as_digits: Vec<_> = arrived
            .tracks()
            .iter()
            .map(MediaStreamTrack::as_dtmf)
            .collect();
        assert_eq!(as_digits, [None, Some(heard.clone())]);
        assert_eq!(arrived.tracks(), [audio.clone(), (*heard).clone()]);
        assert_eq!((heard.kind(), heard.is_remote()), (Kind::Dtmf, true));
        let refused = [
            heard.play("1"),
            heard.flush(),
            heard.tonestart('1'),
            heard.tonestop(),
            heard.write_sample(vec![1], ms(20)),
            digits.write_sample(vec![1], ms(20)),
        ];
        for result in refused {
            assert_eq!(result.unwrap_err().name(), ErrorName::InvalidState);
        }
        digits.play("7").unwrap();
        assert_eq!(events(&heard, 1).await, wanted("7", 100));
        // The codec goes, and the track with it.
        let mut description = a.connection.tracks()[0].description().unwrap();
        description.codecs = vec![RTCCodec::opus(96)];
        b.connection.receive_track(description).unwrap();
        assert!(b.connection.dtmf_track(&audio).is_none());
        assert_eq!(arrived.tracks(), [audio]);
        assert_eq!(within(5, heard.next_event()).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_track_of_digits_ends_with_its_connection() {
    between(async |a, b| {
        let (stream, _, digits) = telephone();
        a.connection.add_stream(&stream).unwrap();
        let (_, heard) = receive(a, b);
        digits.tonestart('4').unwrap();
        let first = within(10, heard.next_event()).await;
        assert_eq!(first, Some(DTMFEvent::ToneStart { digit: '4' }));
        b.connection.close();
        assert_eq!(
            within(5, heard.next_event()).await,
            Some(DTMFEvent::ToneStop { digit: '4' })
        );
        assert!(within(5, heard.next_event()).await.is_some());
        assert_eq!(within(5, heard.next_event()).await, None);
        a.connection.close();
        assert!(matches!(digits.play("1"), Err(Error::Closed(_))));
    })
    .await;
}

fn lonely() -> RTCConnection {
    RTCConnection::new(loopback()).unwrap().0
}

#[tokio::test]
async fn a102_a088_g023_digits_add_their_codec_to_the_audio_of_their_stream() {
    run(async {
        let connection = lonely();
        let (first, second) = (MediaStream::new(), MediaStream::new());
        let other = first.add_track(&MediaStreamTrack::audio());
        let video = first.add_track(&MediaStreamTrack::video());
        let audio = second.add_track(&MediaStreamTrack::audio());
        let digits = second.add_track(&DTMFMediaStreamTrack::new());
        assert_eq!(second.dtmf_tracks().len(), 1);
        connection.add_stream(&first).unwrap();
        connection.add_stream(&second).unwrap();

        let of = |track: &MediaStreamTrack| connection.track(track).unwrap();
        let names = |track| -> Vec<String> {
            let codecs = of(track).codecs().unwrap();
            codecs.into_iter().map(|codec| codec.name).collect()
        };
        assert_eq!(names(&other), ["opus", "ulaw", "alaw"]);
        assert_eq!(names(&audio), ["opus", "ulaw", "alaw", "dtmf", "dtmf"]);
        // One for each clock rate of the audio codecs, with payload types that nothing else has.
        let codecs = of(&audio).codecs().unwrap();
        let rates: Vec<_> = codecs[3..].iter().map(|codec| codec.clock_rate).collect();
        assert_eq!(rates, [Some(48_000), Some(8_000)]);
        assert!(
            codecs[3..]
                .iter()
                .all(|codec| codec.kind == Some(Kind::Dtmf))
        );
        let mut used: Vec<u8> = codecs.iter().map(|codec| codec.payload_type).collect();
        used.extend(of(&video).codecs().unwrap().iter().map(|c| c.payload_type));
        let distinct: HashSet<_> = used.iter().collect();
        assert_eq!(distinct.len(), used.len(), "{used:?}");
        assert!(codecs[3..].iter().all(|codec| codec.payload_type >= 96));
        // No RTCTrack of its own: the audio's, and listed only when asked for.
        assert_eq!(of(&digits).ssrc().unwrap(), of(&audio).ssrc().unwrap());
        assert_eq!(connection.tracks().len(), 3);
        let listed = connection.tracks_matching(&RTCTrackFilter::kind(Kind::Dtmf));
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].source(), &digits);
        let json = serde_json::to_value(of(&audio).description().unwrap()).unwrap();
        assert_eq!(json["kind"], "audio");
        assert_eq!(json["codecs"][3]["name"], "dtmf");
        assert_eq!(json["codecs"][3]["kind"], "dtmf");
        // Other codecs, without one for digits, get one.
        of(&audio).set_codecs(vec![RTCCodec::ulaw()]).unwrap();
        assert_eq!(names(&audio), ["ulaw", "dtmf"]);
        assert_eq!(of(&audio).codecs().unwrap()[1], codecs[4], "as before");
        // Removing the digits leaves the audio.
        assert!(listed[0].remove().is_ok());
        assert!(connection.track(&digits).is_none());
        assert!(connection.track(&audio).is_some());
    })
    .await;
}

#[tokio::test]
async fn g023_without_audio_in_the_stream_the_first_of_the_connection_serves() {
    run(async {
        let connection = lonely();
        let alone = MediaStream::new();
        let digits = alone.add_track(&DTMFMediaStreamTrack::new());
        let error = connection.add_stream(&alone).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidState);
        assert!(connection.sending_streams().is_empty());

        let (stream, later) = (MediaStream::new(), MediaStream::new());
        let audio = stream.add_track(&MediaStreamTrack::audio());
        later.add_track(&MediaStreamTrack::audio());
        connection.add_stream(&stream).unwrap();
        connection.add_stream(&later).unwrap();
        connection.add_stream(&alone).unwrap();
        let ssrc = |track| connection.track(track).unwrap().ssrc().unwrap();
        assert_eq!(ssrc(&digits), ssrc(&audio));
        // Without that track they go with the other one.
        stream.remove_track(&audio);
        let left = &later.tracks()[0];
        assert_eq!(ssrc(&digits), ssrc(left));
        // To a stream that is sent already, before its audio.
        let growing = MediaStream::new();
        connection.add_stream(&growing).unwrap();
        let other = lonely();
        other.add_stream(&growing).unwrap();
        let late = growing.add_track(&DTMFMediaStreamTrack::new());
        assert!(other.track(&late).is_none());
        growing.add_track(&MediaStreamTrack::audio());
        assert!(other.track(&late).is_some());
    })
    .await;
}

#[tokio::test]
async fn g029_g030_a_bad_string_queues_nothing_and_digits_before_the_stream_are_kept() {
    between(async |a, b| {
        let (stream, _, digits) = telephone();
        digits.play("12").unwrap();
        let error = digits.play("3x4").unwrap_err();
        assert_eq!(error, Error::Misuse(Misuse::InvalidCharacter('x')));
        assert!(digits.tonestart(',').is_err());
        assert!(digits.play("1".repeat(1_023)).is_err(), "more than fit");
        a.connection.add_stream(&stream).unwrap();
        let (_, heard) = receive(a, b);
        assert_eq!(events(&heard, 2).await, wanted("12", 100));
        digits.play("555").unwrap();
        digits.flush().unwrap();
        digits.play("6").unwrap();
        let seen = events(&heard, 1).await;
        // The first 5 had no time to sound, or was cut off at once.
        let last = if seen[0] == "start 5" {
            events(&heard, 1).await
        } else {
            seen
        };
        assert_eq!(last, wanted("6", 100));
    })
    .await;
}

#[tokio::test]
async fn digits_take_sequence_numbers_of_the_audio_and_are_not_audio() {
    between(async |a, b| {
        let (stream, audio, digits) = telephone();
        a.connection.add_stream(&stream).unwrap();
        let (speech, heard) = receive(a, b);
        within(10, a.connection.connected()).await.unwrap();
        within(10, b.connection.connected()).await.unwrap();
        digits.play("123").unwrap();
        for n in 0..40u8 {
            audio.write_sample(vec![n; 30], ms(20)).unwrap();
            let sample = within(5, speech.recv_sample()).await.unwrap();
            assert_eq!(sample.data, vec![n; 30]);
            assert_eq!(sample.lost_before, 0, "a digit looks like loss");
            tokio::time::sleep(ms(15)).await;
        }
        assert_eq!(events(&heard, 3).await, wanted("123", 100));
        // What a relay sends keeps its numbers apart from those of digits.
        let mut numbers = Vec::new();
        digits.play("4").unwrap();
        for n in 0..12u16 {
            let packet = RtpPacket {
                sequence_number: 65_530u16.wrapping_add(n),
                timestamp: u32::from(n) * 960,
                payload: vec![n as u8; 10].into(),
                ..RtpPacket::default()
            };
            audio.write_rtp(&packet).unwrap();
            let arrived = within(5, speech.recv_rtp()).await.unwrap();
            assert_eq!(arrived.payload, packet.payload);
            numbers.push(arrived.sequence_number);
            tokio::time::sleep(ms(10)).await;
        }
        assert_eq!(events(&heard, 1).await, wanted("4", 100));
        let distinct: HashSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len());
        let span = numbers[11].wrapping_sub(numbers[0]);
        assert!(
            (16..=22).contains(&span),
            "11 packets and those of a digit: {span}"
        );
    })
    .await;
}

/// RFC 4733 section 2.5.1, read by a receiver that takes the events for its audio.
#[tokio::test]
async fn r_s43_a_digit_on_the_wire() {
    between(async |a, b| {
        let (stream, _, digits) = telephone();
        a.connection.add_stream(&stream).unwrap();
        let mut description = a.connection.tracks()[0].description().unwrap();
        let events = description.codecs[3].clone();
        assert_eq!((&*events.name, events.clock_rate), ("dtmf", Some(48_000)));
        description.codecs = vec![RTCCodec::opus(events.payload_type)];
        let ssrc = description.ssrc;
        let wire = b.connection.receive_track(description).unwrap();
        let mut previous: Option<RtpPacket> = None;
        for (digit, event) in [('5', 5), ('#', 11)] {
            digits
                .play(DTMFTone::new(digit).with_duration(ms(240)))
                .unwrap();
            let mut packets = Vec::new();
            let mut ends = 0;
            while ends < 3 {
                let packet = within(5, wire.recv_rtp()).await.unwrap();
                ends += u32::from(packet.payload[1] & 0x80 != 0);
                packets.push(packet);
            }
            // A busy machine sends fewer updates.
            assert!((4..=13).contains(&packets.len()), "{packets:?}");
            let stamp = previous.as_ref().map(|last| last.timestamp);
            assert_ne!(stamp, Some(packets[0].timestamp), "one for each digit");
            let mut longest = 0;
            for (index, packet) in packets.iter().enumerate() {
                if let Some(previous) = &previous {
                    let next = previous.sequence_number.wrapping_add(1);
                    assert_eq!(packet.sequence_number, next);
                }
                assert_eq!(Some(packet.ssrc), ssrc);
                assert_eq!(packet.payload_type, events.payload_type);
                assert_eq!(packet.marker, index == 0);
                assert_eq!(packet.timestamp, packets[0].timestamp);
                let &[code, flags, high, low] = packet.payload.as_ref() else {
                    panic!("{packet:?}");
                };
                let is_end = index + 3 >= packets.len();
                assert_eq!((code, flags & 0xc0 != 0), (event, is_end));
                let duration = u16::from_be_bytes([high, low]);
                match is_end {
                    true => assert_eq!(duration, 11_520, "240 ms at 48 kHz"),
                    false => assert!(duration > longest, "{packets:?}"),
                }
                longest = duration;
                previous = Some(packet.clone());
            }
        }
    })
    .await;
}

/// The RTP packets of a little-endian pcap file: a file header of 24 bytes, records with a header
/// of 16; Ethernet, IPv4 without options and UDP take 42 bytes.
fn capture(path: &str) -> Vec<RtpPacket> {
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut packets, mut rest) = (Vec::new(), &file[24..]);
    while let Some((head, tail)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
        let (frame, next) = tail.split_at(len);
        // An Ethernet frame may be padded: UDP says how long the packet is.
        let end = 34 + usize::from(u16::from_be_bytes([frame[38], frame[39]]));
        let rtp = &frame[42..end];
        packets.push(RtpPacket {
            marker: rtp[1] & 0x80 != 0,
            payload_type: rtp[1] & 0x7f,
            timestamp: u32::from_be_bytes(rtp[4..8].try_into().unwrap()),
            payload: rtp[12..].to_vec().into(),
            ..RtpPacket::default()
        });
        rest = next;
    }
    packets
}

/// `dtmf_2833_*.pcap` of Debian's package sip-tester, which `tests/run` installs.
#[tokio::test]
async fn captures_of_sipp_decode_to_their_digits() {
    let names = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "pound",
    ];
    between(async |a, b| {
        within(10, a.connection.connected()).await.unwrap();
        for (name, digit) in names.into_iter().zip("0123456789*#".chars()) {
            let path = format!("/usr/share/sip-tester/dtmf_2833_{name}.pcap");
            let packets = capture(&path);
            assert!(packets.len() > 3, "{path}");
            assert!(packets.iter().all(|packet| packet.payload_type == 101));
            // To the sender they are media with their payload type, 101.
            let stream = MediaStream::new();
            let source = stream.add_track(&MediaStreamTrack::audio());
            a.connection.add_stream(&stream).unwrap();
            let sending = a.connection.track(&source).unwrap();
            let mut media = RTCCodec::ulaw();
            media.payload_type = 101;
            sending.set_codecs(vec![media]).unwrap();
            let mut description = sending.description().unwrap();
            let mut digits = RTCCodec::dtmf(101);
            digits.clock_rate = Some(8_000);
            description.codecs = vec![RTCCodec::ulaw(), digits];
            let heard = b.connection.receive_track(description).unwrap();
            let heard = b.connection.dtmf_track(&heard).unwrap();
            // The captures repeat the number of the end packet, which SRTP cannot.
            for (number, packet) in (1_000..).zip(packets) {
                let packet = RtpPacket {
                    sequence_number: number,
                    ..packet
                };
                source.write_rtp(&packet).unwrap();
            }
            assert_eq!(
                events(&heard, 1).await,
                wanted(&digit.to_string(), 280),
                "{path}"
            );
            a.connection.remove_stream(&stream).unwrap();
        }
    })
    .await;
}
