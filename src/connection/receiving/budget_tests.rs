//! Who gives way when what a peer sends is not read.

use std::sync::Weak;

use super::track::ReceivingTrack;
use super::tracks::Receiving;
use crate::budget::Budget;
use crate::connection::core::shared::ConnectionShared;
use crate::media::track::{MediaOrigin, MediaStreamTrack};
use crate::media::{Kind, RTCTrackDescription};
use crate::rtp::{ReceiverId, RtpPacket};

const LIMIT: usize = 1 << 20;

fn receiving(count: u32) -> (Receiving, Budget, Vec<MediaStreamTrack>) {
    let budget = Budget::new(LIMIT);
    let mut receiving = Receiving::new(budget.clone());
    let description = RTCTrackDescription::new(Kind::Video, Vec::new());
    let tracks = (0..count).map(|n| {
        let nobody: Weak<dyn MediaOrigin> = Weak::<ConnectionShared>::new();
        let (id, budget) = (ReceiverId(n), receiving.budget().clone());
        let track = ReceivingTrack::new(&description, None, nobody, id, &budget);
        let own = track.track.clone();
        receiving.insert_layer(id, track);
        own
    });
    let tracks = tracks.collect();
    (receiving, budget, tracks)
}

fn deliver(receiving: &mut Receiving, track: u32, count: u16, len: usize) {
    let packets = (0..count).map(|sequence_number| RtpPacket {
        sequence_number,
        payload: vec![0; len].into(),
        ..RtpPacket::default()
    });
    receiving.deliver(ReceiverId(track), packets, None);
    receiving.stay_within_budget(0);
}

/// A track is bounded by packets, and packets may be of 64 KiB.
#[test]
fn r_c05_the_track_that_holds_most_gives_way() {
    let (mut receiving, budget, tracks) = receiving(3);
    deliver(&mut receiving, 0, 100, 1_000);
    for _ in 0..20 {
        deliver(&mut receiving, 1, 100, 60_000);
        deliver(&mut receiving, 2, 10, 1_000);
    }
    assert!(budget.packets() <= LIMIT, "{}", budget.packets());
    let dropped: Vec<u64> = tracks.iter().map(|track| track.packets_dropped()).collect();
    assert_eq!((dropped[0], dropped[2]), (0, 0));
    assert!(dropped[1] >= 1_985, "{dropped:?}");
    assert_eq!(budget.dropped(), dropped[1]);
    // The newest are kept.
    let held: usize = tracks.iter().map(MediaStreamTrack::held).sum();
    assert_eq!(held, budget.packets());
    // What is held elsewhere counts as well.
    receiving.stay_within_budget(LIMIT / 2);
    assert!(budget.packets() <= LIMIT / 2);
    receiving.stay_within_budget(2 * LIMIT);
    assert_eq!(budget.packets(), 0);
}

#[tokio::test]
async fn r_c05_what_is_read_ended_or_gone_is_not_counted() {
    let (mut receiving, budget, mut tracks) = receiving(3);
    for track in 0..3 {
        deliver(&mut receiving, track, 10, 1_000);
    }
    let each = budget.packets() / 3;
    assert!(each >= 10_000);
    for _ in 0..10 {
        tracks[0].recv_rtp().await.unwrap();
    }
    assert_eq!(budget.packets(), 2 * each);
    // What is being put in order is still held.
    let never = tokio::time::timeout(std::time::Duration::ZERO, tracks[1].recv_sample()).await;
    assert!(never.is_err());
    assert!(budget.packets() > each);
    tracks[1].end();
    assert_eq!(budget.packets(), each);
    drop(receiving);
    tracks.clear();
    assert_eq!(budget.packets(), 0);
}
