#![allow(clippy::unwrap_used)]

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::roles::*;

fn pinned<T>(value: T, text: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let json = format!("\"{text}\"");
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
    let upper = json.to_uppercase();
    assert!(serde_json::from_str::<T>(&upper).is_err());
}

#[test]
fn g035_roles_have_lower_case_names() {
    pinned(RTCIceRole::Controlling, "controlling");
    pinned(RTCIceRole::Controlled, "controlled");
    pinned(RTCDtlsRole::Auto, "auto");
    pinned(RTCDtlsRole::Client, "client");
    pinned(RTCDtlsRole::Server, "server");
    assert_eq!(RTCDtlsRole::default(), RTCDtlsRole::Auto);
}

#[test]
fn g018_identity_is_pinned_by_default() {
    pinned(PeerIdentity::Pinned, "pinned");
    pinned(PeerIdentity::Deferred, "deferred");
    pinned(PeerIdentity::Insecure, "insecure");
    assert_eq!(PeerIdentity::default(), PeerIdentity::Pinned);
}

#[test]
fn g019_the_strongest_fingerprint_counts_by_default() {
    pinned(FingerprintCheck::Strongest, "strongest");
    pinned(FingerprintCheck::AllowWeak, "allow-weak");
    pinned(FingerprintCheck::All, "all");
    assert_eq!(FingerprintCheck::default(), FingerprintCheck::Strongest);
}

#[test]
fn a024_tracks_start_by_themselves_by_default() {
    pinned(TrackStart::Automatic, "automatic");
    pinned(TrackStart::Manual, "manual");
    assert_eq!(TrackStart::default(), TrackStart::Automatic);
}

#[test]
fn g003_local_candidates_take_effect_by_default() {
    pinned(LocalCandidates::Auto, "auto");
    pinned(LocalCandidates::OnSet, "onset");
    assert_eq!(LocalCandidates::default(), LocalCandidates::Auto);
}

#[test]
fn g001_gathering_starts_at_once_by_default() {
    pinned(NetworkChanges::Follow, "follow");
    pinned(NetworkChanges::KeepPath, "keepPath");
    pinned(NetworkChanges::Ignore, "ignore");
    assert_eq!(NetworkChanges::default(), NetworkChanges::Follow);
    pinned(GatherStart::Immediate, "immediate");
    pinned(GatherStart::Manual, "manual");
    assert_eq!(GatherStart::default(), GatherStart::Immediate);
}
