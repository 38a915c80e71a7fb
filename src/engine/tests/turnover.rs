//! Tracks that come and go, far more over the life of a connection than there may be at once.

use super::super::{ReceiverRepair, RtxStream};
use super::harness::{A, B, PT, Setup, World, is_media, ms, receiver_spec};

const RTX_PT: u8 = 97;

/// How a track ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// The sender removes it, then the receiver.
    Heard,
    /// The receiver first, while the sender goes on for a while.
    Unheard,
    /// The receiver, and nothing comes any more: the BYE is lost.
    Lost,
    /// The sender alone: the receiver keeps what it declared.
    Kept,
}

/// Video with retransmissions, each under SSRCs of its own: every one is received, repaired, and
/// gone without a trace.
#[test]
fn tracks_without_end_each_with_its_retransmissions() {
    let tracks = match std::env::var_os("ORTC_SOAK") {
        Some(_) => 3_000,
        None => 1_010,
    };
    for end in [End::Heard, End::Unheard, End::Lost, End::Kept] {
        let tracks = if end == End::Kept { 100 } else { tracks };
        let mut world = World::connected(1, &Setup::default());
        for n in 0..tracks {
            let (media, rtx) = (10_000 + 2 * n, 10_001 + 2 * n);
            world.add_sender(A, media);
            let now = world.now;
            let stream = RtxStream {
                ssrc: rtx,
                payload_types: vec![(PT, RTX_PT)],
                next_sequence_number: 7,
            };
            let sender = &mut world.peers[A].engine;
            sender
                .set_sender_repair(now, media, true, Some(stream))
                .unwrap();
            let mut spec = receiver_spec(&[media, rtx]);
            spec.declaration.payload_types = vec![PT, RTX_PT];
            spec.repair = Some(ReceiverRepair {
                nack: true,
                rtx_ssrcs: vec![(rtx, media)],
                payload_types: vec![(RTX_PT, PT)],
            });
            let id = world.peers[B].engine.add_receiver(now, spec);
            let id = id.unwrap_or_else(|error| panic!("{end:?}, track {n}: {error}"));
            world.peers[B].packets.clear();
            for number in 1..=3u16 {
                let lost = number == 2;
                world.filter = Some(Box::new(move |from, _, data| {
                    !(lost && from == A && is_media(data[0]))
                }));
                world.send(A, media, number, 0);
            }
            world.filter = None;
            world.run_for(ms(80));
            let numbers = world.peers[B].packets.iter().map(|p| p.2.sequence_number);
            assert_eq!(numbers.collect::<Vec<_>>(), [1, 3, 2], "{end:?}, track {n}");
            let now = world.now;
            match end {
                End::Heard | End::Kept => {
                    world.peers[A].engine.remove_sender(now, media);
                    world.run_for(ms(20));
                    if end == End::Heard {
                        let now = world.now;
                        world.peers[B].engine.media_mut().remove_receiver(now, id);
                    }
                }
                End::Unheard => {
                    world.peers[B].engine.media_mut().remove_receiver(now, id);
                    for number in 4..8 {
                        world.send(A, media, number, 0);
                    }
                    world.run_for(ms(20));
                    let now = world.now;
                    world.peers[A].engine.remove_sender(now, media);
                }
                End::Lost => {
                    world.peers[B].engine.media_mut().remove_receiver(now, id);
                    world.filter = Some(Box::new(|from, _, data| from == B || !is_media(data[0])));
                    world.peers[A].engine.remove_sender(now, media);
                    world.run_for(ms(5));
                    world.filter = None;
                }
            }
            let unknown = world.peers[B].engine.media_mut().poll_unknown();
            assert!(unknown.is_none(), "{end:?}, track {n}");
        }
        let counters = world.peers[B].engine.counters();
        assert_eq!(counters.rejected_srtp, 0, "{end:?}");
    }
}
