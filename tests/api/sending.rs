//! What a connection sends: streams, and the members and verbs of RTCTrack.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{
    FRAME, both_connected, connected_pair, connected_pair_with, introduce, loopback, send_track,
    stays_pending, strangers, stream_of, while_writing, within,
};
use ortc::rtp::RtpPacket;
use ortc::{
    ErrorName, Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent, Misuse, RTCCodec,
    RTCConnection, RTCConnectionOptions, RTCHeaderExtension, RTCMediaAttributes, RTCTrack,
    RTCTrackDescription, RTCTrackFilter, TrackStart,
};

const NAME: &str = "urn:example:track-name";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

fn extensions() -> RTCConnectionOptions {
    let entry = RTCHeaderExtension::new;
    loopback().header_extensions([entry(NAME, 5), entry(MID, 1)])
}

fn new() -> RTCConnection {
    RTCConnection::new(loopback()).unwrap().0
}

async fn next(track: &MediaStreamTrack) -> RtpPacket {
    within(5, track.recv_rtp()).await.unwrap()
}

/// One frame, and the packets it came as.
async fn packet_of(source: &MediaStreamTrack, received: &MediaStreamTrack) -> RtpPacket {
    source.write_sample(vec![1; 40], FRAME).unwrap();
    next(received).await
}

#[tokio::test]
async fn a009_a010_a023_a026_a029_g010_streams_and_their_rtc_tracks() {
    let connection = new();
    assert!(connection.sending_streams().is_empty());
    assert!(connection.tracks().is_empty());
    let (stream, track) = stream_of(Kind::Audio);
    assert!(connection.track(&track).is_none(), "not sent yet");
    connection.add_stream(&stream).unwrap();
    // Again does nothing.
    connection.add_stream(&stream).unwrap();
    assert_eq!(connection.sending_streams(), std::slice::from_ref(&stream));
    assert_eq!(connection.tracks().len(), 1);
    let sending = connection.track(&track).unwrap();
    assert_eq!(*sending.source(), track);
    assert!(connection.track(&MediaStreamTrack::audio()).is_none());
    // Another connection sends the same stream with an RTCTrack of its own.
    let other = new();
    other.add_stream(&stream).unwrap();
    let theirs = other.track(&track).unwrap();
    assert_ne!(theirs.ssrc().unwrap(), sending.ssrc().unwrap());
}

#[tokio::test]
async fn a023_remote_media_is_not_sent_as_it_is() {
    let (a, b) = connected_pair().await;
    let (_, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    let streams = b.connection.receiving_streams();
    let error = b.connection.add_stream(&streams[0]).unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidParameters);
    let own = MediaStream::new();
    own.add_track(&received);
    let error = b.connection.add_stream(&own).unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidParameters);
    let (own, _) = stream_of(Kind::Audio);
    b.connection.add_stream(&own).unwrap();
    own.add_track(&received);
    assert_eq!(b.connection.tracks().len(), 1, "only the local track");
    assert!(b.connection.track(&received).is_none());
}

#[tokio::test]
async fn a024_a074_tracks_start_by_themselves_or_when_told() {
    use TrackStart::{Automatic, Manual};
    assert_eq!(TrackStart::default(), Automatic);
    for (start, starts) in [(Automatic, true), (Manual, false)] {
        let (a, b) = connected_pair().await;
        let (stream, source) = stream_of(Kind::Audio);
        a.connection.add_stream_with(&stream, start).unwrap();
        let sending = a.connection.track(&source).unwrap();
        let received = b
            .connection
            .receive_track(sending.description().unwrap())
            .unwrap();
        assert_eq!(sending.is_started().unwrap(), starts);
        if !starts {
            let silent = while_writing(&source, stays_pending(received.recv_rtp())).await;
            assert!(silent, "{start:?}");
            sending.start().unwrap();
            sending.start().unwrap();
        }
        while_writing(&source, next(&received)).await;
    }
}

#[tokio::test]
async fn a024_a074_what_is_started_before_goes_out_once_connected() {
    let (a, b) = strangers(loopback(), loopback());
    let (source, sending, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    let (stream, late) = stream_of(Kind::Audio);
    a.connection
        .add_stream_with(&stream, TrackStart::Manual)
        .unwrap();
    let late_sending = a.connection.track(&late).unwrap();
    late_sending.start().unwrap();
    let late_received = b
        .connection
        .receive_track(late_sending.description().unwrap())
        .unwrap();
    // Not connected: no error, nothing sent, nothing kept for later.
    source.write_sample(vec![9; 9], FRAME).unwrap();
    introduce(&a, b.connection.local());
    introduce(&b, a.connection.local());
    both_connected(&a.connection, &b.connection).await;
    let first = packet_of(&source, &received).await;
    assert_eq!(&first.payload[..], [1; 40]);
    assert_eq!(first.ssrc, sending.ssrc().unwrap());
    packet_of(&late, &late_received).await;
}

#[tokio::test]
async fn a025_g009_remove_stream_stops_with_bye() {
    let (a, b) = connected_pair().await;
    let (stream, source) = stream_of(Kind::Audio);
    a.connection.add_stream(&stream).unwrap();
    let sending = a.connection.track(&source).unwrap();
    let received = b
        .connection
        .receive_track(sending.description().unwrap())
        .unwrap();
    packet_of(&source, &received).await;
    assert!(a.connection.remove_stream(&stream).unwrap());
    assert!(!a.connection.remove_stream(&stream).unwrap());
    assert!(a.connection.sending_streams().is_empty());
    assert!(a.connection.tracks().is_empty());
    assert_eq!(stream.tracks().len(), 1, "the stream itself is unchanged");
    let events = [
        within(5, received.next_event()).await.unwrap(),
        within(1, received.next_event()).await.unwrap(),
    ];
    assert_eq!(
        events,
        [
            MediaStreamTrackEvent::Connected,
            MediaStreamTrackEvent::Disconnected
        ],
        "BYE, long before any time-out"
    );
    assert!(while_writing(&source, stays_pending(received.recv_rtp())).await);
    assert_eq!(sending.start().unwrap_err().name(), ErrorName::InvalidState);
    // It may be added again, as a new source.
    a.connection.add_stream(&stream).unwrap();
    assert!(a.connection.track(&source).is_some());
}

#[tokio::test]
async fn a027_a067_a068_tracks_and_their_filter() {
    let connection = new();
    let (one, two) = (MediaStream::new(), MediaStream::new());
    let audio = one.add_track(&MediaStreamTrack::audio());
    let video = one.add_track(&MediaStreamTrack::video());
    let other = two.add_track(&MediaStreamTrack::audio());
    connection.add_stream(&one).unwrap();
    connection.add_stream(&two).unwrap();
    let found = |filter: &RTCTrackFilter| -> Vec<_> {
        let tracks = connection.tracks_matching(filter);
        tracks.iter().map(|track| track.source().clone()).collect()
    };
    let all = RTCTrackFilter::default();
    assert_eq!(found(&all), [audio.clone(), video.clone(), other.clone()]);
    assert_eq!(connection.tracks().len(), 3);
    assert_eq!(
        found(&RTCTrackFilter::kind(Kind::Audio)),
        [audio.clone(), other.clone()]
    );
    assert_eq!(
        found(&RTCTrackFilter::media_stream(one.id())),
        [audio.clone(), video.clone()]
    );
    let both: RTCTrackFilter =
        serde_json::from_value(serde_json::json!({"mediaStream": one.id(), "kind": "video"}))
            .unwrap();
    assert_eq!(found(&both), [video]);
    assert_eq!(found(&RTCTrackFilter::media_stream("none")), []);
    let null: RTCTrackFilter =
        serde_json::from_value(serde_json::json!({"mediaStream": null, "kind": null})).unwrap();
    assert_eq!(found(&null).len(), 3);
}

#[tokio::test]
async fn a069_source_kind_and_ssrc() {
    let connection = new();
    for kind in [Kind::Audio, Kind::Video] {
        let (stream, source) = stream_of(kind);
        connection.add_stream(&stream).unwrap();
        let sending = connection.track(&source).unwrap();
        assert_eq!(*sending.source(), source);
        assert_eq!(sending.kind(), kind);
        let json = serde_json::to_value(sending.description().unwrap()).unwrap();
        assert_eq!(json["kind"], kind.as_str());
        assert_eq!(json["ssrc"], sending.ssrc().unwrap().to_string());
    }
}

#[tokio::test]
async fn a070_a073_g025_members_change_and_descriptions_are_snapshots() {
    let connection = new();
    let (stream, source) = stream_of(Kind::Video);
    connection.add_stream(&stream).unwrap();
    let sending = connection.track(&source).unwrap();
    let before = sending.description().unwrap();
    assert_eq!(before.msid, [stream.id()]);
    let mut attributes = RTCMediaAttributes::default();
    attributes.video_max_width = Some(640);
    let headers = BTreeMap::from([(NAME.to_owned(), "camera".to_owned())]);
    sending.set_msid(vec!["m1".into(), "m2".into()]).unwrap();
    sending.set_codecs(vec![RTCCodec::h264(99)]).unwrap();
    sending
        .set_media_attributes(vec![attributes.clone()])
        .unwrap();
    sending
        .set_header_extension_values(headers.clone())
        .unwrap();
    sending.set_mid(Some("v".into())).unwrap();
    let after = sending.description().unwrap();
    assert_eq!(after.msid, ["m1", "m2"]);
    assert_eq!(after.codecs, [RTCCodec::h264(99)]);
    assert_eq!(after.media_attributes, Some(vec![attributes]));
    assert_eq!(after.header_extension_values, Some(headers));
    assert_eq!(after.mid.as_deref(), Some("v"));
    assert_eq!(after.ssrc, before.ssrc);
    assert_eq!(
        before.msid,
        [stream.id()],
        "what was taken before is unchanged"
    );
    assert_eq!(sending.codecs().unwrap(), after.codecs);
    assert_eq!(sending.msid().unwrap(), after.msid);
    let text = serde_json::to_string(&after).unwrap();
    assert_eq!(
        serde_json::from_str::<RTCTrackDescription>(&text).unwrap(),
        after
    );
}

#[tokio::test]
async fn a070_a072_a081_bad_values_are_refused_and_the_old_ones_stay() {
    let connection = new();
    let (stream, source) = stream_of(Kind::Audio);
    connection.add_stream(&stream).unwrap();
    let sending = connection.track(&source).unwrap();
    let before = sending.description().unwrap();
    let refused = |codecs: Vec<RTCCodec>| sending.set_codecs(codecs).unwrap_err().name();
    for id in 64..=95 {
        assert_eq!(
            refused(vec![RTCCodec::opus(id)]),
            ErrorName::InvalidParameters
        );
    }
    assert_eq!(
        refused(vec![RTCCodec::opus(128)]),
        ErrorName::InvalidParameters
    );
    assert_eq!(
        refused(vec![RTCCodec::vp8(96)]),
        ErrorName::InvalidParameters
    );
    assert_eq!(
        refused(vec![RTCCodec::opus(96), RTCCodec::new("g722", 96)]),
        ErrorName::InvalidParameters
    );
    assert_eq!(refused(vec![]), ErrorName::NotSupported);
    assert_eq!(
        refused(vec![RTCCodec::new("x", 96)]),
        ErrorName::NotSupported
    );
    assert_eq!(refused(vec![RTCCodec::dtmf(96)]), ErrorName::NotSupported);
    let mut narrow = RTCMediaAttributes::default();
    narrow.resolution_scale = Some(0.0);
    let invalid = |result: ortc::Result<()>| {
        assert_eq!(result.unwrap_err().name(), ErrorName::InvalidParameters);
    };
    invalid(sending.set_media_attributes(vec![narrow]));
    invalid(sending.set_msid(vec![String::new(); 129]));
    invalid(sending.set_mid(Some(String::new())));
    invalid(sending.set_mid(Some("m".repeat(256))));
    invalid(sending.set_header_extension_values(BTreeMap::from([(NAME.into(), "n".repeat(256))])));
    invalid(
        sending.set_header_extension_values((0..5).map(|n| (n.to_string(), "v".into())).collect()),
    );
    assert_eq!(sending.description().unwrap(), before);
}

#[tokio::test]
async fn a070_a072_g025_codecs_change_while_sending() {
    let (a, b) = connected_pair().await;
    let (source, sending, received) = send_track(&a.connection, &b.connection, Kind::Video);
    let first = packet_of(&source, &received).await;
    assert_eq!(first.payload_type, 97, "vp8, the first of the list");
    let codecs = vec![
        RTCCodec::new("rtx", 110),
        RTCCodec::new("unheard-of", 111),
        RTCCodec::new("vp9", 112),
        RTCCodec::vp8(97),
    ];
    sending.set_codecs(codecs).unwrap();
    // The application signals again; nothing is negotiated behind its back.
    let again = b
        .connection
        .receive_track(sending.description().unwrap())
        .unwrap();
    assert_eq!(again, received);
    assert_eq!(
        within(5, source.next_event()).await,
        Some(MediaStreamTrackEvent::KeyframeRequested)
    );
    let second = packet_of(&source, &received).await;
    assert_eq!(second.payload_type, 112, "the first supported media codec");
    assert_eq!(second.ssrc, first.ssrc);
    assert_eq!(
        second.sequence_number,
        first.sequence_number.wrapping_add(1)
    );
    assert_eq!(second.timestamp, first.timestamp.wrapping_add(1800));
    // The same codec in another list changes nothing on the wire.
    sending.set_codecs(vec![RTCCodec::new("vp9", 112)]).unwrap();
    let third = packet_of(&source, &received).await;
    assert_eq!(third.payload_type, 112);
    assert_eq!(
        third.sequence_number,
        second.sequence_number.wrapping_add(1)
    );
    assert!(stays_pending(source.next_event()).await);
}

#[tokio::test]
async fn a071_header_extensions_go_out_where_they_have_an_id() {
    let (a, b) = connected_pair_with(extensions(), extensions()).await;
    let (source, sending, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    let bare = packet_of(&source, &received).await;
    assert!(bare.extensions.is_empty());
    let headers = BTreeMap::from([
        (NAME.to_owned(), "camera 1".to_owned()),
        (
            "urn:example:unmapped".to_owned(),
            "signalled only".to_owned(),
        ),
    ]);
    sending
        .set_header_extension_values(headers.clone())
        .unwrap();
    sending.set_mid(Some("a0".into())).unwrap();
    assert_eq!(sending.header_extension_values().unwrap(), headers);
    let got = packet_of(&source, &received).await;
    assert_eq!(got.extensions.get(5), Some(&b"camera 1"[..]));
    assert_eq!(got.extensions.get(1), Some(&b"a0"[..]));
    assert_eq!(got.extensions.iter().count(), 2);
    // Packets that the application made carry them as well.
    let mut own = got.clone();
    own.sequence_number = got.sequence_number.wrapping_add(1);
    source.write_rtp(&own).unwrap();
    let again = next(&received).await;
    assert_eq!(again.extensions.get(5), Some(&b"camera 1"[..]));
    sending
        .set_header_extension_values(BTreeMap::new())
        .unwrap();
    sending.set_mid(None).unwrap();
    own.sequence_number = got.sequence_number.wrapping_add(2);
    source.write_rtp(&own).unwrap();
    assert!(next(&received).await.extensions.is_empty());
}

#[tokio::test]
async fn a071_conflicting_header_extension_ids_are_refused() {
    let entry = RTCHeaderExtension::new;
    for bad in [
        vec![entry(NAME, 5), entry(MID, 5)],
        vec![entry(NAME, 5), entry(NAME, 6)],
        vec![entry(NAME, 0)],
    ] {
        let error = RTCConnection::new(loopback().header_extensions(bad)).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
    }
}

#[tokio::test]
async fn a074_a075_g009_stop_says_no_bye_and_start_goes_on() {
    let (a, b) = connected_pair().await;
    let (source, sending, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    let first = packet_of(&source, &received).await;
    assert_eq!(
        received.next_event().await,
        Some(MediaStreamTrackEvent::Connected)
    );
    sending.stop().unwrap();
    sending.stop().unwrap();
    assert!(!sending.is_started().unwrap());
    for _ in 0..5 {
        source.write_sample(vec![2; 40], FRAME).unwrap();
    }
    assert!(stays_pending(received.recv_rtp()).await);
    assert!(stays_pending(received.next_event()).await, "no BYE");
    sending.start().unwrap();
    let second = packet_of(&source, &received).await;
    assert_eq!(second.ssrc, first.ssrc);
    assert_eq!(
        second.sequence_number,
        first.sequence_number.wrapping_add(1)
    );
    // Media time went on: the first frame and the five that were not sent.
    assert_eq!(second.timestamp, first.timestamp.wrapping_add(6 * 960));
}

/// G11: however a sender ends, RTP ends on the wire, though the application writes on; a BYE says
/// so where it is for good, and the SSRC is free for another track then.
#[tokio::test]
async fn r_g11_what_stops_sends_no_rtp_and_what_ends_says_bye_and_frees_its_ssrc() {
    let (a, b) = connected_pair().await;
    for verb in ["stop", "pause", "remove", "remove_stream", "replace"] {
        let (stream, source) = stream_of(Kind::Audio);
        a.connection.add_stream(&stream).unwrap();
        let sending = a.connection.track(&source).unwrap();
        let ssrc = sending.ssrc().unwrap();
        let description = sending.description().unwrap();
        let received = b.connection.receive_track(description).unwrap();
        packet_of(&source, &received).await;
        let connected = within(5, received.next_event()).await;
        assert_eq!(connected, Some(MediaStreamTrackEvent::Connected));
        match verb {
            "stop" => sending.stop().unwrap(),
            "pause" => sending.pause().unwrap(),
            "remove" => sending.remove().unwrap(),
            "remove_stream" => assert!(a.connection.remove_stream(&stream).unwrap()),
            _ => sending.set_ssrc(ssrc.wrapping_add(1).max(1)).unwrap(),
        }
        let ends = ["remove", "remove_stream", "replace"].contains(&verb);
        if ends {
            let told = while_writing(&source, received.next_event()).await;
            assert_eq!(told, Some(MediaStreamTrackEvent::Disconnected), "{verb}");
        }
        // Some of what was under way before may still be waiting.
        while !stays_pending(received.recv_rtp()).await {}
        let before = a.connection.stats().transport.packets_sent;
        let quiet = stays_pending(received.recv_rtp());
        assert!(while_writing(&source, quiet).await, "{verb}");
        if verb != "replace" {
            // Thirty frames were written; reports and checks are all that went out.
            let sent = a.connection.stats().transport.packets_sent - before;
            assert!(sent <= 10, "{verb}: {sent}");
        }
        if !ends {
            assert!(stays_pending(received.next_event()).await, "{verb}: no BYE");
            sending.remove().unwrap();
            let told = within(2, received.next_event()).await;
            assert_eq!(told, Some(MediaStreamTrackEvent::Disconnected), "{verb}");
        }
        // At both ends it is free.
        assert!(b.connection.stop_receiving(ssrc).unwrap(), "{verb}");
        let (other, again, heard) = {
            let (stream, source) = stream_of(Kind::Audio);
            a.connection.add_stream(&stream).unwrap();
            let sending = a.connection.track(&source).unwrap();
            sending.set_ssrc(ssrc).unwrap();
            let description = sending.description().unwrap();
            (
                source,
                sending,
                b.connection.receive_track(description).unwrap(),
            )
        };
        // The first may be taken for strays that the BYE overtook.
        let first = while_writing(&other, heard.recv_rtp()).await;
        assert_eq!(first.unwrap().ssrc, ssrc, "{verb}");
        again.remove().unwrap();
        // A receiver that stops: what comes on is not its any more.
        assert!(b.connection.stop_receiving(ssrc).unwrap());
        assert!(!b.connection.stop_receiving(ssrc).unwrap());
    }
}

#[tokio::test]
async fn a076_g009_remove_says_bye_and_kills_the_rtc_track_alone() {
    let (a, b) = connected_pair().await;
    let stream = MediaStream::new();
    let audio = stream.add_track(&MediaStreamTrack::audio());
    let video = stream.add_track(&MediaStreamTrack::video());
    a.connection.add_stream(&stream).unwrap();
    let sending = a.connection.track(&audio).unwrap();
    let received = b
        .connection
        .receive_track(sending.description().unwrap())
        .unwrap();
    packet_of(&audio, &received).await;
    let described = sending.description().unwrap();
    sending.remove().unwrap();
    received.next_event().await;
    assert_eq!(
        within(2, received.next_event()).await,
        Some(MediaStreamTrackEvent::Disconnected)
    );
    assert_eq!(stream.tracks(), [audio.clone(), video.clone()]);
    assert_eq!(a.connection.sending_streams(), [stream]);
    assert!(a.connection.track(&audio).is_none());
    assert!(a.connection.track(&video).is_some());
    let name = |error: ortc::Error| error.name();
    let dead = ErrorName::InvalidState;
    assert_eq!(sending.remove().map_err(name), Err(dead));
    assert_eq!(sending.start().map_err(name), Err(dead));
    assert_eq!(sending.stop().map_err(name), Err(dead));
    assert_eq!(
        sending.set_codecs(vec![RTCCodec::opus(96)]).map_err(name),
        Err(dead)
    );
    // What it was can be read.
    assert_eq!(sending.description().unwrap(), described);
    assert_eq!(Some(sending.ssrc().unwrap()), described.ssrc);
    assert_eq!(sending.codecs().unwrap(), described.codecs);
    assert!(sending.is_started().unwrap());
    assert_eq!(sending.kind(), Kind::Audio);
    // What is written now goes nowhere, and is no error.
    assert!(while_writing(&audio, stays_pending(received.recv_rtp())).await);
}

/// All that an RTCTrack can say of itself.
fn said(track: &RTCTrack) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (track.source().clone(), track.kind(), track.ssrc().unwrap()),
        (track.msid().unwrap(), track.codecs().unwrap()),
        track.media_attributes().unwrap(),
        track.header_extension_values().unwrap(),
        (track.encodings().unwrap(), track.description().unwrap()),
        track.is_started().unwrap(),
    )
}

#[tokio::test]
async fn a076_each_getter_of_a_removed_track_says_what_it_was() {
    type Remove = fn(&RTCConnection, &MediaStream, &RTCTrack);
    let ways: [Remove; 3] = [
        |_, _, track| track.remove().unwrap(),
        |connection, stream, _| assert!(connection.remove_stream(stream).unwrap()),
        |_, stream, track| stream.remove_track(track.source()),
    ];
    for remove in ways {
        let connection = new();
        let (stream, _source) = stream_of(Kind::Video);
        connection
            .add_stream_with(&stream, TrackStart::Manual)
            .unwrap();
        let [track] = &connection.tracks()[..] else {
            panic!("not one track");
        };
        let mut attributes = RTCMediaAttributes::default();
        attributes.max_bitrate = Some(100_000);
        track.set_media_attributes(vec![attributes]).unwrap();
        track.set_msid(vec!["other".into()]).unwrap();
        track.set_mid(Some("7".into())).unwrap();
        let values = BTreeMap::from([(NAME.to_owned(), "camera".to_owned())]);
        track.set_header_extension_values(values).unwrap();
        let before = said(track);
        remove(&connection, &stream, track);
        assert!(connection.tracks().is_empty());
        assert_eq!(said(track), before);
        assert_eq!(track.start().unwrap_err(), Misuse::TrackRemoved.into());
    }
}

#[tokio::test]
async fn g044_tracks_added_and_removed_later_follow_the_stream() {
    let (a, b) = connected_pair().await;
    for start in [TrackStart::Automatic, TrackStart::Manual] {
        let stream = MediaStream::new();
        a.connection.add_stream_with(&stream, start).unwrap();
        assert!(a.connection.tracks().is_empty());
        let track = stream.add_track(&MediaStreamTrack::audio());
        let sending = a.connection.track(&track).unwrap();
        let automatic = start == TrackStart::Automatic;
        assert_eq!(sending.is_started().unwrap(), automatic);
        assert_eq!(sending.msid().unwrap(), [stream.id()]);
        sending.start().unwrap();
        let received = b
            .connection
            .receive_track(sending.description().unwrap())
            .unwrap();
        packet_of(&track, &received).await;
        received.next_event().await;
        stream.remove_track(&track);
        assert_eq!(
            within(2, received.next_event()).await,
            Some(MediaStreamTrackEvent::Disconnected),
            "removal is RTCTrack.remove"
        );
        assert!(a.connection.track(&track).is_none());
        a.connection.remove_stream(&stream).unwrap();
        stream.add_track(&track);
        assert!(a.connection.tracks().is_empty(), "no longer sent");
    }
}

/// Two tasks that each bring a track of one stream: whichever adds the stream, both are sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g044_a_track_added_while_the_stream_is_being_added_is_sent() {
    for round in 0..2000 {
        let connection = new();
        let stream = MediaStream::new();
        let threads: Vec<_> = [MediaStreamTrack::audio(), MediaStreamTrack::video()]
            .into_iter()
            .map(|source| {
                let (connection, stream) = (connection.clone(), stream.clone());
                tokio::task::spawn_blocking(move || {
                    let track = stream.add_track(&source);
                    connection.add_stream(&stream).unwrap();
                    assert!(connection.track(&track).is_some(), "round {round}");
                })
            })
            .collect();
        for thread in threads {
            within(5, thread).await.unwrap();
        }
        assert_eq!(connection.tracks().len(), 2);
    }
}

#[tokio::test]
async fn a110_a111_g032_a_track_is_cloned_into_each_stream_and_fed_once() {
    let (a, b) = connected_pair().await;
    let original = MediaStreamTrack::video();
    let (one, two) = (MediaStream::new(), MediaStream::new());
    let clones = [one.add_track(&original), two.add_track(&original)];
    assert_ne!(clones[0], original);
    assert_ne!(clones[0], clones[1]);
    assert_ne!(clones[0].id(), clones[1].id());
    assert_eq!(clones[0].kind(), Kind::Video);
    a.connection.add_stream(&one).unwrap();
    a.connection.add_stream(&two).unwrap();
    assert!(a.connection.track(&original).is_none());
    let tracks = clones
        .each_ref()
        .map(|clone| a.connection.track(clone).unwrap());
    assert_ne!(tracks[0].ssrc().unwrap(), tracks[1].ssrc().unwrap());
    let received = tracks.each_ref().map(|track| {
        let description = track.description().unwrap();
        b.connection.receive_track(description).unwrap()
    });
    let frame = vec![0x10; 2500];
    original.write_sample(frame.clone(), FRAME).unwrap();
    for track in &received {
        assert_eq!(within(5, track.recv_sample()).await.unwrap().data, frame);
    }
    // One source, one encoder: the request is heard where the media is written.
    received[1].request_full_intra();
    assert_eq!(
        within(5, original.next_event()).await,
        Some(MediaStreamTrackEvent::KeyframeRequested)
    );
    // Removing one clone leaves the other.
    one.remove_track(&clones[0]);
    original.write_sample(frame.clone(), FRAME).unwrap();
    assert_eq!(
        within(5, received[1].recv_sample()).await.unwrap().data,
        frame
    );
    assert!(a.connection.track(&clones[0]).is_none());
    tokio::time::sleep(Duration::from_millis(10)).await;
}
