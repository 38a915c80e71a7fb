//! What can be seen of a connection.

use std::time::Duration;

use tracing::Span;

use super::data::DataCounters;
use super::drops::Totals;
use super::ice::IceAgent;
use super::log;
use super::machine::Engine;
use super::media::{Media, MediaCounters};
use super::model::{EngineCounters, EngineState, Traffic};
use super::sctp::Unread;
use super::secure::Secure;
use crate::budget::Budget;
use crate::error::DisconnectReason;
use crate::rtp::RtpSession;

impl Engine {
    pub(crate) fn state(&self) -> EngineState {
        self.state
    }

    /// Whether media may flow: the path is there, DTLS is done, the peer is accepted, and nobody
    /// has closed it.
    pub(crate) fn is_connected(&self) -> bool {
        self.state == EngineState::Connected && self.closing.is_none()
    }

    /// Why nothing looks for a path any more, if that is so.
    pub(crate) fn lost(&self) -> Option<DisconnectReason> {
        self.lost
    }

    pub(crate) fn ice(&self) -> &IceAgent {
        &self.ice
    }

    pub(crate) fn secure(&self) -> &Secure {
        &self.secure
    }

    pub(crate) fn media(&self) -> &Media {
        &self.media
    }

    pub(crate) fn rtp(&self) -> &RtpSession {
        self.media.rtp()
    }

    /// Where is counted what the peer has this side hold.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The connection in the log.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// What the engine and its media have dropped.
    pub(crate) fn counters(&self) -> EngineCounters {
        let MediaCounters {
            early,
            malformed_rtp,
            rejected_srtp,
            unknown_rtp,
        } = self.media.counters();
        EngineCounters {
            early_dtls: self.secure.early_dropped(),
            early_media: early,
            malformed_rtp,
            rejected_srtp,
            unknown_rtp,
            outgoing_dropped: self.out.dropped(),
            ..self.counters
        }
    }

    /// What all layers have dropped.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            engine: self.counters(),
            ice: self.ice.counters(),
            dtls: self.secure.counters(),
            data: self.data.counters(),
            rtcp: self.rtp().counters(),
            repair: self.media.repair_counters(),
            over_budget: self.budget.dropped(),
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let (packets_sent, bytes_sent) = self.out.taken();
        Traffic {
            packets_sent,
            bytes_sent,
            ..self.traffic
        }
    }

    /// Bytes that the peer has the engine hold, beside the receive window of data: packets of
    /// unknown sources, messages and handshake datagrams that came too early.
    pub(crate) fn held(&self) -> usize {
        self.secure
            .early_bytes()
            .saturating_add(self.media.held_bytes())
            .saturating_add(self.data.early_bytes())
    }

    /// Why ICE has found no path, or has lost it, as far as this side can know.
    pub(crate) fn no_path(&self) -> String {
        log::no_path(&self.ice, self.servers)
    }

    /// ICE servers that were asked, and those of them that answered.
    pub(crate) fn servers(&self) -> (u32, u32) {
        self.servers.counts()
    }

    // ---- data channels --------------------------------------------------------------------

    /// Round-trip time as SCTP measures it.
    pub(crate) fn data_rtt(&self) -> Option<Duration> {
        self.data.rtt()
    }

    /// The largest datagram that carries data at present, in bytes.
    pub(crate) fn largest_data_datagram(&self) -> Option<usize> {
        self.data.largest_datagram(self.secure.dtls.as_deref())
    }

    /// The largest message taken from the peer, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.data.max_message_size()
    }

    /// Where the bytes are counted that the application has not read.
    pub(crate) fn unread(&self) -> Unread {
        self.data.unread().clone()
    }

    pub(crate) fn data_counters(&self) -> DataCounters {
        self.data.counters()
    }
}
