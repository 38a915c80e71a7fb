//! Figures for Prometheus.

use prometheus::{
    Counter, Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// What the server counts.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: IntGauge,
    pub(crate) clients: IntGauge,
    pub(crate) rooms: IntGauge,
    pub(crate) users: IntGauge,
    pub(crate) cluster_connected: IntGauge,
    pub(crate) cluster_nodes: IntGauge,
    pub(crate) cluster_users: IntGauge,
    pub(crate) messages: IntCounter,
    pub(crate) events: IntCounterVec,
    pub(crate) refused: IntCounterVec,
    pub(crate) closed: IntCounterVec,
    pub(crate) stun_answers: IntCounter,
    pub(crate) stun_refused: IntCounter,
    pub(crate) hooks: IntCounterVec,
    cpu_seconds: Counter,
    bridges: IntGaugeVec,
    bridges_total: IntCounterVec,
    pub(crate) bridges_refused: IntCounterVec,
    pub(crate) hubs: HubMetrics,
}

/// What goes by the hubs.
#[derive(Clone)]
pub(crate) struct HubMetrics {
    pub(crate) rooms: IntGauge,
    pub(crate) people: IntGauge,
    pub(crate) tracks_in: IntGauge,
    pub(crate) tracks_out: IntGauge,
    pub(crate) messages: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) refused: IntCounterVec,
    pub(crate) recordings: IntGauge,
    pub(crate) recordings_failed: IntCounter,
    pub(crate) files: IntGauge,
    pub(crate) files_bytes: IntGauge,
    pub(crate) files_refused: IntCounter,
    pub(crate) files_stalled: IntGauge,
}

/// One that is counted for as long as this is there.
pub(crate) struct Counted(IntGauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

type Made<T> = Result<T, prometheus::Error>;

fn gauge(registry: &Registry, name: &str, help: &str) -> Made<IntGauge> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Made<IntCounter> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> Made<IntCounterVec> {
    let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

impl HubMetrics {
    fn new(registry: &Registry) -> Made<Self> {
        let gauge = |name: &str, help: &str| gauge(registry, name, help);
        let counter = |name: &str, help: &str| counter(registry, name, help);
        let counters = |name: &str, help: &str, label: &str| counters(registry, name, help, label);
        Ok(Self {
            rooms: gauge("ortc_hub_rooms", "Rooms that go by this server")?,
            people: gauge("ortc_hub_people", "Users connected to the hubs")?,
            tracks_in: gauge("ortc_hub_tracks_in", "Tracks that come to the hubs")?,
            tracks_out: gauge("ortc_hub_tracks_out", "Tracks that the hubs send on")?,
            messages: counter("ortc_hub_messages_total", "Messages that hubs sent on")?,
            dropped: counter(
                "ortc_hub_dropped_total",
                "Messages that hubs dropped for users who take none",
            )?,
            recordings: gauge("ortc_hub_recordings", "Rooms that this server records")?,
            recordings_failed: counter(
                "ortc_hub_recordings_failed_total",
                "Rooms, streams and tracks that were to be recorded and are not",
            )?,
            files: gauge("ortc_hub_files", "Transfers of files that hubs keep")?,
            files_bytes: gauge("ortc_hub_files_bytes", "Bytes of them")?,
            files_refused: counter(
                "ortc_hub_files_refused_total",
                "Transfers that there was no place for, and that went on from their senders",
            )?,
            files_stalled: gauge(
                "ortc_hub_files_stalled",
                "Receivers of them who have taken nothing for ten seconds",
            )?,
            refused: counters(
                "ortc_hub_refused_total",
                "Rooms that were to go by a hub and do not",
                "reason",
            )?,
        })
    }
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| gauge(&registry, name, help);
        let counter = |name: &str, help: &str| counter(&registry, name, help);
        let counters = |name: &str, help: &str, label: &str| counters(&registry, name, help, label);
        Ok(Self {
            connections: gauge("ortc_connections", "Connections that are open")?,
            clients: gauge("ortc_clients", "Clients by WebSocket and by polling")?,
            rooms: gauge("ortc_rooms", "Rooms")?,
            users: gauge("ortc_users", "Users, those among them who may come back")?,
            cluster_connected: gauge("ortc_cluster_connected", "1 while NATS is reached")?,
            cluster_nodes: gauge("ortc_cluster_nodes", "Servers of the cluster that live")?,
            cluster_users: gauge("ortc_cluster_users", "Users of all servers of the cluster")?,
            messages: counter("ortc_messages_total", "Messages of clients")?,
            events: counters("ortc_events_total", "What happened", "event")?,
            refused: counters("ortc_refused_total", "Who was not let in", "reason")?,
            closed: counters(
                "ortc_closed_total",
                "Connections that the server ended",
                "code",
            )?,
            stun_answers: counter(
                "ortc_stun_answers_total",
                "STUN requests that were answered",
            )?,
            stun_refused: counter("ortc_stun_refused_total", "STUN requests too many")?,
            hooks: counters(
                "ortc_webhooks_total",
                "Webhooks: sent, failed, dropped",
                "result",
            )?,
            cpu_seconds: {
                let help = "Seconds of processors that the process has taken";
                let counter = Counter::new("process_cpu_seconds_total", help)?;
                registry.register(Box::new(counter.clone()))?;
                counter
            },
            bridges: {
                let help = "Who publish by WHIP, and who watch by WHEP";
                let gauges = IntGaugeVec::new(Opts::new("ortc_bridges", help), &["by"])?;
                registry.register(Box::new(gauges.clone()))?;
                gauges
            },
            bridges_total: counters("ortc_bridges_total", "Who came by WHIP and by WHEP", "by")?,
            bridges_refused: counters(
                "ortc_bridges_refused_total",
                "Who came by WHIP or WHEP and was not let in",
                "status",
            )?,
            hubs: HubMetrics::new(&registry)?,
            registry,
        })
    }

    /// One client more, until what is returned is dropped.
    pub(crate) fn client(&self) -> Counted {
        self.clients.inc();
        Counted(self.clients.clone())
    }

    /// One more who comes by WHIP or WHEP, until what is returned is dropped.
    pub(crate) fn bridge(&self, by: &str) -> Counted {
        self.bridges_total.with_label_values(&[by]).inc();
        let gauge = self.bridges.with_label_values(&[by]);
        gauge.inc();
        Counted(gauge)
    }

    /// The text format.
    pub(crate) fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        self.cpu_seconds.reset();
        self.cpu_seconds.inc_by(cpu_seconds().unwrap_or_default());
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Seconds of processors that this process has taken: `utime` and `stime` of proc(5), in ticks of
/// 10 ms. Linux alone tells.
pub(crate) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name before it may have blanks.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some(ticks / 100.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_takes_is_told() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(100) {}
        let text = String::from_utf8(Metrics::new().unwrap().text().unwrap()).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
        let seconds: f64 = line.unwrap().parse().unwrap();
        assert!(seconds > 0.0 && seconds < 1e6, "{seconds}");
    }
}
