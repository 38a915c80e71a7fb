//! What others are told of what happens: hooks, figures, logs for people who have to account for
//! it, and servers that asked to be called.

mod lines;
mod records;
mod webhook;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ortc_rooms::desk::DeskEvent;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::config::ServerConfig;
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use lines::Lines;
use records::Records;
use webhook::Webhook;

/// All who are told.
pub(crate) struct Reports {
    hooks: Arc<dyn Hooks>,
    metrics: Arc<Metrics>,
    audit: Option<Lines>,
    records: Option<(Records, Lines)>,
    webhook: Option<Webhook>,
}

impl Reports {
    /// # Errors
    ///
    /// Words for a file that cannot be written or a URL that is none.
    pub(crate) fn new(
        config: &ServerConfig,
        hooks: Arc<dyn Hooks>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let lines = |path: &Option<std::path::PathBuf>| path.as_deref().map(Lines::new).transpose();
        let records = lines(&config.call_records)?;
        Ok(Self {
            audit: lines(&config.audit_log)?,
            records: records.map(|lines| (Records::default(), lines)),
            webhook: Webhook::new(config, metrics.clone())?,
            hooks,
            metrics,
        })
    }

    /// Tells them until the desk ends.
    pub(crate) async fn run(
        mut self,
        mut events: Receiver<DeskEvent>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                _ = shutdown.wait_for(|ends| *ends) => return self.finish(events),
            };
            match event {
                Ok(event) => self.tell(&event),
                Err(RecvError::Lagged(count)) => {
                    warn!(count, "events were lost: too many at once");
                    let lost = self.metrics.events.with_label_values(&["(lost)"]);
                    lost.inc_by(count);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// What is left at the end.
    fn finish(mut self, mut events: Receiver<DeskEvent>) {
        while let Ok(event) = events.try_recv() {
            self.tell(&event);
        }
    }

    fn tell(&mut self, event: &DeskEvent) {
        // A hook that panics ends nothing.
        let hook = AssertUnwindSafe(|| self.hooks.on_event(event));
        if catch_unwind(hook).is_err() {
            error!("a hook panicked");
        }
        let at = now();
        let Ok(value) = serde_json::to_value(event) else {
            return;
        };
        let name = value.as_object().and_then(|object| object.keys().next());
        let name = name.map_or("", String::as_str);
        self.metrics.events.with_label_values(&[name]).inc();
        let line = json!({ "at": at, "event": value });
        if let Some(audit) = &mut self.audit {
            audit.write(&line);
        }
        if let Some((records, lines)) = &mut self.records {
            for record in records.after(event, at) {
                lines.write(&record);
            }
        }
        if let Some(webhook) = &self.webhook {
            webhook.post(line);
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    })
}
