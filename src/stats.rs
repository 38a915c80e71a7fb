//! What a connection has done so far, under the names and units of the W3C's statistics.
//!
//! [`RTCConnection::stats`](crate::RTCConnection::stats) takes a snapshot of all of it, an
//! [`RTCStats`]; [`RTCMediaReport`] is what concerns one stream or track, which
//! [`stream_events`](crate::RTCConnection::stream_events) tells at an interval. Everything here is
//! made by the crate and only read, and grows as the W3C's lists do.

pub use crate::connection::receiving::stream_event::RTCMediaReport;
pub use crate::connection::stats::data::{RTCDataChannelStats, RTCDataStats};
pub use crate::connection::stats::drops::{
    RTCDropStats, RTCIceDrops, RTCRetransmissionFaults, RTCRtcpFaults, RTCStunFaults,
};
pub use crate::connection::stats::ice::RTCIceCandidatePairStats;
pub use crate::connection::stats::identity::{RTCCertificateStats, RTCCodecStats};
pub use crate::connection::stats::rtp::{
    RTCFrameStats, RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats,
};
pub use crate::connection::stats::socket::RTCSocketStats;
pub use crate::connection::stats::transport::{RTCMemoryStats, RTCStats, RTCTransportStats};
