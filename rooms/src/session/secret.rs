//! Proof of a secret: two peers find out whether both know it, without telling it, and bind it to
//! the certificates of their connection. A server that puts itself between them is found out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ortc::CertificateFingerprint;
use ring::hmac;
use spake2::{Ed25519Group, Identity, Password, Spake2};

use super::options::Secret;
use crate::signalling::UserId;

/// What is hashed begins so.
const CONTEXT: &str = "ortc-rooms 1";

/// One side of the exchange (SPAKE2, Ed25519), before the other's message came.
pub(super) struct Exchange(Spake2<Ed25519Group>);

/// What both sides have if they know the same secret.
pub(super) struct Key(hmac::Key);

/// Whose proof it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// What a proof is about, beside the fingerprints.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) instance: u64,
    pub(super) caller: &'a UserId,
    pub(super) callee: &'a UserId,
}

impl Exchange {
    /// Begins, and gives the message for the other side.
    pub(super) fn begin(secret: &Secret, side: Side, pair: Pair<'_>) -> (Self, String) {
        let password = Password::new(secret.as_bytes());
        let caller = Identity::new(pair.caller.as_str().as_bytes());
        let callee = Identity::new(pair.callee.as_str().as_bytes());
        let (exchange, message) = match side {
            Side::Caller => Spake2::start_a(&password, &caller, &callee),
            Side::Callee => Spake2::start_b(&password, &caller, &callee),
        };
        (Self(exchange), STANDARD.encode(message))
    }

    /// With the message of the other side; `None` if that is none.
    pub(super) fn finish(self, message: &str) -> Option<Key> {
        let message = STANDARD.decode(message).ok()?;
        let key = self.0.finish(&message).ok()?;
        Some(Key(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }
}

impl Key {
    /// The proof of a side, over the fingerprints of the caller and, in that of the callee, over
    /// both.
    pub(super) fn prove(
        &self,
        side: Side,
        pair: Pair<'_>,
        caller: Option<&CertificateFingerprint>,
        callee: Option<&CertificateFingerprint>,
    ) -> String {
        let text = text(side, pair, caller, callee);
        STANDARD.encode(hmac::sign(&self.0, text.as_bytes()))
    }

    /// Whether the other side has proven it.
    pub(super) fn verify(
        &self,
        proof: &str,
        side: Side,
        pair: Pair<'_>,
        caller: Option<&CertificateFingerprint>,
        callee: Option<&CertificateFingerprint>,
    ) -> bool {
        let Ok(proof) = STANDARD.decode(proof) else {
            return false;
        };
        let text = text(side, pair, caller, callee);
        hmac::verify(&self.0, text.as_bytes(), &proof).is_ok()
    }
}

fn text(
    side: Side,
    pair: Pair<'_>,
    caller: Option<&CertificateFingerprint>,
    callee: Option<&CertificateFingerprint>,
) -> String {
    let name = match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    };
    let mut text = format!(
        "{CONTEXT}\n{name}\n{}\n{}\n{}\n{}",
        pair.instance,
        pair.caller,
        pair.callee,
        canonical(caller)
    );
    if side == Side::Callee {
        text.push('\n');
        text.push_str(&canonical(callee));
    }
    text
}

/// `hash SP VALUE` of each, sorted.
fn canonical(fingerprint: Option<&CertificateFingerprint>) -> String {
    let mut all: Vec<String> = fingerprint
        .into_iter()
        .flat_map(CertificateFingerprint::iter)
        .map(|one| format!("{} {}", one.algorithm, one.value()))
        .collect();
    all.sort();
    all.join(",")
}
