//! The diagnosis for people.

use std::fmt;

use super::report::{Diagnosis, FindingKind, NatMapping, Relay, ServerState};

/// "3 hours", roughly.
pub(super) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// "UDP, TLS", each once.
pub(super) fn way_of(ways: &[&str]) -> String {
    let mut ways = ways.to_vec();
    ways.sort_unstable();
    ways.dedup();
    ways.join(", ")
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        writeln!(f, "addresses  {}", or_none(&addresses.join(", ")))?;
        let nat = match self.nat.mapping {
            NatMapping::Unknown => "not known: no server answers over UDP",
            NatMapping::None => "none",
            NatMapping::EndpointIndependent => "one outer address for all peers",
            NatMapping::EndpointDependent => "another outer address for each peer (symmetric)",
            NatMapping::OneServer => "there is one; its kind takes a second server to know",
        };
        writeln!(f, "NAT        {nat}")?;
        if let Some(mtu) = self.mtu {
            writeln!(f, "packets    of {mtu} bytes come through in one piece")?;
        }
        if let Some(ahead) = self.clock_ahead {
            let side = if ahead < 0 { "behind" } else { "ahead of" };
            let by = span(ahead.unsigned_abs());
            writeln!(f, "clock      {by} {side} the server's")?;
        }
        for server in &self.servers {
            let (sign, what) = match &server.state {
                ServerState::Mapped {
                    address: Some(address),
                } => ("ok", format!("sees this machine as {address}")),
                ServerState::Mapped { address: None } => {
                    ("ok", "sees this machine as it is".to_owned())
                }
                ServerState::Relayed { address, relay } => match relay {
                    Relay::Carries => ("ok", format!("relays at {address}")),
                    Relay::NotPermitted => ("??", format!("relays at {address}, not to here")),
                    _ => (
                        "!!",
                        format!("relays at {address}, where nothing comes through"),
                    ),
                },
                ServerState::Failed { message, .. } => ("!!", message.clone()),
            };
            writeln!(f, "{sign} {} ({} ms): {what}", server.url, server.took_ms)?;
        }
        writeln!(f)?;
        for finding in &self.findings {
            let sign = match finding.kind {
                FindingKind::Problem => "problem",
                FindingKind::Warning => "warning",
                FindingKind::Good => "good",
            };
            write!(f, "{sign}: ")?;
            if let Some(url) = &finding.url {
                write!(f, "{url}: ")?;
            }
            writeln!(f, "{}", finding.text)?;
            if let Some(advice) = &finding.advice {
                writeln!(f, "    {advice}")?;
            }
        }
        Ok(())
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
