//! One connection over several sockets, and tracks that pick theirs.
#![allow(clippy::unwrap_used)]

use crate::common::{
    Peer, loopback, run, stays_pending, strangers, stream_of, while_writing, within,
};
use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack};
use ortc::july::{RTCMediaStreamDescription, RTCSide, RTCSocketOptions};
use ortc::{
    DisconnectReason, ErrorName, Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent,
    RTCConnection, RTCConnectionEvent, RTCSocket, RTCTrackDescription,
};

fn socket() -> RTCSocket {
    let options = RTCSocketOptions::default().with_bind(([127, 0, 0, 1], 0).into());
    RTCSocket::with_servers([], options).unwrap().0
}

/// Two peers with two sockets each, not yet connecting; the second legs know each other as JSON.
fn two_legs() -> (Peer, Peer, RTCConnection, RTCConnection) {
    let (a, b) = strangers(loopback(), loopback());
    let legs = [&a, &b].map(|peer| peer.connection.add_socket(&socket()).unwrap());
    let json = |leg: &RTCConnection| serde_json::to_string(&leg.local()).unwrap();
    let (for_a, for_b) = (json(&legs[1]), json(&legs[0]));
    assert!(for_a.contains("socket-id"));
    let [of_a, of_b] = legs;
    of_a.set_remote(serde_json::from_str(&for_a).unwrap())
        .unwrap();
    of_b.set_remote(serde_json::from_str(&for_b).unwrap())
        .unwrap();
    a.connection.set_remote(b.connection.local()).unwrap();
    b.connection.set_remote(a.connection.local()).unwrap();
    // Those that came before the legs knew their peers had no place to go.
    for (leg, peer) in [(&of_a, &b), (&of_b, &a)] {
        for candidate in leg.local_socket().description().candidates {
            peer.connection.set_remote_candidate(&candidate).unwrap();
        }
    }
    (a, b, of_a, of_b)
}

async fn connect(a: &Peer, b: &Peer) {
    a.connection.connect().unwrap();
    b.connection.connect().unwrap();
    crate::common::both_connected(&a.connection, &b.connection).await;
}

fn close(a: &Peer, b: &Peer) {
    a.connection.close();
    b.connection.close();
}

fn over_json(description: &RTCTrackDescription) -> RTCTrackDescription {
    serde_json::from_str(&serde_json::to_string(description).unwrap()).unwrap()
}

#[tokio::test]
async fn b010_b011_c002_c003_c004_a_connection_over_two_sockets() {
    run(async {
        let (a, b, of_a, of_b) = two_legs();
        let sockets = a.connection.sockets();
        assert_eq!(sockets.len(), 2);
        assert!(sockets[0] == a.connection.local_socket());
        assert!(sockets[1] == of_a.local_socket() && sockets[0] != sockets[1]);
        assert_ne!(of_a.local().ice, a.connection.local().ice);
        // The socket again is the leg again.
        let again = a.connection.add_socket(&sockets[1]).unwrap();
        assert_eq!(again.local(), of_a.local());
        assert_eq!(a.connection.sockets().len(), 2);

        // One stream, a track on each socket.
        let stream = MediaStream::new();
        let voice = stream.add_track(&MediaStreamTrack::audio());
        let face = stream.add_track(&MediaStreamTrack::video());
        a.connection.add_stream(&stream).unwrap();
        a.connection.set_track_socket(&face, &sockets[1]).unwrap();
        let descriptions: Vec<_> = a
            .connection
            .tracks()
            .iter()
            .map(|t| t.description().unwrap())
            .collect();
        assert_eq!(descriptions[0].socket_id, None);
        assert_eq!(descriptions[1].socket_id, Some(sockets[1].id()));
        let received: Vec<_> = descriptions
            .iter()
            .map(|one| b.connection.receive_track(over_json(one)).unwrap())
            .collect();
        let [both] = &b.connection.receiving_streams()[..] else {
            panic!("two tracks of one stream");
        };
        assert_eq!(both.tracks(), received);
        let added = b
            .names()
            .iter()
            .filter(|name| **name == "addstream")
            .count();
        assert!(added <= 1);

        connect(&a, &b).await;
        let packet = while_writing(&voice, received[0].recv_rtp()).await.unwrap();
        assert_eq!(Some(packet.ssrc), descriptions[0].ssrc);
        let packet = while_writing(&face, received[1].recv_rtp()).await.unwrap();
        assert_eq!(Some(packet.ssrc), descriptions[1].ssrc);
        // Each went where it should.
        let stats = a.connection.stats();
        assert_eq!(stats.outbound_rtp.len(), 1);
        let ids: Vec<_> = stats.legs.keys().cloned().collect();
        assert_eq!(ids, [sockets[1].id()]);
        let leg = &stats.legs[&sockets[1].id()];
        assert_eq!(leg.outbound_rtp[0].kind, Kind::Video);
        assert!(leg.transport.bytes_sent > 0 && leg.legs.is_empty());
        assert!(serde_json::to_value(&stats).unwrap()["legs"][sockets[1].id()].is_object());
        assert_eq!(of_a.stats().outbound_rtp[0].kind, Kind::Video);
        assert_eq!(of_b.stats().inbound_rtp[0].kind, Kind::Video);
        let port = a
            .event(|event| match event {
                RTCConnectionEvent::ActiveCandidate { local, remote } => {
                    let id = sockets[1].id();
                    (local.socket_id == Some(id)).then_some(remote.connection_port)
                }
                _ => None,
            })
            .await;
        assert_eq!(port, of_b.local_socket().port());
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn c004_connected_are_all_sockets_that_carry_tracks() {
    run(async {
        let (a, b, of_a, of_b) = two_legs();
        let (stream, _) = stream_of(Kind::Audio);
        of_a.add_stream(&stream).unwrap();
        let id = of_a.local_socket().id();
        // The first socket alone carries nothing: that it is up says nothing.
        let (one, other) = (&a.connection, &b.connection);
        let remote = of_b.local();
        let (lonely, _events) = RTCConnection::new(loopback()).unwrap();
        let lonely_leg = lonely.add_socket(&socket()).unwrap();
        lonely_leg.add_stream(&stream).unwrap();
        lonely.set_remote(remote.clone()).unwrap();
        assert!(stays_pending(lonely.connected()).await);
        lonely.close();
        one.connect().unwrap();
        other.connect().unwrap();
        within(10, one.connected()).await.unwrap();
        within(10, of_a.connected()).await.unwrap();
        let of_leg = |event: &RTCConnectionEvent| match event {
            RTCConnectionEvent::Socket { socket_id, event } if event.name() == "connected" => {
                Some(socket_id.clone())
            }
            _ => None,
        };
        assert_eq!(a.event(of_leg).await, id);
        let plain =
            |event: &RTCConnectionEvent| (*event == RTCConnectionEvent::Connected).then_some(());
        a.event(plain).await;
        let events = a.events();
        let plain_at = events.iter().position(|event| plain(event).is_some());
        let leg_at = events.iter().position(|event| of_leg(event).is_some());
        assert!(leg_at < plain_at, "{events:?}");
        let count = events.iter().filter(|event| plain(event).is_some()).count();
        assert_eq!(count, 1);
        // A leg that ends is an event of its own, and the first goes on.
        within(10, of_b.connected()).await.unwrap();
        of_b.close();
        let reason = a
            .event(|event| match event {
                RTCConnectionEvent::Socket { event, .. } => crate::common::reason(event),
                _ => None,
            })
            .await;
        assert_eq!(reason, DisconnectReason::RemoteClosed);
        assert_eq!(b.connection.sockets().len(), 1);
        within(10, a.connection.connected()).await.unwrap();
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn b057_b062_c010_a_track_moves_to_another_socket() {
    run(async {
        let (a, b, of_a, _of_b) = two_legs();
        connect(&a, &b).await;
        let (stream, source) = stream_of(Kind::Audio);
        a.connection.add_stream(&stream).unwrap();
        let old = a.connection.track(&source).unwrap();
        old.set_codecs(vec![ortc::RTCCodec::new("PCMA", 8)])
            .unwrap();
        let first = b
            .connection
            .receive_track(old.description().unwrap())
            .unwrap();
        while_writing(&source, first.recv_rtp()).await.unwrap();
        within(10, of_a.connected()).await.unwrap();

        let target = of_a.local_socket();
        let new = a.connection.set_track_socket(&source, &target).unwrap();
        assert_eq!(new.codecs().unwrap()[0].name, "PCMA");
        assert_eq!(old.start().unwrap_err().name(), ErrorName::InvalidState);
        assert_ne!(old.ssrc().unwrap(), new.ssrc().unwrap());
        assert_eq!(a.connection.tracks().len(), 1);
        assert_eq!(
            a.connection.sending_streams(),
            std::slice::from_ref(&stream)
        );
        let description = over_json(&new.description().unwrap());
        assert_eq!(description.socket_id, Some(target.id()));
        assert_eq!(description.msid, [stream.id()]);
        let second = b.connection.receive_track(description).unwrap();
        while_writing(&source, second.recv_rtp()).await.unwrap();
        // The peer got a BYE for the old one.
        let mut events = Vec::new();
        while events.last() != Some(&MediaStreamTrackEvent::Disconnected) {
            events.push(within(10, first.next_event()).await.unwrap());
        }
        // Where it is already, nothing changes.
        let same = a.connection.set_track_socket(&source, &target).unwrap();
        assert_eq!(same.ssrc().unwrap(), new.ssrc().unwrap());
        let stranger = a
            .connection
            .set_track_socket(&source, &socket())
            .unwrap_err();
        assert_eq!(stranger.name(), ErrorName::InvalidAccess);
        let stranger = a
            .connection
            .set_track_socket(&MediaStreamTrack::audio(), &target);
        assert_eq!(stranger.unwrap_err().name(), ErrorName::InvalidAccess);
        // It leaves with its stream, wherever it is.
        assert!(a.connection.remove_stream(&stream).unwrap());
        assert!(a.connection.tracks().is_empty());
        while events.len() < 100 {
            let event = within(10, second.next_event()).await.unwrap();
            if event == MediaStreamTrackEvent::Disconnected {
                break;
            }
            events.push(event);
        }

        // 002's way: the description names the socket.
        let described: RTCMediaStreamDescription = serde_json::from_value(serde_json::json!({
            "stream-id": "show",
            "tracks": [
                {"track-id": "near", "kind": "audio", "socket-id": ""},
                {"track-id": "far", "kind": "audio", "socket-id": target.id()},
            ],
        }))
        .unwrap();
        let sent = a.connection.send_stream(described.clone()).unwrap();
        let view = sent.description();
        assert_eq!(view.tracks[0].socket_id, None);
        assert_eq!(view.tracks[1].socket_id, Some(target.id()));
        assert_eq!(of_a.tracks().len(), 1);
        b.connection.receive_stream(&view).unwrap();
        assert_eq!(
            b.connection.remote_streams()[0].description().tracks.len(),
            2
        );
        let mut nowhere = described;
        nowhere.tracks[0].socket_id = Some("nowhere".into());
        let error = a.connection.send_stream(nowhere).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidAccess);
        // A track that leaves its stream leaves its socket.
        sent.remove_track(&sent.stream().tracks()[1]);
        assert!(of_a.tracks().is_empty());
        close(&a, &b);
    })
    .await;
}

/// The digits that are heard until there are so many.
async fn hear(keys: &DTMFMediaStreamTrack, count: usize) -> String {
    let mut heard = String::new();
    while heard.len() < count {
        if let DTMFEvent::Tone(tone) = within(10, keys.next_event()).await.unwrap() {
            heard.push_str(&tone.digits);
        }
    }
    heard
}

#[tokio::test]
async fn b062_g023_digits_go_with_their_audio_track_to_another_socket_and_back() {
    run(async {
        let (a, b, of_a, _of_b) = two_legs();
        connect(&a, &b).await;
        within(10, of_a.connected()).await.unwrap();
        let stream = MediaStream::new();
        let voice = stream.add_track(&MediaStreamTrack::audio());
        let keys = DTMFMediaStreamTrack::new();
        // Of a stream of its own: it goes along all the same.
        let others = MediaStream::new();
        let source = others.add_track(&keys).as_dtmf().unwrap();
        a.connection.add_stream(&stream).unwrap();
        a.connection.add_stream(&others).unwrap();
        let receive = |track: &ortc::RTCTrack| {
            let description = over_json(&track.description().unwrap());
            let received = b.connection.receive_track(description).unwrap();
            b.connection.dtmf_track(&received).unwrap()
        };
        let first = a.connection.track(&voice).unwrap();
        let at_first = receive(&first);
        let mid = first.description().unwrap().mid;

        source.play("123456").unwrap();
        let mut heard = hear(&at_first, 2).await;
        let far = of_a.local_socket();
        let second = a.connection.set_track_socket(&voice, &far).unwrap();
        assert_ne!(first.ssrc().unwrap(), second.ssrc().unwrap());
        let description = second.description().unwrap();
        assert_eq!(
            (description.mid, &description.msid[..]),
            (mid, &[stream.id().to_owned()][..])
        );
        assert!(description.codecs.iter().any(|codec| codec.name == "dtmf"));
        let at_second = receive(&second);
        // The one that sounded ends where it began.
        source.play("78").unwrap();
        let mut there = String::new();
        within(10, async {
            while heard.len() + there.len() < 8 {
                let (event, into) = tokio::select! {
                    event = at_first.next_event() => (event, &mut heard),
                    event = at_second.next_event() => (event, &mut there),
                };
                if let Some(DTMFEvent::Tone(tone)) = event {
                    into.push_str(&tone.digits);
                }
            }
        })
        .await;
        println!("{heard} here, {there} there");
        assert!(there.len() > 2);
        heard += &there;
        assert_eq!(heard, "12345678");
        assert_eq!(
            a.connection.track(&source).unwrap().ssrc().unwrap(),
            second.ssrc().unwrap()
        );
        let alone = a
            .connection
            .set_track_socket(&source, &a.connection.local_socket());
        assert_eq!(alone.unwrap_err().name(), ErrorName::NotSupported);

        let near = a.connection.local_socket();
        let third = a.connection.set_track_socket(&voice, &near).unwrap();
        let at_third = receive(&third);
        source.play("9#").unwrap();
        assert_eq!(hear(&at_third, 2).await, "9#");

        // Off with their stream, wherever they are.
        a.connection.set_track_socket(&voice, &far).unwrap();
        assert!(a.connection.remove_stream(&others).unwrap());
        assert!(a.connection.track(&source).is_none());
        assert_eq!(of_a.tracks().len(), 1);
        close(&a, &b);
    })
    .await;
}

/// A leg that is closed, by itself or with the connection, keeps its figures.
#[tokio::test]
async fn b010_statistics_of_legs_stay_after_they_are_closed() {
    run(async {
        let (a, b, of_a, of_b) = two_legs();
        connect(&a, &b).await;
        within(10, of_a.connected()).await.unwrap();
        within(10, of_b.connected()).await.unwrap();
        let sent = |peer: &Peer| {
            let legs = peer.connection.stats().legs;
            legs.values()
                .map(|leg| leg.transport.bytes_sent)
                .sum::<u64>()
        };
        assert!(sent(&a) > 0 && sent(&b) > 0);
        let before = sent(&b);
        of_b.close();
        within(10, of_b.closed()).await;
        assert_eq!(b.connection.sockets().len(), 1);
        assert!(sent(&b) >= before);
        close(&a, &b);
        within(10, a.connection.closed()).await;
        assert!(a.connection.leg(&of_a.local_socket()).is_none());
        assert!(sent(&a) > 0);
        // Until another takes the place.
        let (other, _events) = RTCConnection::new(loopback()).unwrap();
        let leg = other.add_socket(&socket()).unwrap();
        leg.close();
        assert_eq!(other.stats().legs.len(), 1);
        let next = socket();
        other.add_socket(&next).unwrap();
        let ids: Vec<_> = other.stats().legs.into_keys().collect();
        assert_eq!(ids, [next.id()]);
        other.close();
    })
    .await;
}

#[tokio::test]
async fn b010_c007_what_further_sockets_share_and_how_they_end() {
    run(async {
        let (a, b, of_a, of_b) = two_legs();
        connect(&a, &b).await;
        within(10, of_a.connected()).await.unwrap();
        let cname =
            |connection: &RTCConnection| connection.description(RTCSide::Local).unwrap().cname;
        assert_eq!(cname(&of_a), cname(&a.connection));
        let mut named = a.connection.local();
        named.cname = Some("alice".into());
        a.connection
            .set_description(Some(named), RTCSide::Local)
            .unwrap();
        assert_eq!(cname(&of_a).as_deref(), Some("alice"));
        // A fork is on the same sockets.
        let (fork, _events) = a.connection.fork().unwrap();
        assert!(fork.sockets() == a.connection.sockets());
        fork.close();
        assert_eq!(
            of_a.add_socket(&socket()).unwrap_err().name(),
            ErrorName::InvalidState
        );
        let codecs = vec![ortc::RTCCodec::new("PCMA", 8)];
        let mut unknown = RTCTrackDescription::new(Kind::Audio, codecs);
        unknown.socket_id = Some("nowhere".into());
        let error = a.connection.receive_track(unknown).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidAccess);
        // All legs end with the connection, on both sides.
        a.connection.close();
        for leg in [&of_a, &a.connection] {
            assert_eq!(within(10, leg.closed()).await, DisconnectReason::Closed);
        }
        for leg in [&of_b, &b.connection] {
            assert_eq!(
                within(10, leg.closed()).await,
                DisconnectReason::RemoteClosed
            );
        }
        assert!(a.connection.add_socket(&socket()).is_err());
        assert_eq!(a.names().last(), Some(&"disconnected"));
    })
    .await;
}

#[tokio::test]
async fn b010_at_most_sixteen_sockets_and_room_again_when_one_ends() {
    run(async {
        let (connection, _events) = RTCConnection::new(loopback()).unwrap();
        let mut legs: Vec<_> = (1..16)
            .map(|_| connection.add_socket(&socket()).unwrap())
            .collect();
        let error = connection.add_socket(&socket()).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidState);
        legs.pop().unwrap().close();
        connection.add_socket(&socket()).unwrap();
        assert_eq!(connection.sockets().len(), 16);
    })
    .await;
}

#[tokio::test]
async fn b018_b055_events_and_reports_of_all_sockets() {
    run(async {
        let (a, b, of_a, _of_b) = two_legs();
        let interval = std::time::Duration::from_millis(100);
        let mut events = b.connection.stream_events(Some(interval)).unwrap();
        connect(&a, &b).await;
        within(10, of_a.connected()).await.unwrap();
        let (stream, source) = stream_of(Kind::Audio);
        of_a.add_stream(&stream).unwrap();
        let description = a.connection.tracks()[0].description().unwrap();
        let received = b.connection.receive_track(description).unwrap();
        while_writing(&source, received.recv_rtp()).await.unwrap();
        // In any order: reports come by the clock.
        let mut missing = vec!["trackconnected", "streamconnected", "trackreport"];
        while !missing.is_empty() {
            let name = within(10, events.next()).await.unwrap().name();
            missing.retain(|other| *other != name);
        }
        close(&a, &b);
        within(10, async { while events.next().await.is_some() {} }).await;
        assert!(missing.is_empty());
    })
    .await;
}
