//! 002's streams and tracks on the objects of 001, and the events for whoever asks for them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{
    FRAME, Peer, connected_pair, connected_pair_with, loopback, run, send_track, stays_pending,
    strangers, stream_of, while_writing, within,
};
use ortc::july::{RTCMediaStreamDescription, RTCStreamEvent, RTCStreamEvents};
use ortc::rtp::RtpPacket;
use ortc::{
    DisconnectReason, Error, ErrorName, Kind, MediaStream, RTCCodec, RTCConnection,
    RTCConnectionEvent, RTCHeaderExtension,
};
use serde_json::json;

const CSRC_LEVELS: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";

async fn next(events: &mut RTCStreamEvents) -> RTCStreamEvent {
    within(10, events.next()).await.unwrap()
}

fn close(a: &Peer, b: &Peer) {
    a.connection.close();
    b.connection.close();
}

fn described(json: serde_json::Value) -> RTCMediaStreamDescription {
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn b008_b012_b046_b057_b061_b065_c008_c009_a_stream_is_sent_by_its_description() {
    run(async {
        let (a, b) = connected_pair().await;
        let description = described(json!({
            "stream-id": "show",
            "tracks": [
                {"track-id": "voice", "kind": ["audio"],
                 "options": {"codecs": [{"payload-id": 8, "name": "alaw", "hzRate": 8000}]}},
                {"track-id": "face", "kind": "video",
                 "options": {"required": {"video": {"maxWdith": 640, "maxHeight": 480}}}},
            ],
        }));
        let sent = a.connection.send_stream(description.clone()).unwrap();
        assert_eq!(sent.stream().id(), "show");
        let ids: Vec<String> = sent
            .stream()
            .tracks()
            .iter()
            .map(|t| t.id().into())
            .collect();
        assert_eq!(ids, ["voice", "face"]);
        let tracks = a.connection.tracks();
        assert_eq!(tracks[0].codecs().unwrap()[0].name, "alaw");
        let attributes = tracks[1].media_attributes().unwrap();
        assert_eq!(attributes[0].video_max_width, Some(640));
        assert_eq!(a.connection.local_streams().len(), 1);
        // Media written to its tracks arrives.
        let received = b
            .connection
            .receive_track(tracks[0].description().unwrap())
            .unwrap();
        let voice = sent.stream().tracks()[0].clone();
        let packet = while_writing(&voice, received.recv_rtp()).await.unwrap();
        assert_eq!(packet.payload_type, 8);
        // The same identity again changes what is sent, and adds nothing.
        let mut other = description.clone();
        other.tracks[0].options.codecs = vec![RTCCodec::new("PCMU", 0)];
        a.connection.send_stream(other).unwrap();
        assert_eq!(a.connection.tracks().len(), 2);
        assert_eq!(a.connection.tracks()[0].codecs().unwrap()[0].name, "PCMU");
        let stop = || a.connection.stop_sending_stream(description.clone());
        assert!(stop().unwrap());
        assert!(!stop().unwrap());
        assert!(a.connection.sending_streams().is_empty());
        // The stream itself will do as well.
        let (stream, _track) = stream_of(Kind::Audio);
        a.connection.send_stream(&stream).unwrap();
        assert_eq!(
            a.connection.sending_streams(),
            std::slice::from_ref(&stream)
        );
        assert!(a.connection.stop_sending_stream(&stream).unwrap());
        assert!(a.connection.local_streams().is_empty());
        let long = described(json!({"stream-id": "x".repeat(256), "tracks": []}));
        let error = a.connection.send_stream(long).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b009_b013_b049_b056_c008_c009_c010_a_stream_is_received_by_its_description() {
    run(async {
        let (a, b) = connected_pair().await;
        let (stream, source) = stream_of(Kind::Audio);
        stream.add_track(&ortc::MediaStreamTrack::video());
        let sent = a.connection.send_stream(&stream).unwrap();
        let description = sent.description();
        assert_eq!(description.stream_id.as_deref(), Some(stream.id()));
        assert_eq!(description.tracks.len(), 2);
        assert_eq!(description.tracks[0].track_id.as_deref(), Some(source.id()));
        // It crosses as JSON.
        let text = serde_json::to_string(&description).unwrap();
        let description: RTCMediaStreamDescription = serde_json::from_str(&text).unwrap();
        b.connection.receive_stream(&description).unwrap();
        let [received] = &b.connection.remote_streams()[..] else {
            panic!("not one stream");
        };
        assert_eq!(received.stream().id(), stream.id());
        assert_eq!(
            b.connection.receiving_streams(),
            [received.stream().clone()]
        );
        let tracks = received.stream().tracks();
        let packet = while_writing(&source, tracks[0].recv_rtp()).await.unwrap();
        assert_eq!(Some(packet.ssrc), description.tracks[0].ssrc);
        let view = received.description();
        assert_eq!(view.tracks[0].ssrc, description.tracks[0].ssrc);
        assert_eq!(
            view.tracks[0].options.codecs,
            description.tracks[0].options.codecs
        );
        // And no more.
        b.connection.stop_receiving_stream(&description).unwrap();
        assert!(b.connection.remote_streams().is_empty());
        assert_eq!(
            within(10, async { while tracks[0].recv_rtp().await.is_some() {} }).await,
            ()
        );
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b047_b048_b050_b058_b061_tracks_and_descriptions_of_a_stream() {
    run(async {
        let (a, b) = connected_pair().await;
        let (stream, source) = stream_of(Kind::Audio);
        let sent = a.connection.send_stream(&stream).unwrap();
        let second = sent.add_track(&source);
        assert_eq!(sent.description().tracks.len(), 2);
        assert_eq!(a.connection.tracks().len(), 2);
        sent.remove_track(&second);
        assert_eq!(sent.description().tracks.len(), 1);
        assert!(a.connection.track(&second).is_none());

        let mut change = sent.description();
        change.tracks[0].options.codecs = vec![RTCCodec::new("PCMA", 8)];
        sent.set_description(&change).unwrap();
        assert_eq!(sent.description().tracks[0].options.codecs[0].name, "PCMA");
        let track = a.connection.track(&source).unwrap();
        let mut of_track = sent.description().tracks.remove(0);
        of_track.options.codecs = vec![RTCCodec::new("PCMU", 0)];
        track.set_description(&of_track).unwrap();
        assert_eq!(track.codecs().unwrap()[0].name, "PCMU");
        of_track.ssrc = Some(track.ssrc().unwrap() ^ 1);
        let error = track.set_description(&of_track).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        of_track.ssrc = None;
        of_track.kind = Kind::Video;
        let error = track.set_description(&of_track).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        let mut stranger = sent.description();
        stranger.tracks[0].track_id = Some("nobody".into());
        let error = sent.set_description(&stranger).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidAccess);

        // Of a received stream: what is expected.
        b.connection.receive_stream(&sent.description()).unwrap();
        let received = b.connection.remote_streams().remove(0);
        let mut expected = received.description();
        expected.tracks[0]
            .options
            .codecs
            .push(RTCCodec::new("PCMA", 8));
        received.set_description(&expected).unwrap();
        assert_eq!(received.description().tracks[0].options.codecs.len(), 2);
        assert_eq!(b.connection.receiving_streams()[0].tracks().len(), 1);
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b051_b059_b060_c011_play_pause_and_stop() {
    run(async {
        let (a, b) = connected_pair().await;
        let (source, track, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        let first = while_writing(&source, received.recv_rtp()).await.unwrap();
        assert_eq!(
            received.next_event().await.unwrap(),
            ortc::MediaStreamTrackEvent::Connected
        );
        track.pause().unwrap();
        while tokio::time::timeout(crate::common::QUIET, received.recv_rtp())
            .await
            .is_ok()
        {}
        source.write_sample(vec![9; 40], FRAME).unwrap();
        assert!(stays_pending(received.recv_rtp()).await);
        assert!(
            stays_pending(received.next_event()).await,
            "a pause says no BYE"
        );
        track.play().unwrap();
        let again = while_writing(&source, received.recv_rtp()).await.unwrap();
        assert_eq!(again.ssrc, first.ssrc);
        // Stopping the stream says BYE.
        a.connection.local_streams().remove(0).stop().unwrap();
        assert!(a.connection.local_streams().is_empty());
        let event = within(10, received.next_event()).await;
        assert_eq!(event, Some(ortc::MediaStreamTrackEvent::Disconnected));
        // Stopping a received one ends its tracks.
        b.connection.remote_streams().remove(0).stop().unwrap();
        assert!(b.connection.remote_streams().is_empty());
        within(10, async { while received.recv_rtp().await.is_some() {} }).await;
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b016_b017_b052_b053_c012_c019_streams_and_tracks_come_and_go() {
    run(async {
        let (a, b) = connected_pair().await;
        let mut events = b.connection.stream_events(None).unwrap();
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        // Described: 001's addstream, and nothing of 002's yet.
        let added = b
            .event(|event| match event {
                RTCConnectionEvent::AddStream(stream) => Some(stream.clone()),
                _ => None,
            })
            .await;
        assert!(stays_pending(events.next()).await);
        while_writing(&source, received.recv_rtp()).await.unwrap();
        let stream = next(&mut events).await;
        assert_eq!(stream.name(), "streamconnected");
        assert_eq!(stream, RTCStreamEvent::StreamConnected(added.clone()));
        let track = next(&mut events).await;
        assert_eq!(track.name(), "trackconnected");
        assert_eq!(track, RTCStreamEvent::TrackConnected(received.clone()));
        // The same moment in 001's places.
        assert_eq!(
            added.next_event().await,
            Some(ortc::MediaStreamEvent::Connected)
        );
        a.connection.tracks()[0].remove().unwrap();
        let track = next(&mut events).await;
        assert_eq!(track, RTCStreamEvent::TrackDisconnected(received));
        assert_eq!(track.name(), "trackdisconnected");
        let stream = next(&mut events).await;
        assert_eq!(stream, RTCStreamEvent::StreamDisconnected(added));
        assert_eq!(stream.name(), "streamdisconnected");
        close(&a, &b);
        assert_eq!(within(10, events.next()).await, None);
        let gone = b.connection.stream_events(None).unwrap_err();
        assert!(matches!(gone, Error::Closed(_)), "{gone}");
    })
    .await;
}

#[tokio::test]
async fn b018_b055_c013_g038_reports_at_an_interval() {
    run(async {
        let (a, b) = connected_pair().await;
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        while_writing(&source, received.recv_rtp()).await.unwrap();
        for (connection, sender) in [(&a.connection, true), (&b.connection, false)] {
            let mut quiet = connection.stream_events(None).unwrap();
            assert!(stays_pending(quiet.next()).await, "off by default");
            let begin = std::time::Instant::now();
            let mut events = connection
                .stream_events(Some(Duration::from_millis(150)))
                .unwrap();
            assert_eq!(within(10, quiet.next()).await, None, "asked anew");
            for round in 1..=2u32 {
                let (stream, track) = (next(&mut events).await, next(&mut events).await);
                assert!(begin.elapsed() >= Duration::from_millis(150) * round);
                assert_eq!(
                    (stream.name(), track.name()),
                    ("streamreport", "trackreport")
                );
                let RTCStreamEvent::StreamReport { report, .. } = stream else {
                    panic!("{stream:?}");
                };
                let RTCStreamEvent::TrackReport {
                    report: of_track, ..
                } = track
                else {
                    panic!("{track:?}");
                };
                assert_eq!(report, of_track, "one track");
                if sender {
                    assert!(report.inbound_rtp.is_empty());
                    assert!(report.outbound_rtp[0].packets_sent > 0);
                } else {
                    assert!(report.outbound_rtp.is_empty());
                    assert!(report.inbound_rtp[0].packets_received > 0);
                }
            }
        }
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b054_c013_g038_contributors_and_their_levels() {
    run(async {
        let extension = || loopback().header_extensions([RTCHeaderExtension::new(CSRC_LEVELS, 5)]);
        let (a, b) = connected_pair_with(extension(), extension()).await;
        let (source, track, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        let mut events = b.connection.stream_events(None).unwrap();
        let mix = |number: u16, csrcs: &[u32], levels: &str| {
            let headers = BTreeMap::from([(CSRC_LEVELS.to_owned(), levels.to_owned())]);
            track.set_header_extension_values(headers).unwrap();
            source
                .write_rtp(&RtpPacket {
                    sequence_number: number,
                    csrcs: csrcs.to_vec(),
                    payload: vec![1; 20].into(),
                    ..RtpPacket::default()
                })
                .unwrap();
        };
        let mut seen = async || loop {
            if let RTCStreamEvent::TrackContributors {
                track,
                contributors,
            } = next(&mut events).await
            {
                assert_eq!(track, received);
                let list = contributors.iter().map(|one| (one.csrc, one.level));
                break list.collect::<Vec<_>>();
            }
        };
        mix(1, &[100, 200], "\u{1e}\u{28}");
        assert_eq!(seen().await, [(100, Some(30)), (200, Some(40))]);
        // The same two: nothing new. A third: all that were heard lately.
        mix(2, &[200, 100], "\u{1}\u{2}");
        mix(3, &[300], "\u{7}");
        let three = [(100, Some(2)), (200, Some(1)), (300, Some(7))];
        assert_eq!(seen().await, three);
        let now: Vec<_> = b.connection.contributors(&received);
        let now: Vec<_> = now.iter().map(|one| (one.csrc, one.level)).collect();
        assert_eq!(now, three);
        assert!(b.connection.contributors(&source).is_empty());
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b063_b064_b066_c020_json_of_a_stream() {
    run(async {
        let (a, b) = strangers(loopback(), loopback());
        let (stream, _) = stream_of(Kind::Audio);
        a.connection.add_stream(&stream).unwrap();
        let ssrc = a.connection.tracks()[0].ssrc().unwrap();
        let json = serde_json::to_value(a.connection.local_streams()[0].description()).unwrap();
        let track = &json["tracks"][0];
        assert_eq!(track["ssrc"], ssrc.to_string());
        assert_eq!(track["kind"], json!(["audio"]));
        assert!(track["options"]["codecs"].is_array());
        for (kind, read) in [
            (json!("audio"), Some(Kind::Audio)),
            (json!(["video"]), Some(Kind::Video)),
            (json!(["audio", "dtmf"]), Some(Kind::Audio)),
            (json!(["audio", "video"]), None),
            (json!([]), None),
        ] {
            let read_back = serde_json::from_value::<RTCMediaStreamDescription>(
                json!({"tracks": [{"kind": kind, "ssrc": 7}]}),
            );
            let read_back = read_back.ok().map(|d| (d.tracks[0].kind, d.tracks[0].ssrc));
            assert_eq!(read_back, read.map(|kind| (kind, Some(7))), "{kind}");
        }
        // What 001 has and 002 has not is on the same connection.
        assert!(ortc::capabilities::rtc_codec("dtmf").is_some());
        assert!(
            !ortc::capabilities::rtc_capabilities()
                .audio_codecs
                .is_empty()
        );
        close(&a, &b);
        let reason = within(10, RTCConnection::closed(&a.connection)).await;
        assert_eq!(reason, DisconnectReason::Closed);
    })
    .await;
}

#[tokio::test]
async fn g036_streams_are_handles_with_a_description() {
    run(async {
        let (a, b) = strangers(loopback(), loopback());
        let stream = MediaStream::new();
        a.connection.add_stream(&stream).unwrap();
        let [view] = &a.connection.local_streams()[..] else {
            panic!("not one stream");
        };
        assert!(view.description().tracks.is_empty());
        view.add_track(&ortc::MediaStreamTrack::audio());
        assert_eq!(view.stream().tracks(), stream.tracks());
        assert_eq!(view.description().tracks.len(), 1);
        close(&a, &b);
    })
    .await;
}
