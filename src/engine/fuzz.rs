//! Fuzz targets of whole engines: where a datagram belongs, and a live pair.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::demux::classify;
use super::harness::{A, B, Setup, World, ms, secs};
use crate::simnet::Script;

const SSRC: u32 = 100;

/// Which protocol a datagram is of.
pub(crate) fn demux(data: &[u8]) {
    let first = data.first().copied();
    let found = classify(data).is_some();
    // RFC 7983 section 7; nothing of RTP is one byte long.
    let range = matches!(first, Some(0..=3 | 20..=63 | 128..=191));
    let media = matches!(first, Some(128..=191));
    assert_eq!(found, range && !(media && data.len() == 1));
}

/// A call, with somebody on the path who changes datagrams, and a peer who holds the keys and
/// says what it likes.
pub(crate) fn live_pair(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::connected(1, &Setup::default());
    world.add_stream(A, SSRC);
    world.tap = Some(Vec::new());
    world.start_pump(A, SSRC);
    world.run_for(ms(50));
    let mut insider = false;
    // A script of nothing but pauses would last for hours.
    let end = world.now + secs(40);
    while !script.is_done() && world.now < end {
        let op = script.byte();
        let to = usize::from(op >> 7);
        match op % 8 {
            0 => world.run_for(ms(script.byte().into())),
            1 | 2 => {
                // A changed copy of something under way.
                let tapped = world.tap.as_ref().unwrap();
                let at = usize::from(script.byte()) % tapped.len().max(1);
                let genuine = tapped.get(at).map(|tapped| tapped.data.clone());
                let copy = script.mutated(&genuine.unwrap_or_default());
                world.inject(to, &copy);
            }
            3 => world.inject(to, script.block()),
            4 => {
                insider = true;
                let now = world.now;
                let engine = &mut world.peers[B].engine;
                if let Some(dtls) = &mut engine.secure.dtls {
                    let _ = dtls.write(now, script.block());
                }
                world.run_for(ms(1));
            }
            5 => {
                insider = true;
                let mut packet = vec![0x80];
                packet.extend_from_slice(script.block());
                packet.resize(packet.len().max(12), 0);
                let Ok(header) = crate::rtp::RtpHeader::parse(&packet) else {
                    continue;
                };
                let srtp = world.peers[B].engine.media.srtp.as_mut().unwrap();
                if srtp.protect_rtp(&mut packet, 0, header.header_len).is_ok() {
                    world.inject(A, &packet);
                }
            }
            6 => {
                insider = true;
                let mut packet = Vec::new();
                let srtp = world.peers[B].engine.media.srtp.as_mut().unwrap();
                if srtp.protect_rtcp(script.block(), &mut packet).is_ok() {
                    world.inject(A, &packet);
                }
            }
            _ => world.run_for(secs((script.byte() % 8).into())),
        }
        if let Some(tap) = &mut world.tap
            && tap.len() > 256
        {
            tap.drain(..128);
        }
    }
    let before = world.peers[B].packets.len();
    world.run_for(secs(2));
    assert!(world.both_connected_now(), "{}", world.describe());
    let came = world.peers[B].packets.len() - before;
    // What the path does costs nothing; the peer may have asked us to stop.
    assert!(insider || came >= 95, "{came} of 100: {}", world.describe());
}

#[cfg(test)]
pub(crate) mod seeds {
    use crate::engine::dtls::fuzz::seeds::datagrams;
    use crate::simnet::script::block;

    pub(crate) fn first_bytes() -> Vec<Vec<u8>> {
        [0, 3, 4, 20, 63, 64, 127, 128, 191, 192]
            .map(|first| vec![first, 200, 0, 0])
            .to_vec()
    }

    pub(crate) fn live_pairs() -> Vec<Vec<u8>> {
        let mut all = vec![
            [[1, 1, 0, 0, 20, 9, 7].as_slice(), &[129, 0, 0, 0, 3, 1, 7]].concat(),
            [
                [2, 0, 3, 0, 0, 255, 7].as_slice(),
                &[0, 200, 130, 2, 0, 0, 0],
            ]
            .concat(),
        ];
        all.extend(datagrams().iter().take(4).map(|datagram| {
            let injected = [&[3 | 128][..], &block(datagram)].concat();
            [injected, vec![0, 100]].concat()
        }));
        for packet in crate::engine::sctp::fuzz::seeds::packets().iter().take(6) {
            all.push([&[4][..], &block(packet), &[0, 20]].concat());
        }
        for packet in crate::rtp::fuzz::seeds::packets() {
            all.push([&[5][..], &block(&packet[1..]), &[0, 20]].concat());
        }
        for compound in crate::rtp::fuzz::seeds::compounds() {
            all.push([&[6][..], &block(&compound), &[0, 20]].concat());
        }
        all
    }
}
