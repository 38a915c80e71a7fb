#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::error::ErrorName;

fn declaration(ssrcs: &[u32], mid: &str, rid: &str, payload_types: &[u8]) -> Declaration {
    let text = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    Declaration {
        kind: "audio",
        ssrcs: ssrcs.to_vec(),
        mid: text(mid),
        rid: text(rid),
        payload_types: payload_types.to_vec(),
    }
}

fn refused(router: &mut Router, declaration: Declaration) {
    let error = router.declare(declaration).unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidParameters);
}

#[test]
fn g024_ssrc_then_mid_then_rid_then_payload_type() {
    let mut router = Router::default();
    let by_ssrc = router.declare(declaration(&[1], "", "", &[96])).unwrap();
    let by_mid = router.declare(declaration(&[], "m", "", &[97])).unwrap();
    let by_rid = router.declare(declaration(&[], "", "r", &[98])).unwrap();
    let by_type = router.declare(declaration(&[], "", "", &[99])).unwrap();
    // Each packet matches by everything from its way on.
    let mut route = |ssrc, mid, rid| router.route(ssrc, 99, mid, rid);
    assert_eq!(route(1, Some("m"), Some("r")), Route::Receiver(by_ssrc));
    assert_eq!(route(2, Some("m"), Some("r")), Route::Receiver(by_mid));
    assert_eq!(route(3, None, Some("r")), Route::Receiver(by_rid));
    assert_eq!(route(4, None, None), Route::Receiver(by_type));
    // The SSRC is bound from then on, whatever the packets say.
    assert_eq!(router.route(2, 1, None, None), Route::Receiver(by_mid));
    assert_eq!(router.route(3, 1, None, None), Route::Receiver(by_rid));
    assert_eq!(router.route(4, 1, None, None), Route::Receiver(by_type));
    // The payload type stays usable for another SSRC.
    assert_eq!(router.route(5, 99, None, None), Route::Receiver(by_type));
    assert_eq!(router.route(6, 1, None, None), Route::Unknown);
    let mut ssrcs: Vec<u32> = router.ssrcs_of(by_type).collect();
    ssrcs.sort_unstable();
    assert_eq!(ssrcs, [4, 5]);
}

#[test]
fn g024_the_same_payload_type_twice_is_legal_with_ssrcs() {
    let mut router = Router::default();
    let audio = router.declare(declaration(&[1], "", "", &[96])).unwrap();
    // A stranger is not guessed into a receiver that has its SSRC, even the only one.
    assert_eq!(router.route(4, 96, None, None), Route::Unknown);
    let video = router.declare(declaration(&[2], "", "", &[96])).unwrap();
    assert_eq!(router.route(1, 96, None, None), Route::Receiver(audio));
    assert_eq!(router.route(2, 96, None, None), Route::Receiver(video));
    assert_eq!(router.route(3, 96, None, None), Route::Unknown);
}

#[test]
fn g024_mid_and_rid_tell_simulcast_apart() {
    let mut router = Router::default();
    let low = router.declare(declaration(&[], "v", "l", &[96])).unwrap();
    let high = router.declare(declaration(&[], "v", "h", &[96])).unwrap();
    assert_eq!(
        router.route(1, 96, Some("v"), Some("l")),
        Route::Receiver(low)
    );
    assert_eq!(
        router.route(2, 96, Some("v"), Some("h")),
        Route::Receiver(high)
    );
    // Ambiguous, and not bound: the RID may come with a later packet.
    assert_eq!(router.route(3, 96, Some("v"), None), Route::Unknown);
    assert_eq!(router.route(3, 96, None, None), Route::Unknown);
    assert_eq!(
        router.route(3, 96, Some("v"), Some("h")),
        Route::Receiver(high)
    );
    // Somebody else's MID is not ours by RID or payload type.
    assert_eq!(router.route(4, 96, Some("w"), Some("h")), Route::Unknown);
}

#[test]
fn g011_same_ssrc_and_kind_updates_other_kind_is_an_error() {
    let mut router = Router::default();
    let id = router.declare(declaration(&[1, 2], "", "", &[96])).unwrap();
    assert_eq!(
        router
            .declare(declaration(&[2, 3], "m", "", &[97]))
            .unwrap(),
        id
    );
    assert_eq!(router.route(1, 96, None, None), Route::Unknown);
    assert_eq!(router.route(3, 1, None, None), Route::Receiver(id));
    assert_eq!(router.route(9, 1, Some("m"), None), Route::Receiver(id));
    let video = Declaration {
        kind: "video",
        ..declaration(&[3], "", "", &[96])
    };
    refused(&mut router, video);
    let other = router.declare(declaration(&[7], "", "", &[96])).unwrap();
    assert_ne!(other, id);
    refused(&mut router, declaration(&[3, 7], "", "", &[96]));
    // What was refused changed nothing.
    assert_eq!(router.route(7, 1, None, None), Route::Receiver(other));
    assert_eq!(router.route(3, 1, None, None), Route::Receiver(id));
}

#[test]
fn g011_conflicts_without_ssrc_are_errors() {
    let mut router = Router::default();
    router.declare(declaration(&[], "m", "", &[96])).unwrap();
    refused(&mut router, declaration(&[], "m", "", &[97]));
    refused(&mut router, declaration(&[5], "m", "", &[97]));
    router.declare(declaration(&[], "", "", &[98])).unwrap();
    refused(&mut router, declaration(&[], "", "", &[98, 99]));
    refused(&mut router, declaration(&[], "", "", &[]));
    refused(&mut router, declaration(&[1], "", "", &[72]));
    assert!(router.declare(declaration(&[], "n", "", &[96])).is_ok());
    assert!(router.declare(declaration(&[1], "", "", &[98])).is_ok());
}

#[test]
fn a_declared_ssrc_overrides_a_learnt_one() {
    let mut router = Router::default();
    let by_type = router.declare(declaration(&[], "", "", &[96])).unwrap();
    assert_eq!(router.route(1, 96, None, None), Route::Receiver(by_type));
    let declared = router.declare(declaration(&[1], "", "", &[96])).unwrap();
    assert_eq!(router.route(1, 96, None, None), Route::Receiver(declared));
    router.unbind(1);
    assert_eq!(router.route(1, 96, None, None), Route::Receiver(declared));
    router.remove(declared);
    assert_eq!(router.route(1, 96, None, None), Route::Receiver(by_type));
    router.unbind(1);
    router.remove(by_type);
    assert_eq!(router.route(1, 96, None, None), Route::Unknown);
}

#[test]
fn learnt_ssrcs_are_bounded() {
    let mut router = Router::default();
    let id = router.declare(declaration(&[], "", "", &[96])).unwrap();
    for ssrc in 0..1_000 {
        assert_eq!(router.route(ssrc, 96, None, None), Route::Receiver(id));
    }
    assert_eq!(router.route(1_000, 96, None, None), Route::Unknown);
    assert_eq!(router.refused(), 1);
    refused(&mut router, declaration(&[1_000], "", "", &[]));
    router.unbind(0);
    assert_eq!(router.route(1_000, 96, None, None), Route::Receiver(id));
}
