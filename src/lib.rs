//! WebRTC through the Object RTC API: typed objects and JSON descriptions, no SDP, any signalling.
#![forbid(unsafe_code)]

mod connection;
mod engine;
mod error;
mod media;
mod queue;
mod random;
mod rtp;
#[cfg(test)]
mod simnet;
mod socket;

pub use connection::RTCConnection;
pub use connection::candidate::RTCIceCandidateDescription;
pub use connection::certificate::RTCCertificate;
pub use connection::event::{RTCConnectionEvent, RTCConnectionEvents};
pub use connection::fingerprint::{CertificateFingerprint, Fingerprint};
pub use connection::ice_server::{RTCIceServer, RTCSocketServer};
pub use connection::options::RTCConnectionOptions;
pub use connection::roles::{
    GatherStart, LocalCandidates, PeerIdentity, Profile, RTCDtlsRole, RTCIceRole,
};
pub use connection::side::{RTCConnectionSide, RTCDtlsConnectionInfo, RTCIceConnectionInfo};
pub use connection::state::{DisconnectReason, RTCConnectionState, RTCDtlsState, RTCIceState};
pub use connection::stats::{
    RTCDropStats, RTCInboundRtpStats, RTCOutboundRtpStats, RTCStats, RTCTransportStats,
};
pub use error::{Error, ErrorName, Misuse, PeerFault, Result, TransportFault};
pub use media::sending::RTCTrack;
pub use media::stream::{MediaStream, MediaStreamEvent};
pub use media::track::{MediaStreamTrack, MediaStreamTrackEvent};
pub use media::{
    Kind, MediaSample, RTCCodec, RTCCodecParam, RTCFecParameters, RTCHeaderExtension,
    RTCMediaAttributes, RTCRtcpParameters, RTCRtpEncoding, RTCRtxParameters, RTCTrackDescription,
    RTCTrackFilter,
};
pub use rtp::{AudioLevel, HeaderExtension, RtpExtensions, RtpPacket};
pub use socket::{IceServerError, IceServerErrorKind, RTCSocket};
