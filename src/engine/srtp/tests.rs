#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

use super::gcm::Gcm;
use super::packet::fields;
use super::*;
use crate::engine::certificate::provider;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn material(profile: SrtpProfile, flip: bool) -> KeyingMaterial {
    let (key, salt) = (profile.key_len(), profile.salt_len());
    let one = ((0..key as u8).collect(), vec![0x51; salt]);
    let two = ((100..100 + key as u8).collect(), vec![0x75; salt]);
    let ((local_key, local_salt), (remote_key, remote_salt)) =
        if flip { (two, one) } else { (one, two) };
    KeyingMaterial {
        profile,
        local_key,
        local_salt,
        remote_key,
        remote_salt,
    }
}

fn pair(profile: SrtpProfile) -> (Srtp, Srtp) {
    (
        Srtp::new(&material(profile, false)).unwrap(),
        Srtp::new(&material(profile, true)).unwrap(),
    )
}

/// What the first side of a pair seals with and the second opens with.
fn keys(profile: SrtpProfile) -> Keys {
    let material = material(profile, false);
    Keys {
        profile,
        key: material.local_key,
        salt: material.local_salt,
    }
}

fn plain(ssrc: u32, number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"payload of some length");
    packet.push(number as u8);
    packet
}

fn protect(srtp: &mut Srtp, ssrc: u32, number: u16) -> Vec<u8> {
    let mut out = b"before".to_vec();
    out.extend_from_slice(&plain(ssrc, number));
    srtp.protect_rtp(&mut out, 6, 12).unwrap();
    assert_eq!(&out[..6], b"before");
    out.split_off(6)
}

fn unprotect(srtp: &mut Srtp, packet: &[u8]) -> std::result::Result<Vec<u8>, SrtpDrop> {
    let mut packet = packet.to_vec();
    let header = fields(&packet, 12).ok_or(SrtpDrop::TooShort)?;
    let length = srtp.unprotect_rtp(&mut packet, header)?;
    packet.truncate(length);
    Ok(packet)
}

/// RFC 3711 appendix B.3.
#[test]
fn key_derivation_vectors() {
    let provider = provider().unwrap();
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let derived = |label, length| gcm::derive(provider.crypto(), &key, &salt, label, length);
    assert_eq!(
        derived(0, 16).unwrap(),
        hex("C61E7A93744F39EE10734AFE3FF7A087")
    );
    assert_eq!(derived(2, 14).unwrap(), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(
        derived(1, 94).unwrap(),
        hex(
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
             E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
             6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
        )
    );
}

/// RFC 7714 sections 16.1.1 and 16.2.1.
#[test]
fn gcm_vectors() {
    let packet = hex(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                      69736120 696e2070 61727465 73207472 6573",
    );
    let salt: [u8; 12] = *b"Quid pro quo";
    let cases = [
        (
            16u8,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f
             42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            32,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3
             b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ];
    for (length, expected) in cases {
        let key: Vec<u8> = (0..length).collect();
        let gcm = Gcm::from_session(&key, salt).unwrap();
        let mut sealed = packet.clone();
        let tag = gcm.seal(0x5501_a0b2, 0xf17b, &mut sealed, 12).unwrap();
        sealed.extend_from_slice(tag.as_ref());
        assert_eq!(sealed, hex(expected));
        assert_eq!(
            gcm.open(0x5501_a0b2, 0xf17b, &mut sealed, 12),
            Some(packet.len())
        );
        assert_eq!(sealed[..packet.len()], packet);
    }
}

#[test]
fn agrees_with_rtc_srtp_over_three_wraps_with_loss_and_reordering() {
    for profile in SrtpProfile::ALL {
        let (mut ours, mut theirs) = pair(profile);
        let mut reference = keys(profile).context().unwrap();
        let mut reference_out = keys(profile).context().unwrap();
        let mut held: Option<Vec<u8>> = None;
        let mut count = 0;
        for step in 0..(3 * 65_536u32 + 500) {
            // Only the surroundings of the wraps, and some of the rest.
            let number = (step as u16).wrapping_add(65_000);
            if !(64_000..=65_535).contains(&number) && number > 600 && !number.is_multiple_of(512) {
                continue;
            }
            if number % 7 == 3 {
                continue; // lost
            }
            let sealed = protect(&mut ours, 9, number);
            let theirs_out = reference_out.encrypt_rtp(&plain(9, number)).unwrap();
            assert_eq!(sealed, theirs_out, "{profile:?} {number}");
            if number.is_multiple_of(5) && held.is_none() && !(500..64_100).contains(&number) {
                held = Some(sealed);
                continue;
            }
            assert_eq!(unprotect(&mut theirs, &sealed).unwrap(), plain(9, number));
            assert_eq!(reference.decrypt_rtp(&sealed).unwrap(), plain(9, number));
            count += 1;
            if let Some(late) = held.take() {
                assert!(
                    unprotect(&mut theirs, &late).is_ok(),
                    "{profile:?} {number}"
                );
                assert_eq!(unprotect(&mut theirs, &late), Err(SrtpDrop::Replayed));
            }
        }
        assert!(count > 3_000);
    }
}

/// Reliability row C1.
#[test]
fn replays_of_the_last_thousand_are_refused() {
    for profile in SrtpProfile::ALL {
        let (mut ours, mut theirs) = pair(profile);
        let sent: Vec<_> = (64_900..66_100u32)
            .map(|number| protect(&mut ours, 1, number as u16))
            .collect();
        for packet in &sent {
            unprotect(&mut theirs, packet).unwrap();
        }
        for packet in sent.iter().rev() {
            assert!(unprotect(&mut theirs, packet).is_err());
        }
        assert!(unprotect(&mut theirs, &protect(&mut ours, 1, 600)).is_ok());
    }
}

fn with_replay_protection(keys: &Keys) -> Context {
    use webrtc_srtp::option::srtp_replay_protection;
    let profile = match keys.profile {
        SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let crypto = provider().unwrap();
    let replay = Some(srtp_replay_protection(960));
    Context::new(
        &keys.key,
        &keys.salt,
        profile,
        replay,
        None,
        crypto.crypto(),
    )
    .unwrap()
}

/// Reliability rows C3 and C4; with one rtc-srtp context for all, the first forgery wins.
#[test]
fn forgeries_leave_no_trace() {
    for profile in SrtpProfile::ALL {
        let (mut ours, mut theirs) = pair(profile);
        let mut bare = with_replay_protection(&keys(profile));
        let mut forged = protect(&mut ours, 7, 20_000);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(unprotect(&mut theirs, &forged), Err(SrtpDrop::Forged));
        assert!(bare.decrypt_rtp(&forged).is_err());
        let (mut fresh, _) = pair(profile);
        let genuine = protect(&mut fresh, 7, 1_000);
        assert!(bare.decrypt_rtp(&genuine).is_err(), "the fault is gone");
        assert_eq!(unprotect(&mut theirs, &genuine).unwrap(), plain(7, 1_000));
        // Before a wrap.
        let last = protect(&mut fresh, 7, 33_000);
        unprotect(&mut theirs, &last).unwrap();
        for number in [100, 65_535, 32_000] {
            let mut forged = protect(&mut pair(profile).0, 7, number);
            forged[20] ^= 1;
            assert!(unprotect(&mut theirs, &forged).is_err());
        }
        let next = protect(&mut fresh, 7, 33_001);
        assert!(unprotect(&mut theirs, &next).is_ok());

        for ssrc in 0..20_000 {
            let mut forged = plain(ssrc + 100, 5);
            forged.extend_from_slice(&[0; 16]);
            assert_eq!(unprotect(&mut theirs, &forged), Err(SrtpDrop::Forged));
        }
        let sources = theirs.receiver.sources.len();
        assert_eq!(sources, 1);
    }
}

#[test]
fn authentic_sources_are_capped() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
        let (mut ours, mut theirs) = pair(profile);
        for ssrc in 0..1_000 {
            let packet = protect(&mut ours, ssrc, 1);
            unprotect(&mut theirs, &packet).unwrap();
        }
        let mut out = plain(5_000, 1);
        assert!(ours.protect_rtp(&mut out, 0, 12).is_err());
        for first in [1_000, 2_000] {
            let mut more = pair(profile).0;
            for ssrc in first..(first + 1_000).min(2_001) {
                let packet = protect(&mut more, ssrc, 1);
                unprotect(&mut theirs, &packet).unwrap();
            }
        }
        let packet = protect(&mut pair(profile).0, 5_000, 1);
        assert_eq!(
            unprotect(&mut theirs, &packet),
            Err(SrtpDrop::TooManySources)
        );
        theirs.forget_source(1_500);
        assert!(unprotect(&mut theirs, &packet).is_ok());
        let packet = protect(&mut ours, 3, 2);
        assert!(unprotect(&mut theirs, &packet).is_ok());
    }
}

/// Starts at every distance from the wrap, with the first packets lost; forgeries in between.
#[test]
fn r_c04_c06_the_first_packets_may_be_lost_around_the_wrap() {
    for profile in SrtpProfile::ALL {
        for start in [0u16, 1, 100, 32_767, 32_768, 65_000, 65_534, 65_535] {
            for lost in [0u32, 1, 2, 3, 600, 32_000, 40_000, 65_000] {
                let (mut ours, mut theirs) = pair(profile);
                let number = |n: u32| start.wrapping_add(n as u16);
                // The sender's index goes on in steps that it can follow.
                let mut before: Vec<u32> = (0..lost).step_by(1_000).collect();
                before.extend(lost.checked_sub(1));
                before.dedup();
                for n in before {
                    protect(&mut ours, 7, number(n));
                }
                for n in lost..lost + 70 {
                    let sealed = protect(&mut ours, 7, number(n));
                    for at in [sealed.len() - 1, 2] {
                        let mut forged = sealed.clone();
                        forged[at] ^= 0x80;
                        assert!(unprotect(&mut theirs, &forged).is_err());
                    }
                    let label = format!("{profile:?} {start} {lost} {n}");
                    assert_eq!(
                        unprotect(&mut theirs, &sealed).as_ref(),
                        Ok(&plain(7, number(n))),
                        "{label}"
                    );
                    assert_eq!(
                        unprotect(&mut theirs, &sealed),
                        Err(SrtpDrop::Replayed),
                        "{label}"
                    );
                }
            }
        }
    }
}

/// A stream that goes on during a gap of any length is heard again within 33 packets.
#[test]
fn r_c06_after_a_gap_of_any_length_packets_are_taken_again() {
    for profile in SrtpProfile::ALL {
        for start in [10u16, 30_000, 65_530] {
            for gap in [
                1_500u32, 15_000, 32_767, 32_768, 40_000, 45_000, 65_535, 65_536, 100_000, 180_000,
                900_000,
            ] {
                let (mut ours, mut theirs) = pair(profile);
                let number = |n: u32| start.wrapping_add(n as u16);
                unprotect(&mut theirs, &protect(&mut ours, 7, start)).unwrap();
                for n in (1..gap).step_by(20_000) {
                    protect(&mut ours, 7, number(n));
                }
                let taken = (gap..gap + 60).filter(|n| {
                    let sealed = protect(&mut ours, 7, number(*n));
                    unprotect(&mut theirs, &sealed).is_ok()
                });
                let taken = taken.count();
                assert!(taken >= 60 - 33, "{profile:?} {start} {gap} {taken}");
            }
        }
    }
}

/// A source that ended for us, or of which nothing was remembered, is heard again however much was
/// sent meanwhile.
#[test]
fn r_c06_a_source_that_comes_back_late_is_taken() {
    for profile in SrtpProfile::ALL {
        for start in [10u16, 40_000, 65_530] {
            for gap in [1u32, 40_000, 65_536, 200_000, 270_000, 900_000, 2_000_000] {
                for known in [false, true] {
                    let (mut ours, mut theirs) = pair(profile);
                    let number = |n: u32| start.wrapping_add(n as u16);
                    let first = protect(&mut ours, 7, start);
                    unprotect(&mut theirs, &first).unwrap();
                    match known {
                        true => theirs.end_source(7),
                        false => theirs.forget_source(7),
                    }
                    for n in (1..gap).step_by(20_000) {
                        protect(&mut ours, 7, number(n));
                    }
                    let taken = (gap..gap + 60).filter(|n| {
                        let sealed = protect(&mut ours, 7, number(*n));
                        let mut forged = sealed.clone();
                        *forged.last_mut().unwrap() ^= 1;
                        assert!(unprotect(&mut theirs, &forged).is_err());
                        unprotect(&mut theirs, &sealed).is_ok()
                    });
                    let taken = taken.count();
                    assert!(
                        taken >= 60 - 33,
                        "{profile:?} {start} {gap} {known} {taken}"
                    );
                    assert!(!known || unprotect(&mut theirs, &first).is_err());
                }
            }
        }
    }
}

/// SSRCs without end, one after the other; none of their packets can be replayed, and one that
/// comes back goes on, at both ends.
#[test]
fn r_c01_sources_that_ended_make_room_and_are_not_replayed() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
        let (mut ours, mut theirs) = pair(profile);
        let mut sent = Vec::new();
        for ssrc in 0..3_000 {
            for number in [65_534, 65_535, 0, 1] {
                let sealed = protect(&mut ours, ssrc, number);
                unprotect(&mut theirs, &sealed).unwrap();
                sent.push(sealed);
            }
            ours.end_sending(ssrc);
            theirs.end_source(ssrc);
        }
        for sealed in &sent {
            assert!(unprotect(&mut theirs, sealed).is_err());
        }
        assert_eq!(theirs.receiver.sources.len(), 0);
        // Its nonces go on, reordered and with a replay in between.
        let next: Vec<_> = [2, 5, 3, 4]
            .map(|number| protect(&mut ours, 9, number))
            .to_vec();
        assert!(ours.protect_rtp(&mut plain(9, 1), 0, 12).is_err());
        for sealed in &next {
            assert!(unprotect(&mut theirs, sealed).is_ok());
            assert!(unprotect(&mut theirs, sealed).is_err());
        }
        for sealed in &sent[36..40] {
            assert!(unprotect(&mut theirs, sealed).is_err());
        }
    }
}

#[test]
fn no_nonce_is_used_twice() {
    let (mut ours, _) = pair(SrtpProfile::AeadAes128Gcm);
    protect(&mut ours, 1, 10);
    let mut again = plain(1, 10);
    assert!(ours.protect_rtp(&mut again, 0, 12).is_err());
    protect(&mut ours, 1, 9);
}

const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 5];

fn protect_report(srtp: &mut Srtp) -> Vec<u8> {
    let mut report = RECEIVER_REPORT.to_vec();
    report.extend_from_slice(&[0x81, 202, 0, 2, 0, 0, 0, 5, 1, 1, b'a', 0]);
    let mut out = Vec::new();
    srtp.protect_rtcp(&report, &mut out).unwrap();
    out
}

#[test]
fn srtcp_round_trip_replay_and_forgery() {
    for profile in SrtpProfile::ALL {
        let (mut ours, mut theirs) = pair(profile);
        // A forged first packet with a far index must not silence the source.
        let mut forged = protect_report(&mut pair(profile).0);
        let at = forged.len()
            - if profile == SrtpProfile::Aes128CmHmacSha1_80 {
                14
            } else {
                4
            };
        forged[at + 1] = 0x7f;
        assert_eq!(theirs.unprotect_rtcp(&mut forged), Err(SrtpDrop::Forged));
        for _ in 0..3 {
            let sealed = protect_report(&mut ours);
            let mut packet = sealed.clone();
            assert_eq!(theirs.unprotect_rtcp(&mut packet), Ok(20));
            assert_eq!(packet[..8], RECEIVER_REPORT);
            assert_eq!(
                theirs.unprotect_rtcp(&mut sealed.clone()),
                Err(SrtpDrop::Replayed)
            );
            for at in 0..sealed.len() {
                let mut bad = sealed.clone();
                bad[at] ^= 0x01;
                assert!(theirs.unprotect_rtcp(&mut bad).is_err(), "octet {at}");
            }
            for length in 0..sealed.len() {
                assert!(
                    theirs
                        .unprotect_rtcp(&mut sealed.clone()[..length])
                        .is_err()
                );
            }
        }
    }
}

/// rtc-srtp alone takes this forged BYE for authentic.
#[test]
fn srtcp_without_the_encryption_bit_is_refused() {
    let mut forged = vec![0x81, 203, 0, 1, 0, 0, 0, 5];
    forged.extend_from_slice(&[0, 0, 0, 9]);
    forged.extend_from_slice(&[0; 10]);
    let (_, mut theirs) = pair(SrtpProfile::Aes128CmHmacSha1_80);
    let mut bare = keys(SrtpProfile::Aes128CmHmacSha1_80).context().unwrap();
    assert!(bare.decrypt_rtcp(&forged).is_ok(), "the fault is gone");
    assert_eq!(
        theirs.unprotect_rtcp(&mut forged),
        Err(SrtpDrop::NotEncrypted)
    );
}

#[test]
fn any_length_is_safe() {
    for profile in SrtpProfile::ALL {
        let (mut ours, mut theirs) = pair(profile);
        let sealed = protect(&mut ours, 2, 3);
        for length in 0..sealed.len() {
            assert!(unprotect(&mut theirs, &sealed[..length]).is_err());
            let header = HeaderFields {
                ssrc: 2,
                sequence_number: 3,
                header_len: length,
            };
            let mut packet = sealed.clone();
            // AES-CM authenticates the packet, not where its header ends.
            let cm = profile == SrtpProfile::Aes128CmHmacSha1_80;
            if length != 12 && !(cm && (12..=packet.len() - 10).contains(&length)) {
                assert!(theirs.unprotect_rtp(&mut packet, header).is_err());
            }
        }
        assert!(unprotect(&mut theirs, &sealed).is_ok());
    }
}
