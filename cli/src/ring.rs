//! The last lines of the log, for a report of what went wrong: bounded, without addresses.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::scrub::scrubbed;

const LINES: usize = 2_000;
/// The most bytes of a line.
const LENGTH: usize = 1_000;

/// A layer that keeps them. A clone keeps into the same.
#[derive(Clone)]
pub(crate) struct Ring {
    begun: Instant,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    gone: u64,
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            kept: Arc::default(),
        }
    }

    /// What was said last, a line an event; the first says how many are gone.
    pub(crate) fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = match kept.gone {
            0 => String::new(),
            gone => format!("({gone} lines before)\n"),
        };
        for line in &kept.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn push(&self, line: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lines.len() >= LINES {
            kept.lines.pop_front();
            kept.gone = kept.gone.saturating_add(1);
        }
        kept.lines.push_back(line);
    }
}

impl<S: Subscriber> Layer<S> for Ring {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let mut line = Line(String::new());
        let _ = write!(
            line,
            "{:.3} {} {}:",
            self.begun.elapsed().as_secs_f64(),
            about.level(),
            about.target()
        );
        event.record(&mut line);
        self.push(scrubbed(&line.0));
    }
}

/// Takes no more than has place in it.
struct Line(String);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() >= LENGTH {
                return Err(fmt::Error);
            }
            self.0.push(if c.is_control() { ' ' } else { c });
        }
        Ok(())
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self, " {value:?}"),
            name => write!(self, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn d39_the_last_lines_are_kept_and_no_more() {
        let ring = Ring::new();
        let subscriber = tracing_subscriber::registry().with(ring.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..LINES + 5 {
                tracing::info!(number, from = "192.0.2.7:1", "a\nline");
            }
            tracing::info!("{}", "x".repeat(100_000));
        });
        let text = ring.text();
        assert!(text.starts_with("(6 lines before)\n"), "{}", &text[..60]);
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.contains("number=2004 from=\"[address]:1\"") && !text.contains("192.0.2.7"));
        assert!(text.lines().all(|line| line.len() <= LENGTH + 4));
    }
}
