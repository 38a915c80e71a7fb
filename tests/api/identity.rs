//! Who the peer is: fingerprints, the three policies, and the roles.
#![allow(clippy::unwrap_used)]

use crate::common::{
    FRAME, both_connected, connected_pair_with, introduce, loopback, pair_with, reason, send_track,
    stays_pending, strangers, while_writing, within,
};
use ortc::{
    CertificateFingerprint, DisconnectReason, DtlsFailure, Error, ErrorName, Fingerprint,
    FingerprintCheck, Kind, PeerFault, PeerIdentity, RTCConnectionEvent, RTCConnectionOptions,
    RTCConnectionSide, RTCConnectionState, RTCDtlsRole, RTCIceRole,
};

/// The side without its fingerprint, as the draft's example signals it.
fn ice_only(side: RTCConnectionSide) -> RTCConnectionSide {
    RTCConnectionSide::new(side.ice.username_frag, side.ice.password)
}

fn with_wrong_fingerprint(side: RTCConnectionSide) -> RTCConnectionSide {
    ice_only(side).with_fingerprint(Fingerprint::new("sha-256", [7; 32]).unwrap())
}

fn with(identity: PeerIdentity) -> RTCConnectionOptions {
    loopback().identity(identity)
}

fn peer_fingerprint(event: &RTCConnectionEvent) -> Option<CertificateFingerprint> {
    match event {
        RTCConnectionEvent::PeerFingerprint(fingerprint) => Some(fingerprint.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn g018_pinned_is_the_default_and_needs_a_fingerprint() {
    let (a, b) = strangers(loopback(), loopback());
    a.connection
        .set_remote(ice_only(b.connection.local()))
        .unwrap();
    let error = a.connection.connect().unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidState);
    assert!(error.to_string().contains("fingerprint"), "{error}");
    assert_eq!(a.connection.state(), RTCConnectionState::New);
    // Once it is there, all is well.
    introduce(&a, b.connection.local());
    introduce(&b, a.connection.local());
    both_connected(&a.connection, &b.connection).await;
}

#[tokio::test]
async fn g018_a_wrong_fingerprint_closes_with_that_reason_and_no_media() {
    for identity in [PeerIdentity::Pinned, PeerIdentity::Deferred] {
        let (a, b) = strangers(with(identity), loopback());
        let (to_a, _, at_a) = send_track(&b.connection, &a.connection, Kind::Audio);
        let (to_b, _, at_b) = send_track(&a.connection, &b.connection, Kind::Audio);
        introduce(&a, with_wrong_fingerprint(b.connection.local()));
        introduce(&b, a.connection.local());
        let closed = while_writing(&to_a, while_writing(&to_b, a.connection.closed())).await;
        assert_eq!(closed, DisconnectReason::FingerprintMismatch);
        assert!(!closed.is_transient());
        assert_eq!(a.event(reason).await, DisconnectReason::FingerprintMismatch);
        let failure = a.connection.dtls_failure();
        assert_eq!(failure, Some(DtlsFailure::FingerprintMismatch));
        assert!(a.names().contains(&"dtlsfailure"));
        assert!(!a.names().contains(&"connected"));
        // The handles end without having given a single packet.
        assert!(within(5, at_a.recv_rtp()).await.is_none());
        assert!(a.connection.stats().inbound_rtp.is_empty());
        assert!(within(5, b.connection.closed()).await != DisconnectReason::Closed);
        assert!(within(5, at_b.recv_rtp()).await.is_none());
    }
}

#[tokio::test]
async fn a054_the_remote_fingerprint_is_null_until_it_is_known() {
    let insecure = || with(PeerIdentity::Insecure);
    let (a, b) = strangers(insecure(), insecure());
    a.connection
        .set_remote(ice_only(b.connection.local()))
        .unwrap();
    assert_eq!(a.connection.remote().unwrap().dtls.fingerprint, None);
    a.connection.connect().unwrap();
    introduce(&b, ice_only(a.connection.local()));
    both_connected(&a.connection, &b.connection).await;
    let seen = a.connection.remote().unwrap().dtls.fingerprint.unwrap();
    let own = b.connection.local().dtls.fingerprint.unwrap();
    assert_eq!(seen.get("sha-256"), own.get("sha-256"));
}

#[tokio::test]
async fn g018_deferred_lets_nothing_flow_until_the_peer_is_accepted() {
    let (a, b) = strangers(with(PeerIdentity::Deferred), loopback());
    let (to_a, _, at_a) = send_track(&b.connection, &a.connection, Kind::Audio);
    let (to_b, _, at_b) = send_track(&a.connection, &b.connection, Kind::Audio);
    introduce(&a, ice_only(b.connection.local()));
    introduce(&b, a.connection.local());
    let seen = a.event(peer_fingerprint).await;
    let own = b.connection.local().dtls.fingerprint.unwrap();
    assert_eq!(seen.get("sha-256"), own.get("sha-256"));
    within(5, b.connection.connected()).await.unwrap();
    let nothing = while_writing(
        &to_a,
        while_writing(&to_b, async {
            stays_pending(at_a.recv_rtp()).await
                && stays_pending(at_b.recv_rtp()).await
                && stays_pending(a.connection.connected()).await
        }),
    )
    .await;
    assert!(nothing);
    assert_eq!(a.connection.state(), RTCConnectionState::Searching);
    assert_eq!(a.connection.stats().outbound_rtp[0].packets_sent, 0);
    a.connection.accept_peer().unwrap();
    within(5, a.connection.connected()).await.unwrap();
    assert!(while_writing(&to_a, at_a.recv_rtp()).await.is_some());
    assert!(while_writing(&to_b, at_b.recv_rtp()).await.is_some());
    let twice = a.connection.accept_peer().unwrap_err();
    assert_eq!(twice.name(), ErrorName::InvalidState);
}

#[tokio::test]
async fn g018_deferred_is_refused_by_closing() {
    let (a, b) = strangers(with(PeerIdentity::Deferred), loopback());
    introduce(&a, ice_only(b.connection.local()));
    introduce(&b, a.connection.local());
    a.event(peer_fingerprint).await;
    a.connection.close();
    assert_eq!(
        within(5, b.connection.closed()).await,
        DisconnectReason::RemoteClosed
    );
    assert!(!a.names().contains(&"connected"));
}

#[tokio::test]
async fn g018_the_fingerprint_cannot_change_after_connect() {
    let (a, b) = pair_with(loopback(), loopback()).await;
    let before = a.connection.remote();
    let error = a
        .connection
        .set_remote(with_wrong_fingerprint(b.connection.local()))
        .unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidState);
    assert_eq!(a.connection.remote(), before);
    both_connected(&a.connection, &b.connection).await;
    assert_eq!(a.connection.remote(), before);
}

#[tokio::test]
async fn g019_sha_1_counts_only_when_it_is_allowed() {
    let weak = |side: RTCConnectionSide| {
        let all = side.dtls.fingerprint.clone().unwrap();
        let sha1 = all.iter().find(|one| one.algorithm == "sha-1").unwrap();
        ice_only(side).with_fingerprint(sha1.clone())
    };
    let (a, b) = strangers(loopback(), loopback().announce_sha_1(true));
    introduce(&a, weak(b.connection.local()));
    introduce(&b, a.connection.local());
    assert_eq!(
        within(5, a.connection.closed()).await,
        DisconnectReason::FingerprintMismatch
    );
    let (a, b) = strangers(
        loopback().fingerprint_check(FingerprintCheck::AllowWeak),
        loopback().announce_sha_1(true),
    );
    introduce(&a, weak(b.connection.local()));
    introduce(&b, a.connection.local());
    both_connected(&a.connection, &b.connection).await;
}

/// One right fingerprint of the strongest hash is enough, unless all of them are wanted.
#[tokio::test]
async fn g019_one_fingerprint_that_matches_is_enough_unless_all_are_required() {
    let right = |side: &RTCConnectionSide, name: &str| {
        let all = side.dtls.fingerprint.clone().unwrap();
        all.iter()
            .find(|one| one.algorithm == name)
            .unwrap()
            .clone()
    };
    let lists = |side: &RTCConnectionSide| {
        let sha256 = right(side, "sha-256");
        let wrong = |name, length| Fingerprint::new(name, vec![7; length]).unwrap();
        [
            (vec![sha256.clone()], true),
            (vec![sha256.clone(), wrong("sha-256", 32)], false),
            (vec![sha256.clone(), wrong("sha-1", 20)], false),
            (vec![sha256.clone(), right(side, "sha-1")], true),
        ]
    };
    for all in [false, true] {
        for at in 0..4 {
            let check = match all {
                true => FingerprintCheck::All,
                false => FingerprintCheck::Strongest,
            };
            let options = loopback().fingerprint_check(check);
            let (a, b) = strangers(options, loopback().announce_sha_1(true));
            let (list, every_one_right) = lists(&b.connection.local())[at].clone();
            let mut fingerprints = CertificateFingerprint::default();
            for one in list {
                fingerprints.push(one).unwrap();
            }
            introduce(
                &a,
                ice_only(b.connection.local()).with_fingerprint(fingerprints),
            );
            introduce(&b, a.connection.local());
            if every_one_right || !all {
                both_connected(&a.connection, &b.connection).await;
                a.connection.close();
                b.connection.close();
            } else {
                let reason = within(5, a.connection.closed()).await;
                assert_eq!(reason, DisconnectReason::FingerprintMismatch, "list {at}");
            }
        }
    }
}

#[tokio::test]
async fn g035_equal_roles_repair_themselves_and_the_controlled_side_is_the_client() {
    use RTCIceRole::{Controlled, Controlling};
    let cases = [
        (None, None),
        (Some(Controlling), Some(Controlling)),
        (Some(Controlled), Some(Controlled)),
        (Some(Controlling), Some(Controlled)),
        (None, Some(Controlling)),
    ];
    for (a_role, b_role) in cases {
        let options = |role: Option<RTCIceRole>| match role {
            Some(role) => loopback().role(role),
            None => loopback(),
        };
        let (a, b) = connected_pair_with(options(a_role), options(b_role)).await;
        let stats = [a.connection.stats(), b.connection.stats()];
        let roles = stats.each_ref().map(|s| s.transport.ice_role.unwrap());
        assert_ne!(roles[0], roles[1], "{a_role:?} {b_role:?}");
        let dtls = stats.each_ref().map(|s| s.transport.dtls_role.unwrap());
        assert_ne!(dtls[0], dtls[1]);
        // Where a conflict was repaired DTLS may have begun with the role of before.
        if a_role.is_none() && b_role.is_none() || a_role != b_role {
            assert_eq!(
                roles.map(|role| role == Controlled),
                dtls.map(|r| r == "client")
            );
        }
    }
}

#[tokio::test]
async fn g035_the_dtls_role_can_be_stated() {
    // What one side states crosses with its `local()`, and the other takes the opposite.
    for (a_role, b_role, client) in [
        (RTCDtlsRole::Client, RTCDtlsRole::Server, "client"),
        (RTCDtlsRole::Server, RTCDtlsRole::Client, "server"),
        (RTCDtlsRole::Client, RTCDtlsRole::Auto, "client"),
        (RTCDtlsRole::Auto, RTCDtlsRole::Server, "client"),
        (RTCDtlsRole::Server, RTCDtlsRole::Auto, "server"),
        (RTCDtlsRole::Auto, RTCDtlsRole::Client, "server"),
    ] {
        let (a, b) = connected_pair_with(
            loopback().dtls_role(a_role).role(RTCIceRole::Controlling),
            loopback().dtls_role(b_role),
        )
        .await;
        assert_eq!(a.connection.stats().transport.dtls_role, Some(client));
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        source.write_sample(vec![1, 2, 3], FRAME).unwrap();
        assert_eq!(
            within(5, received.recv_sample()).await.unwrap().data,
            vec![1, 2, 3]
        );
    }
}

/// Two sides that state the same DTLS role are told so by the description, before any packet.
#[tokio::test]
async fn r_b10_equal_dtls_roles_are_refused_at_once() {
    for (role, failure) in [
        (RTCDtlsRole::Client, DtlsFailure::BothClients),
        (RTCDtlsRole::Server, DtlsFailure::BothServers),
    ] {
        let (a, b) = strangers(loopback().dtls_role(role), loopback().dtls_role(role));
        let error = a.connection.set_remote(b.connection.local()).unwrap_err();
        assert_eq!(error, Error::Peer(PeerFault::SameDtlsRole(failure)));
        assert_eq!(error.name(), ErrorName::Operation);
        assert_eq!(a.connection.remote(), None);
        // The side is free to take another.
        let mut other = b.connection.local();
        other.dtls.role = None;
        a.connection.set_remote(other).unwrap();
    }
}
