//! What all parts of a running server share.

use std::net::IpAddr;
use std::sync::Arc;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::HubFiles;
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::config::ServerConfig;
use crate::counts::Counts;
use crate::hooks::Hooks;
use crate::hub::ServerRecorder;
use crate::kept::helpdesk::Helpdesk;
use crate::kept::shelf::Shelf;
use crate::metrics::Metrics;
use crate::page::Pages;
use crate::polls::Polls;
use crate::tokens::Tokens;
#[cfg(feature = "whip")]
use crate::whip::Bridges;

/// What all parts of a running server share.
pub(crate) struct Site {
    pub(crate) config: ServerConfig,
    pub(crate) desk: Desk,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) tokens: Tokens,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pages: Pages,
    pub(crate) polls: Polls,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
    /// Recordings, where they are taken.
    pub(crate) recordings: Option<Shelf>,
    /// What hubs record, where they may.
    pub(crate) recorder: Option<Arc<ServerRecorder>>,
    /// What hubs keep, where they may.
    pub(crate) files: Option<Arc<HubFiles>>,
    /// Reports of what went wrong, where they are taken.
    pub(crate) help: Option<Helpdesk>,
    /// Those who come by WHIP and WHEP, where they may.
    #[cfg(feature = "whip")]
    pub(crate) bridges: Option<Arc<Bridges>>,
    /// Where the page is.
    pub(crate) url: String,
    /// Turns true when the server ends.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// The port of the STUN answers, for the page.
    pub(crate) stun_port: Option<u16>,
}

impl Site {
    /// Counts somebody who is not let in.
    pub(crate) fn refused(&self, reason: &str) {
        self.metrics.refused.with_label_values(&[reason]).inc();
    }
}
