//! Statistics: W3C's names and units, and both ends agree.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::relay::Relay;
use crate::common::session::End;
use crate::common::{FRAME, connected_pair, run, send_track, while_writing, within};
use ortc::Kind;
use ortc::stats::RTCStats;

fn json(stats: &RTCStats) -> serde_json::Value {
    serde_json::to_value(stats).unwrap()
}

#[tokio::test]
async fn figures_of_both_ends_agree() {
    run(async {
        let (a, b) = connected_pair().await;
        let (camera, sending, screen) = send_track(&a.connection, &b.connection, Kind::Video);
        let (voice, _, speaker) = send_track(&a.connection, &b.connection, Kind::Audio);
        sending.set_mid(Some("v".into())).unwrap();
        for n in 0..20u8 {
            // VP8: a clear lowest bit makes a key frame.
            let first = if n % 10 == 0 { 0 } else { 1 };
            let frame = [vec![first], vec![n | 1; 2_500]].concat();
            camera.write_sample(frame, FRAME).unwrap();
            within(5, screen.recv_sample()).await.unwrap();
            voice.write_sample(vec![n | 1; 80], FRAME).unwrap();
            within(5, speaker.recv_rtp()).await.unwrap();
        }
        screen.request_keyframe();
        screen.request_full_intra();
        within(5, camera.next_event()).await.unwrap();
        // Reports come within a second and a half.
        let reported = || {
            let stats = a.connection.stats();
            let told = |s: &&ortc::stats::RTCRemoteInboundRtpStats| s.round_trip_time.is_some();
            stats.remote_inbound_rtp.iter().any(|s| told(&s))
        };
        while_writing(&voice, async {
            while !reported() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let (near, far) = (a.connection.stats(), b.connection.stats());
        let ssrc = sending.ssrc().unwrap();
        let sent = near.outbound_rtp.iter().find(|s| s.ssrc == ssrc).unwrap();
        let got = far.inbound_rtp.iter().find(|s| s.ssrc == ssrc).unwrap();
        assert_eq!(sent.packets_sent, got.packets_received);
        assert_eq!(sent.bytes_sent, got.bytes_received);
        // 2,501 bytes in packets of 1,100 with four bytes of VP8's descriptor each.
        assert_eq!(
            (sent.packets_sent, sent.bytes_sent),
            (60, 20 * (2_501 + 12))
        );
        assert_eq!((sent.frames_sent, sent.active), (20, true));
        let frames = got.frames.unwrap();
        assert_eq!(
            (frames.frames_received, frames.key_frames_received),
            (20, 2)
        );
        assert_eq!((frames.frames_dropped, got.packets_lost), (0, 0));
        assert_eq!(
            got.pli_count + got.fir_count,
            sent.pli_count + sent.fir_count
        );
        assert!(sent.pli_count + sent.fir_count >= 1);
        assert_eq!((sent.mid.as_deref(), got.mid.as_deref()), (Some("v"), None));
        assert!(sent.rtx_ssrc.is_some() && sent.rtx_ssrc == got.rtx_ssrc);
        let audio = far
            .inbound_rtp
            .iter()
            .find(|s| s.kind == Kind::Audio)
            .unwrap();
        assert_eq!(audio.frames, None, "it is read as packets");

        let codec = |stats: &RTCStats, id: &str| {
            let found = stats.codecs.iter().find(|codec| codec.id == id);
            let codec = found.unwrap();
            (codec.mime_type.clone(), codec.codec_type, codec.clock_rate)
        };
        let vp8 = "video/VP8".to_owned();
        assert_eq!(
            codec(&near, &sent.codec_id),
            (vp8.clone(), "encode", 90_000)
        );
        assert_eq!(codec(&far, &got.codec_id), (vp8, "decode", 90_000));

        let told = near
            .remote_inbound_rtp
            .iter()
            .find(|s| s.kind == Kind::Audio)
            .unwrap();
        assert_eq!((told.packets_lost, told.fraction_lost), (0, 0.0));
        let rtt = told.round_trip_time.unwrap();
        assert!((0.0..1.0).contains(&rtt) && told.total_round_trip_time >= rtt);
        assert!(told.round_trip_time_measurements >= 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() * 1_000.0 - told.timestamp;
        assert!((-100.0..10_000.0).contains(&age), "{age} ms ago");
        assert!(near.timestamp >= told.timestamp);

        let transport = &near.transport;
        let pair = near
            .candidate_pairs
            .iter()
            .find(|pair| pair.selected)
            .unwrap();
        assert_eq!(
            transport.selected_candidate_pair_id.as_ref(),
            Some(&pair.id)
        );
        assert!(pair.nominated && pair.state == "succeeded");
        assert!(pair.responses_received >= 1 && pair.current_round_trip_time.is_some());
        let port = b.connection.local_socket().local_addr().port();
        assert_eq!(pair.remote_candidate.connection_port, port);
        assert!(transport.selected_candidate_pair_changes >= 1);
        assert!(transport.packets_sent > 80 && transport.bytes_sent > sent.bytes_sent);
        // What is under way when the snapshots are made differs.
        let difference = transport
            .packets_sent
            .abs_diff(far.transport.packets_received);
        assert!(difference < 20, "{difference}");

        let certificate = |stats: &RTCStats, id| {
            let found = stats.certificates.iter().find(|one| one.id == id);
            found.unwrap().clone()
        };
        for (one, other) in [("local", "remote"), ("remote", "local")] {
            let (ours, theirs) = (certificate(&near, one), certificate(&far, other));
            assert_eq!(ours.base64_certificate, theirs.base64_certificate);
            assert_eq!(ours.fingerprint, theirs.fingerprint);
            assert_eq!(ours.fingerprint_algorithm, "sha-256");
        }
        for peer in [&a, &b] {
            peer.connection.close();
        }
        assert_eq!(
            b.connection.stats().inbound_rtp.len(),
            2,
            "also after the end"
        );
    })
    .await;
}

#[tokio::test]
async fn names_are_those_of_the_w3c() {
    run(async {
        let (mut near, mut far) = (End::loopback(), End::loopback());
        let relay = Relay::between(&mut near, &mut far);
        near.connected().await;
        far.connected().await;
        let (camera, _, screen) = send_track(&near.connection, &far.connection, Kind::Video);
        for _ in 0..3 {
            camera.write_sample(vec![0; 40], FRAME).unwrap();
            within(5, screen.recv_sample()).await.unwrap();
        }
        let (near, far) = (near.connection.stats(), far.connection.stats());
        drop(relay);
        let has = |value: &serde_json::Value, names: &str| {
            for name in names.split_whitespace() {
                assert!(value.get(name).is_some(), "{name} in {value}");
            }
        };
        let stats = json(&near);
        has(
            &stats,
            "timestamp transport candidatePairs inboundRtp outboundRtp remoteInboundRtp codecs \
             certificates dropped",
        );
        has(
            &stats["transport"],
            "iceRole iceState dtlsState dtlsRole dtlsCipher srtpCipher packetsSent packetsReceived \
             bytesSent bytesReceived selectedCandidatePairId selectedCandidatePairChanges",
        );
        has(
            &stats["candidatePairs"][0],
            "id state nominated currentRoundTripTime requestsSent requestsReceived responsesSent \
             responsesReceived",
        );
        has(
            &stats["outboundRtp"][0],
            "ssrc kind codecId active packetsSent bytesSent framesSent pliCount firCount nackCount \
             retransmittedPacketsSent retransmittedBytesSent rtxSsrc",
        );
        has(
            &json(&far)["inboundRtp"][0],
            "ssrc kind codecId packetsReceived bytesReceived packetsLost jitter pliCount firCount \
             nackCount lastPacketReceivedTimestamp retransmittedPacketsReceived framesReceived \
             framesDropped packetsDiscarded keyFramesReceived",
        );
        let h264 = &json(&near)["codecs"];
        let fmtp = h264
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["mimeType"] == "video/H264");
        assert_eq!(
            fmtp.unwrap()["sdpFmtpLine"],
            "packetization-mode=1;profile-level-id=42e01f"
        );
        has(
            &json(&near)["certificates"][0],
            "id fingerprint fingerprintAlgorithm base64Certificate",
        );
    })
    .await;
}
