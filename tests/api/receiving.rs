//! What a connection receives: tracks announced with `receive_track`, their streams, and the
//! order of their events.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::common::session::{End, join, joined};
use crate::common::{FRAME, loopback, run, stays_pending, stream_of, while_writing, within};
use ortc::july::RTCStreamEvent;
use ortc::{
    Error, ErrorName, Kind, MediaStream, MediaStreamEvent, MediaStreamTrack, MediaStreamTrackEvent,
    Misuse, RTCCodec, RTCConnectionEvent, RTCTrack, RTCTrackDescription,
};

async fn ends() -> (End, End) {
    joined(End::loopback(), End::loopback()).await
}

/// A track that is sent, and its RTCTrack.
fn sent(from: &End, kind: Kind) -> (MediaStreamTrack, RTCTrack) {
    let (stream, source) = stream_of(kind);
    from.connection.add_stream(&stream).unwrap();
    let sending = from.connection.track(&source).unwrap();
    (source, sending)
}

/// What the peer signals for the track, its streams named anew.
fn described(sending: &RTCTrack, msid: &[&str]) -> RTCTrackDescription {
    let mut description = sending.description().unwrap();
    description.msid = msid.iter().map(|id| (*id).to_owned()).collect();
    description
}

/// A description that no sender stands behind.
fn announced(ssrc: u32, msid: &[&str], codecs: &[RTCCodec]) -> RTCTrackDescription {
    let json = serde_json::json!({
        "kind": "audio", "ssrc": ssrc.to_string(), "msid": msid, "codecs": codecs,
    });
    serde_json::from_value(json).unwrap()
}

fn opus(ssrc: u32, msid: &[&str]) -> RTCTrackDescription {
    announced(ssrc, msid, &[RTCCodec::opus(96)])
}

/// The streams of the `addstream` events that wait, in order.
fn added(end: &mut End) -> Vec<MediaStream> {
    let mut streams = Vec::new();
    while let Some(event) = end.events.try_next() {
        if let RTCConnectionEvent::AddStream(stream) = event {
            streams.push(stream);
        }
    }
    streams
}

fn ids(streams: &[MediaStream]) -> Vec<&str> {
    streams.iter().map(MediaStream::id).collect()
}

#[tokio::test]
async fn a011_a028_a_described_track_is_received_as_what_it_was_described_as() {
    run(async {
        // Described before there is a connection, as JSON from any signalling.
        let (mut a, mut b) = (End::loopback(), End::loopback());
        let mut tracks = Vec::new();
        for kind in [Kind::Audio, Kind::Video, Kind::Audio] {
            let (source, sending) = sent(&a, kind);
            let wire = serde_json::to_string(&sending.description().unwrap()).unwrap();
            let description: RTCTrackDescription = serde_json::from_str(&wire).unwrap();
            let received = b.connection.receive_track(description.clone()).unwrap();
            assert!(received.is_remote());
            assert_eq!(received.kind(), kind);
            // Announced again it is the same track.
            let again = b.connection.receive_track(description).unwrap();
            assert_eq!(again, received);
            tracks.push((source, sending.ssrc().unwrap(), received));
        }
        join(&mut a, &mut b);
        a.connected().await;
        b.connected().await;
        // Each packet comes out of its own track.
        for (source, ssrc, received) in &tracks {
            source.write_sample(vec![7; 40], FRAME).unwrap();
            let packet = within(5, received.recv_rtp()).await.unwrap();
            assert_eq!(packet.ssrc, *ssrc);
        }
        for (_, _, received) in &tracks {
            assert!(stays_pending(received.recv_rtp()).await);
        }
        // A track that is described is not unknown; one that is not, is.
        let mut unknown = Vec::new();
        while let Some(event) = b.events.try_next() {
            if let RTCConnectionEvent::UnknownTrack(track) = event {
                unknown.push(track.ssrc);
            }
        }
        assert!(unknown.is_empty(), "{unknown:?}");
        let (source, sending) = sent(&a, Kind::Audio);
        source.write_sample(vec![7; 40], FRAME).unwrap();
        let unknown = within(5, async {
            loop {
                if let RTCConnectionEvent::UnknownTrack(track) = b.events.next().await.unwrap() {
                    return track.ssrc;
                }
            }
        })
        .await;
        assert_eq!(unknown, sending.ssrc().unwrap());
    })
    .await;
}

#[tokio::test]
async fn a030_b009_the_receiving_streams_are_those_described_and_not_yet_stopped() {
    run(async {
        let (a, mut b) = ends().await;
        assert!(b.connection.receiving_streams().is_empty());
        let (own, _) = stream_of(Kind::Audio);
        b.connection.add_stream(&own).unwrap();
        assert!(b.connection.receiving_streams().is_empty(), "it is sent");
        let (_, audio) = sent(&a, Kind::Audio);
        let (_, video) = sent(&a, Kind::Video);
        let (_, other) = sent(&a, Kind::Audio);
        let receive = |sending: &RTCTrack, msid: &[&str]| {
            let description = described(sending, msid);
            b.connection.receive_track(description).unwrap()
        };
        let (audio_in, video_in) = (receive(&audio, &["m1"]), receive(&video, &["m1", "m2"]));
        let other_in = receive(&other, &["m3"]);
        let streams = b.connection.receiving_streams();
        assert_eq!(ids(&streams), ["m1", "m2", "m3"]);
        assert!(streams.iter().all(MediaStream::is_remote));
        assert_eq!(streams[0].tracks(), [audio_in.clone(), video_in.clone()]);
        assert_eq!(streams[1].tracks(), [video_in]);
        assert_eq!(streams[2].tracks(), [other_in]);
        assert!(a.connection.receiving_streams().is_empty());

        // A stream goes with its last track.
        let stop = |sending: &RTCTrack| b.connection.stop_receiving(sending.ssrc().unwrap());
        assert!(stop(&video).unwrap());
        assert_eq!(ids(&b.connection.receiving_streams()), ["m1", "m3"]);
        assert_eq!(streams[0].tracks(), [audio_in]);
        assert!(stop(&audio).unwrap() && stop(&other).unwrap());
        assert!(b.connection.receiving_streams().is_empty());
        assert!(!stop(&other).unwrap(), "it is stopped already");
        for stream in &streams {
            assert_eq!(within(5, stream.next_event()).await, None, "it has ended");
        }
        assert_eq!(added(&mut b), streams, "the streams of the events");
    })
    .await;
}

#[tokio::test]
async fn a037_g015_one_addstream_for_each_msid_that_no_receiving_track_has() {
    run(async {
        let mut end = End::loopback();
        let receive = |end: &End, description| end.connection.receive_track(description).unwrap();
        let first = receive(&end, opus(1, &["m1"]));
        let streams = added(&mut end);
        assert_eq!(ids(&streams), ["m1"]);
        assert_eq!(streams[0].tracks(), std::slice::from_ref(&first));
        // The msid of another receiving track brings no event: the track joins its stream.
        let second = receive(&end, opus(2, &["m1"]));
        assert!(added(&mut end).is_empty());
        assert_eq!(streams[0].tracks(), [first, second]);
        // The same description again brings none.
        receive(&end, opus(1, &["m1"]));
        assert!(added(&mut end).is_empty());
        // Of several, one event for each that is new, in their order, doubles counted once.
        let third = receive(&end, opus(3, &["m3", "m1", "m2", "m3"]));
        let more = added(&mut end);
        assert_eq!(ids(&more), ["m3", "m2"]);
        for stream in &more {
            assert_eq!(stream.tracks(), std::slice::from_ref(&third));
        }
        assert_eq!(streams[0].tracks().len(), 3);
        // A track may belong to no stream.
        receive(&end, opus(4, &[]));
        assert!(added(&mut end).is_empty());
        assert_eq!(end.connection.receiving_streams().len(), 3);
        // An update that names another stream moves the track: m3 and m2 are no one's any more.
        receive(&end, opus(3, &["m4"]));
        assert_eq!(ids(&added(&mut end)), ["m4"]);
        assert_eq!(ids(&end.connection.receiving_streams()), ["m1", "m4"]);
        receive(&end, opus(4, &["m3"]));
        let anew = added(&mut end);
        assert_eq!(ids(&anew), ["m3"]);
        assert_ne!(anew[0], more[0], "the former stream has ended");
        // What is refused adds no stream.
        let unsupported = announced(5, &["m5"], &[RTCCodec::new("amr", 97)]);
        assert!(end.connection.receive_track(unsupported).is_err());
        assert!(added(&mut end).is_empty());
        assert_eq!(end.connection.receiving_streams().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a078_any_of_the_codecs_may_come_at_any_time() {
    run(async {
        let (a, b) = ends().await;
        let annex_b = |first: u8| [&[0, 0, 0, 1, first][..], &[0x55; 60]].concat();
        let audio: Vec<(RTCCodec, Vec<u8>)> = vec![
            (RTCCodec::opus(111), vec![0xfc; 50]),
            (RTCCodec::ulaw(), vec![0xff; 160]),
            (RTCCodec::new("G722", 9), vec![0xfa; 160]),
            (RTCCodec::alaw(), vec![0xd5; 160]),
        ];
        let video: Vec<(RTCCodec, Vec<u8>)> = vec![
            (RTCCodec::vp8(97), vec![0x10; 2_500]),
            (RTCCodec::h264(98), annex_b(0x65)),
            (RTCCodec::new("H265", 100), annex_b(0x26)),
        ];
        for (kind, codecs) in [(Kind::Audio, audio), (Kind::Video, video)] {
            let (source, sending) = sent(&a, kind);
            let listed: Vec<RTCCodec> = codecs.iter().map(|(codec, _)| codec.clone()).collect();
            sending.set_codecs(listed.clone()).unwrap();
            let description = sending.description().unwrap();
            let received = b.connection.receive_track(description).unwrap();
            // Each of them, twice over, without a word of signalling in between.
            for (chosen, frame) in codecs.iter().chain(&codecs) {
                let mut order = listed.clone();
                order.sort_by_key(|codec| codec != chosen);
                sending.set_codecs(order).unwrap();
                source.write_sample(frame.clone(), FRAME).unwrap();
                let sample = within(5, received.recv_sample()).await.unwrap();
                let name = &chosen.name;
                assert_eq!(sample.payload_type, chosen.payload_type, "{name}");
                assert_eq!(sample.data, *frame, "{name}");
                assert_eq!(
                    (sample.lost_before, sample.dropped_before),
                    (0, 0),
                    "{name}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a079_g011_a_track_without_a_supported_codec_is_refused() {
    run(async {
        let (a, mut b) = ends().await;
        added(&mut b);
        let (source, sending) = sent(&a, Kind::Audio);
        let ssrc = sending.ssrc().unwrap();
        let (amr, helper) = (RTCCodec::new("amr", 97), RTCCodec::new("cn", 13));
        for codecs in [
            vec![],
            vec![amr.clone()],
            vec![amr.clone(), RTCCodec::new("speex", 98), helper],
        ] {
            let description = announced(ssrc, &["m1"], &codecs);
            let error = b.connection.receive_track(description).unwrap_err();
            assert!(
                matches!(error, Error::Misuse(Misuse::UnsupportedCodec(_))),
                "{codecs:?}: {error}"
            );
            assert_eq!(error.name(), ErrorName::NotSupported, "{codecs:?}");
        }
        // Nothing is left of what was refused.
        assert!(b.connection.receiving_streams().is_empty());
        assert!(!b.connection.stop_receiving(ssrc).unwrap());
        assert!(added(&mut b).is_empty());

        // One that is supported is enough; the others are ignored, and stay in the description.
        let mixed = [amr, RTCCodec::opus(96)];
        let received = b.connection.receive_track(announced(ssrc, &["m1"], &mixed));
        let received = received.unwrap();
        let described = b.connection.remote_streams().remove(0).description();
        assert_eq!(described.tracks[0].options.codecs, mixed);
        sending.set_codecs(vec![RTCCodec::opus(96)]).unwrap();
        let sample = while_writing(&source, received.recv_sample())
            .await
            .unwrap();
        assert_eq!(sample.payload_type, 96);

        // A refused update leaves the track as it was.
        let worse = announced(ssrc, &["m2"], &[RTCCodec::new("amr", 97)]);
        let error = b.connection.receive_track(worse).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
        assert_eq!(ids(&b.connection.receiving_streams()), ["m1"]);
        while_writing(&source, received.recv_sample())
            .await
            .unwrap();

        // The same SSRC as another kind contradicts what is known.
        let mut video = sending.description().unwrap();
        video.kind = Kind::Video;
        video.codecs = vec![RTCCodec::vp8(97)];
        let error = b.connection.receive_track(video).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
    })
    .await;
}

#[tokio::test]
async fn a112_a113_a_stream_is_connected_from_its_first_track_to_its_last() {
    run(async {
        let (a, b) = ends().await;
        let (_, silent) = sent(&a, Kind::Audio);
        let (source, sending) = sent(&a, Kind::Video);
        let (late, late_sending) = sent(&a, Kind::Audio);
        let receive = |sending: &RTCTrack, msid: &[&str]| {
            let description = described(sending, msid);
            b.connection.receive_track(description).unwrap()
        };
        let silent_in = receive(&silent, &["m1"]);
        receive(&sending, &["m1"]);
        receive(&late_sending, &["m1", "m2"]);
        let streams = b.connection.receiving_streams();
        for stream in &streams {
            assert!(stays_pending(stream.next_event()).await, "no RTP yet");
        }
        source.write_sample(vec![0x10; 40], FRAME).unwrap();
        let connected = Some(MediaStreamEvent::Connected);
        assert_eq!(within(5, streams[0].next_event()).await, connected);
        assert!(
            stays_pending(streams[1].next_event()).await,
            "not its track"
        );
        // Once for the stream, whoever follows.
        late.write_sample(vec![1; 40], FRAME).unwrap();
        assert_eq!(within(5, streams[1].next_event()).await, connected);
        source.write_sample(vec![0x10; 40], FRAME).unwrap();
        assert!(stays_pending(streams[0].next_event()).await);
        assert!(stays_pending(silent_in.next_event()).await);

        // Disconnected by the last of its tracks, it may be connected again.
        sending.remove().unwrap();
        assert!(stays_pending(streams[0].next_event()).await, "one is left");
        late_sending.remove().unwrap();
        let disconnected = Some(MediaStreamEvent::Disconnected);
        for stream in &streams {
            assert_eq!(within(5, stream.next_event()).await, disconnected);
        }
        let (again, again_sending) = sent(&a, Kind::Audio);
        receive(&again_sending, &["m1"]);
        again.write_sample(vec![1; 40], FRAME).unwrap();
        assert_eq!(within(5, streams[0].next_event()).await, connected);
    })
    .await;
}

/// The next `count` stream events, after which nothing comes.
async fn told(events: &mut ortc::july::RTCStreamEvents, count: usize) -> Vec<RTCStreamEvent> {
    let mut told = Vec::new();
    for _ in 0..count {
        told.push(within(5, events.next()).await.unwrap());
    }
    assert!(stays_pending(events.next()).await, "after {told:?}");
    told
}

#[tokio::test]
async fn a114_a115_g034_addstream_then_stream_connected_then_track_connected() {
    use RTCStreamEvent::{StreamConnected, TrackConnected};
    run(async {
        let (a, mut b) = ends().await;
        added(&mut b);
        let mut events = b.connection.stream_events(None).unwrap();
        let (audio, audio_sending) = sent(&a, Kind::Audio);
        let (video, video_sending) = sent(&a, Kind::Video);
        // The packets of the first are there before its description.
        audio.write_sample(vec![1; 40], FRAME).unwrap();
        within(5, async {
            while !matches!(
                b.events.next().await.unwrap(),
                RTCConnectionEvent::UnknownTrack(_)
            ) {}
        })
        .await;
        let description = described(&audio_sending, &["m1"]);
        let audio_in = b.connection.receive_track(description).unwrap();
        // Nothing has run since: the stream is added before anything is said to be connected.
        let m1 = added(&mut b).remove(0);
        let first = [
            StreamConnected(m1.clone()),
            TrackConnected(audio_in.clone()),
        ];
        assert_eq!(told(&mut events, 2).await, first, "its own event too (G34)");

        // Another track: of the stream that is connected, and of one that is not yet.
        let description = described(&video_sending, &["m2", "m1"]);
        let video_in = b.connection.receive_track(description).unwrap();
        let m2 = added(&mut b).remove(0);
        assert!(told(&mut events, 0).await.is_empty(), "no RTP");
        video.write_sample(vec![0x10; 40], FRAME).unwrap();
        let second = [
            StreamConnected(m2.clone()),
            TrackConnected(video_in.clone()),
        ];
        assert_eq!(told(&mut events, 2).await, second);

        // A connected track that joins a stream connects it, and is not announced twice.
        let description = described(&audio_sending, &["m1", "m3"]);
        b.connection.receive_track(description).unwrap();
        let m3 = added(&mut b).remove(0);
        assert_eq!(told(&mut events, 1).await, [StreamConnected(m3.clone())]);
        // The handles say the same.
        for stream in [m1, m2, m3] {
            let event = within(5, stream.next_event()).await;
            assert_eq!(event, Some(MediaStreamEvent::Connected));
            assert!(stays_pending(stream.next_event()).await);
        }
        for track in [audio_in, video_in] {
            let event = within(5, track.next_event()).await;
            assert_eq!(event, Some(MediaStreamTrackEvent::Connected));
            assert!(stays_pending(track.next_event()).await);
        }
    })
    .await;
}

#[tokio::test]
async fn g033_a113_a116_silence_disconnects_after_the_time_of_its_kind() {
    run(async {
        let short = Duration::from_millis(300);
        let options = loopback()
            .source_timeout(Duration::from_secs(60))
            .source_timeout_of(Kind::Video, short);
        let (a, b) = joined(End::loopback(), End::new(options)).await;
        let (audio, audio_sending) = sent(&a, Kind::Audio);
        let (video, video_sending) = sent(&a, Kind::Video);
        let [audio_in, video_in] = [&audio_sending, &video_sending].map(|sending| {
            let description = described(sending, &["m1"]);
            b.connection.receive_track(description).unwrap()
        });
        let stream = b.connection.receiving_streams().remove(0);
        audio.write_sample(vec![1; 40], FRAME).unwrap();
        let written = Instant::now();
        video.write_sample(vec![0x10; 40], FRAME).unwrap();
        let (connected, disconnected) = (
            Some(MediaStreamTrackEvent::Connected),
            Some(MediaStreamTrackEvent::Disconnected),
        );
        assert_eq!(within(5, video_in.next_event()).await, connected);
        assert_eq!(within(5, video_in.next_event()).await, disconnected);
        assert!(written.elapsed() >= short);
        // The audio has a minute, and the stream is there as long as the audio is.
        assert_eq!(within(5, audio_in.next_event()).await, connected);
        assert!(stays_pending(audio_in.next_event()).await);
        let event = within(5, stream.next_event()).await;
        assert_eq!(event, Some(MediaStreamEvent::Connected));
        assert!(stays_pending(stream.next_event()).await);
        // RTP brings the video back; it falls silent again, and the audio ends with BYE.
        video.write_sample(vec![0x10; 40], FRAME).unwrap();
        assert_eq!(within(5, video_in.next_event()).await, connected);
        audio_sending.remove().unwrap();
        assert_eq!(within(5, audio_in.next_event()).await, disconnected);
        assert_eq!(within(5, video_in.next_event()).await, disconnected);
        let event = within(5, stream.next_event()).await;
        assert_eq!(event, Some(MediaStreamEvent::Disconnected));
    })
    .await;
}

#[tokio::test]
async fn g024_an_ssrc_that_was_set_is_used_and_a_collision_is_repaired() {
    run(async {
        let (mut a, b) = ends().await;
        let (ours, our_sending) = sent(&a, Kind::Audio);
        let (theirs, their_sending) = sent(&b, Kind::Audio);
        // Chosen by the application; what is taken is refused.
        our_sending.set_ssrc(4_711).unwrap();
        our_sending.set_ssrc(4_711).unwrap();
        assert_eq!(our_sending.description().unwrap().ssrc, Some(4_711));
        let (_, other) = sent(&a, Kind::Audio);
        for taken in [0, 4_711] {
            let error = other.set_ssrc(taken).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters);
        }
        let description = our_sending.description().unwrap();
        let at_b = b.connection.receive_track(description).unwrap();
        ours.write_sample(vec![1; 40], FRAME).unwrap();
        assert_eq!(within(5, at_b.recv_rtp()).await.unwrap().ssrc, 4_711);
        let error = their_sending.set_ssrc(4_711).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters, "it is received");

        // A change while sending: BYE for the one it was.
        our_sending.set_ssrc(4_712).unwrap();
        let events = [
            within(5, at_b.next_event()).await,
            within(5, at_b.next_event()).await,
        ];
        let gone = MediaStreamTrackEvent::Disconnected;
        assert_eq!(events, [Some(MediaStreamTrackEvent::Connected), Some(gone)]);

        // The peer chooses the same: ours gives way, and says so.
        their_sending.set_ssrc(4_712).unwrap();
        let description = their_sending.description().unwrap();
        let at_a = a.connection.receive_track(description).unwrap();
        theirs.write_sample(vec![2; 40], FRAME).unwrap();
        assert_eq!(within(5, at_a.recv_rtp()).await.unwrap().ssrc, 4_712);
        let (old, new) = within(5, async {
            loop {
                if let RTCConnectionEvent::SsrcConflict { old, new } =
                    a.events.next().await.unwrap()
                {
                    return (old, new);
                }
            }
        })
        .await;
        assert_eq!(old, 4_712);
        assert_eq!(our_sending.ssrc().unwrap(), new);
        assert_ne!(new, old);
        let description = our_sending.description().unwrap();
        let again = b.connection.receive_track(description).unwrap();
        ours.write_sample(vec![3; 40], FRAME).unwrap();
        assert_eq!(within(5, again.recv_rtp()).await.unwrap().ssrc, new);
    })
    .await;
}

/// A stream that begins without a key frame: the receiver asks by itself.
#[tokio::test]
async fn a_decoder_that_waits_for_a_key_frame_has_one_asked_for() {
    run(async {
        let (a, b) = ends().await;
        let (camera, sending) = sent(&a, Kind::Video);
        let track = b.connection.receive_track(sending.description().unwrap());
        let track = track.unwrap();
        // Vp8: the lowest bit of a key frame's first byte is clear.
        camera.write_sample(vec![0x11; 900], FRAME).unwrap();
        let first = within(5, track.recv_sample()).await.unwrap();
        assert_eq!(first.keyframe, Some(false));
        let asked = within(5, camera.next_event()).await;
        assert_eq!(asked, Some(MediaStreamTrackEvent::KeyframeRequested));
        camera.write_sample(vec![0x10; 900], FRAME).unwrap();
        let second = within(5, track.recv_sample()).await.unwrap();
        assert_eq!(second.keyframe, Some(true));
        camera.write_sample(vec![0x11; 900], FRAME).unwrap();
        within(5, track.recv_sample()).await.unwrap();
        assert!(stays_pending(camera.next_event()).await);
    })
    .await;
}

/// What the declaration of one track costs does not grow with their number: 500 that have 500
/// before them take about as long as the first 500 did.
#[tokio::test]
async fn many_tracks_are_declared_in_no_time() {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        usage.user_time().num_microseconds()
    };
    run(async {
        let end = End::loopback();
        let mut taken = Vec::new();
        for half in 0..2u32 {
            let before = cpu();
            for n in 0..490 {
                let ssrc = 1_000 * (half + 1) + n;
                let id = format!("stream {ssrc}");
                end.connection.receive_track(opus(ssrc, &[&id])).unwrap();
            }
            taken.push(cpu() - before);
        }
        assert!(taken[1] < 3 * taken[0] + 200_000, "{taken:?} us");
    })
    .await;
}
