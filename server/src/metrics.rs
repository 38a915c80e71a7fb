//! Figures for Prometheus.

use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

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
}

/// One that is counted for as long as this is there.
pub(crate) struct Counted(IntGauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let counters = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
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
            registry,
        })
    }

    /// One client more, until what is returned is dropped.
    pub(crate) fn client(&self) -> Counted {
        self.clients.inc();
        Counted(self.clients.clone())
    }

    /// The text format.
    pub(crate) fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
