//! RTP and RTCP without I/O: headers, routing, statistics, reports, feedback.

mod packet;

pub use packet::{RtpExtensions, RtpPacket};
