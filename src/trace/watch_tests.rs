//! What the watch over the log finds.

use tracing::Level;

use super::watch::{Kept, leak};

#[test]
fn what_a_line_must_not_hold_is_found() {
    for bad in [
        "cause=10.0.0.1",
        "to 192.0.2.1:5000.",
        "[2001:db8::1]:9",
        "fe80::1",
        "pwd=password0of1side2number0gen0",
        "key 9f86d081884c7d659a2feaa0c55ad015",
    ] {
        assert!(leak(bad).is_some(), "{bad}");
    }
    for good in [
        "INFO ortc::dtls connection{id=3, socket=2, ufrag=\"a1b2c3d4\"}: DTLS is established",
        "cipher=\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"",
        "INFO ortc::connection socket{id=1}: ended, cause=closed",
        "none of 24 checks on 3 pairs was answered; rtt_ms=0.75",
    ] {
        assert_eq!(leak(good), None, "{good}");
    }
}

#[test]
fn a_span_is_known_as_long_as_somebody_has_it() {
    let kept = Kept::new(Level::INFO);
    let span = tracing::error_span!(target: "ortc::test", "thing", id = 7);
    let other = span.clone();
    drop(span);
    tracing::info!(target: "ortc::test", parent: &other, "there");
    kept.expect(1, &["INFO ortc::test thing{id=7}: there"]);
    assert_eq!(kept.spans(), 1);
    drop(other);
    assert_eq!(kept.spans(), 0);
}
