//! What programs rely on without a word: public types can be sent to other threads, shared and moved,
//! and so can what their functions wait for.

use std::collections::BTreeSet;

use super::items::Items;

fn is_free<T: Send + Sync + Unpin + 'static>() {}

fn is_send<T: Send>(_: T) {}

macro_rules! free {
    ($($type:path,)*) => {
        fn free() -> BTreeSet<&'static str> {
            $(is_free::<$type>();)*
            BTreeSet::from([$(name(stringify!($type)),)*])
        }
    };
}

macro_rules! sendable {
    ($($type:path: $($function:ident($($argument:expr)?)),+;)*) => {
        fn sendable() -> BTreeSet<String> {
            $($(
                // Compiled is enough.
                let _ = |of: &mut $type| is_send(of.$function($($argument)?));
            )+)*
            let all = [$($((stringify!($type), stringify!($function)),)+)*];
            let named = all.map(|(of, function)| format!("{}::{function}", name(of)));
            named.into_iter().collect()
        }
    };
}

/// The last part of a path.
fn name(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap().trim()
}

free! {
    ortc::AudioLevel,
    ortc::CertificateFingerprint,
    ortc::DataChannelCloseReason,
    ortc::DefaultLayerSelector,
    ortc::DisconnectReason,
    ortc::DtlsFailure,
    ortc::Error,
    ortc::ErrorName,
    ortc::Fingerprint,
    ortc::FingerprintCheck,
    ortc::ForwardConditions,
    ortc::ForwardLayer,
    ortc::GatherStart,
    ortc::NetworkChanges,
    ortc::IceServerError,
    ortc::IceServerErrorKind,
    ortc::Kind,
    ortc::LayerChoice,
    ortc::LocalCandidates,
    ortc::MediaForward,
    ortc::MediaForwardStats,
    ortc::MediaSample,
    ortc::MediaStream,
    ortc::MediaStreamEvent,
    ortc::MediaStreamTrack,
    ortc::MediaStreamTrackEvent,
    ortc::MediaTap,
    ortc::Misuse,
    ortc::PeerFault,
    ortc::PeerIdentity,
    ortc::RTCCandidatePolicy,
    ortc::RTCCertificate,
    ortc::RTCCodec,
    ortc::RTCCodecParam,
    ortc::RTCConnection,
    ortc::RTCConnectionEvent,
    ortc::RTCConnectionEvents,
    ortc::RTCConnectionOptions,
    ortc::RTCConnectionSide,
    ortc::RTCConnectionState,
    ortc::RTCContributor,
    ortc::RTCDataChannel,
    ortc::RTCDataChannelEvent,
    ortc::RTCDataChannelMessage,
    ortc::RTCDataChannelMessages,
    ortc::RTCDataChannelOptions,
    ortc::RTCDataChannelState,
    ortc::RTCDataChannelStream,
    ortc::RTCDtlsConnectionInfo,
    ortc::RTCDtlsRole,
    ortc::RTCDtlsState,
    ortc::RTCFecParameters,
    ortc::RTCHeaderExtension,
    ortc::RTCIceCandidateDescription,
    ortc::RTCIceConnectionInfo,
    ortc::RTCIceRole,
    ortc::RTCIceServer,
    ortc::RTCIceState,
    ortc::RTCMediaAttributes,
    ortc::RTCPriorityType,
    ortc::RTCRtcpParameters,
    ortc::RTCRtpEncoding,
    ortc::RTCRtxParameters,
    ortc::RTCSctpConnectionInfo,
    ortc::RTCSocket,
    ortc::RTCTrack,
    ortc::RTCTrackDescription,
    ortc::RTCTrackFilter,
    ortc::SenderClock,
    ortc::TrackStart,
    ortc::TransportFault,
    ortc::UnknownTrack,
    ortc::capabilities::DropReason,
    ortc::capabilities::Dropped,
    ortc::capabilities::Negotiated,
    ortc::capabilities::RTCCapabilities,
    ortc::capabilities::RTCDirection,
    ortc::capabilities::RTCHeaderExtensionCapability,
    ortc::capabilities::RTCRtcpFeedback,
    ortc::diagnose::DiagnoseOptions,
    ortc::diagnose::Diagnosis,
    ortc::diagnose::Finding,
    ortc::diagnose::FindingKind,
    ortc::diagnose::NatFiltering,
    ortc::diagnose::NatMapping,
    ortc::diagnose::NatReport,
    ortc::diagnose::Relay,
    ortc::diagnose::ServerReport,
    ortc::diagnose::ServerState,
    ortc::dtmf::DTMFEvent,
    ortc::dtmf::DTMFMediaStreamTrack,
    ortc::dtmf::DTMFTone,
    ortc::dtmf::DTMFTones,
    ortc::july::Dialect,
    ortc::july::RTCMediaLimits,
    ortc::july::RTCMediaStream,
    ortc::july::RTCMediaStreamDescription,
    ortc::july::RTCMediaStreamTrackDescription,
    ortc::july::RTCRestrictions,
    ortc::july::RTCSide,
    ortc::july::RTCSocketDescription,
    ortc::july::RTCSocketEvent,
    ortc::july::RTCSocketEvents,
    ortc::july::RTCSocketOptions,
    ortc::july::RTCSocketServer,
    ortc::july::RTCStreamEvent,
    ortc::july::RTCStreamEvents,
    ortc::july::RTCStreamSource,
    ortc::rtp::HeaderExtensionValue,
    ortc::rtp::HeaderExtensionValues,
    ortc::rtp::RtpPacket,
    ortc::stats::RTCCertificateStats,
    ortc::stats::RTCCodecStats,
    ortc::stats::RTCDataChannelStats,
    ortc::stats::RTCDataStats,
    ortc::stats::RTCDropStats,
    ortc::stats::RTCFrameStats,
    ortc::stats::RTCIceCandidatePairStats,
    ortc::stats::RTCIceDrops,
    ortc::stats::RTCInboundRtpStats,
    ortc::stats::RTCMediaReport,
    ortc::stats::RTCMemoryStats,
    ortc::stats::RTCOutboundRtpStats,
    ortc::stats::RTCRemoteInboundRtpStats,
    ortc::stats::RTCRetransmissionFaults,
    ortc::stats::RTCRtcpFaults,
    ortc::stats::RTCSocketStats,
    ortc::stats::RTCStats,
    ortc::stats::RTCStunFaults,
    ortc::stats::RTCTransportStats,
}

sendable! {
    ortc::MediaStream: next_event();
    ortc::MediaStreamTrack: next_event(), recv_rtp(), recv_sample();
    ortc::MediaTap: recv_sample();
    ortc::RTCConnection: closed(), connected();
    ortc::RTCConnectionEvents: next();
    ortc::RTCDataChannel: closed(), flush(), next_event(), opened(), recv(), send("");
    ortc::dtmf::DTMFMediaStreamTrack: next_event();
    ortc::july::RTCSocketEvents: next();
    ortc::july::RTCStreamEvents: next();
}

#[test]
fn every_public_type_is_send_sync_and_unpin() {
    let items = Items::of_the_crate();
    let mut types = items.types();
    assert!(types.remove("LayerSelector"), "a trait");
    assert_eq!(free(), types);
}

#[test]
fn every_public_future_is_send() {
    assert_eq!(&sendable(), Items::of_the_crate().futures());
}
