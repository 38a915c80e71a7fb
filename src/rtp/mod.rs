//! RTP packets, for programs that packetise or read them themselves.
//!
//! A track carries whole frames with `write_sample` and `recv_sample`, and most programs need
//! nothing else. Those that have packets already, such as servers that pass media on, give them to
//! [`MediaStreamTrack::write_rtp`](crate::MediaStreamTrack::write_rtp) and take them from
//! [`MediaStreamTrack::recv_rtp`](crate::MediaStreamTrack::recv_rtp) as [`RtpPacket`]s.

// RTP and RTCP without I/O: headers, routing, statistics, reports, feedback.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod buffers;
mod cname;
mod declaration;
mod demux;
mod event;
pub(crate) mod extensions;
mod header;
mod history;
mod interval;
mod label;
mod labels;
mod nack;
mod packet;
mod path_meter;
mod receiver;
mod reception;
mod red;
mod red_window;
mod reports;
mod router;
mod sender;
mod session;
mod transport_cc;
mod wire;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod header_tests;
#[cfg(test)]
mod nack_tests;
#[cfg(test)]
mod path_meter_tests;
#[cfg(test)]
mod router_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod ssrc_tests;
#[cfg(test)]
mod transport_cc_tests;

pub use packet::{HeaderExtensionValue, HeaderExtensionValues, RtpPacket};

pub(crate) use cname::cname_from_random;
pub(crate) use declaration::{Declaration, ReceiverId};
pub(crate) use demux::is_rtcp;
pub(crate) use event::{KeyframeRequest, RtcpCounters, RtpConfig, RtpEvent};
pub(crate) use extensions::{
    ABS_SEND_TIME, AUDIO_LEVEL, AudioLevel, CSRC_AUDIO_LEVEL, DEPENDENCY_DESCRIPTOR, ExtensionMap,
    MID, REPAIRED_RID, RID, RTCHeaderExtension, TRANSPORT_CC, decode_csrc_audio_levels,
    encode_abs_send_time,
};
pub(crate) use header::{OutgoingHeader, RtpHeader, to_packet, write_header};
pub(crate) use history::History;
pub(crate) use label::MediaLabel;
pub(crate) use path_meter::Strain;
pub(crate) use receiver::InboundStats;
pub(crate) use reception::Reception;
pub(crate) use red::{
    MAX_RED_BLOCK, MAX_RED_OFFSET, RED_HEADER, RED_LAST_HEADER, parse_red, write_red_header,
    write_red_last_header,
};
pub(crate) use red_window::RedWindow;
pub(crate) use router::{Route, Router};
pub(crate) use sender::OutboundStats;
pub(crate) use session::RtpSession;
pub(crate) use transport_cc::TransportReports;
