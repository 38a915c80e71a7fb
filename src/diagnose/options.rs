//! How to look.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// How to look.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DiagnoseOptions {
    pub(super) include_loopback: bool,
    pub(super) bind: Option<SocketAddr>,
    pub(super) certificates: Option<String>,
    pub(super) ahead: Option<i64>,
}

impl DiagnoseOptions {
    /// Loopback addresses count as this machine's, for servers on it. Otherwise they do not.
    pub fn include_loopback(mut self, include: bool) -> Self {
        self.include_loopback = include;
        self
    }

    /// Go out from this address; port 0 is the usual. Otherwise any.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// What servers over TLS are trusted by, in PEM, instead of what the system trusts: as
    /// [`RTCConnectionOptions::ice_server_certificates`](crate::RTCConnectionOptions::ice_server_certificates)
    /// has it.
    pub fn certificates(mut self, pem: impl Into<String>) -> Self {
        self.certificates = Some(pem.into());
        self
    }

    /// What the clock of a server says now, such as the `Date` of an HTTP answer, to compare this
    /// machine's with. Passwords that end, and certificates, go by clocks.
    pub fn server_time(mut self, time: SystemTime) -> Self {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.ahead = Some(match SystemTime::now().duration_since(time) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => seconds(behind.duration()).saturating_neg(),
        });
        self
    }
}
