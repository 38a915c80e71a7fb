//! What a transfer does, for people on a terminal and for programs.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use ortc_rooms::files::{Progress, Transfer, TransferState};
use ortc_rooms::session::Path;
use serde_json::{Value, json};

/// How the command speaks: with bars on standard error, or an object a line on standard output.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    json: bool,
    bars: MultiProgress,
    terminal: bool,
}

impl Show {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            bars: MultiProgress::new(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Tells something: the sentence or the object.
    pub(crate) fn tell(&self, sentence: &str, event: &Value) {
        if self.json {
            let mut out = std::io::stdout().lock();
            // Whoever reads may have gone.
            let _ = writeln!(out, "{event}");
            let _ = out.flush();
        } else if self.terminal && !sentence.is_empty() {
            // With a line feed, which what copies from a terminal wants.
            self.bars.suspend(|| eprintln!("{sentence}"));
        } else if !sentence.is_empty() {
            eprintln!("{sentence}");
        }
    }

    /// Shows a transfer until it is over; what went in which time. Cancel-safe.
    pub(crate) async fn watch(&self, mut transfer: Transfer, with: &str) -> Sum {
        let bar = match self.terminal && !self.json {
            true => Some(self.bar(with)),
            false => None,
        };
        let mut told = None;
        let mut begun = None;
        let mut kept = 0;
        let mut told_state = None;
        loop {
            let progress = transfer.progress();
            if progress.state == TransferState::Running && begun.is_none() {
                begun = Some(Instant::now());
                kept = progress.kept;
            }
            if progress.state == TransferState::Waiting && told_state != Some(progress.state) {
                let object = json!({ "event": "lost", "with": with });
                let sentence = "the connection is lost; waiting for it to come back";
                self.tell(sentence, &object);
            }
            told_state = Some(progress.state);
            if let Some(bar) = &bar {
                draw(bar, &progress);
            }
            let percent = percent(&progress);
            if self.json && told != Some((percent, progress.state)) {
                told = Some((percent, progress.state));
                self.tell("", &event(&progress, with));
            }
            if matches!(progress.state, TransferState::Done | TransferState::Failed) {
                break;
            }
            if transfer.progressed().await.is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if let Some(bar) = bar {
            bar.finish();
        }
        let progress = transfer.progress();
        Sum {
            bytes: progress.bytes.saturating_sub(kept.max(progress.kept)),
            seconds: begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64()),
        }
    }

    fn bar(&self, with: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(0));
        let style = "{prefix:.bold} [{bar:30}] {bytes} of {total_bytes} {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(with.to_owned());
        bar
    }
}

/// What went, in which time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum {
    bytes: u64,
    seconds: f64,
}

impl Sum {
    /// In a line: how much, how fast, by which path.
    pub(crate) fn line(self, way: &str) -> String {
        let way = if way.is_empty() { "path unknown" } else { way };
        format!(
            "{} in {:.1} s, {}/s, {way}",
            HumanBytes(self.bytes),
            self.seconds,
            HumanBytes(self.rate() as u64),
        )
    }

    /// Adds the same to an event.
    pub(crate) fn into_event(self, event: &mut Value, path: Option<&Path>) {
        if let Some(members) = event.as_object_mut() {
            members.insert("bytes".to_owned(), self.bytes.into());
            members.insert("seconds".to_owned(), self.seconds.into());
            members.insert("bytesPerSecond".to_owned(), self.rate().round().into());
            members.insert("direct".to_owned(), path.map(|path| path.direct).into());
        }
    }

    fn rate(self) -> f64 {
        self.bytes as f64 / self.seconds.max(0.001)
    }
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total);
    bar.set_position(progress.bytes);
    let rate = HumanBytes(progress.rate as u64);
    bar.set_message(match progress.state {
        TransferState::Offered => "waits for an answer".to_owned(),
        TransferState::Paused => "paused".to_owned(),
        TransferState::Waiting => "waits for the connection".to_owned(),
        TransferState::Done => String::new(),
        TransferState::Failed => "stopped".to_owned(),
        _ => match progress.remaining() {
            Some(left) => format!("{rate}/s, {} left", HumanDuration(left)),
            None => String::new(),
        },
    });
}

fn percent(progress: &Progress) -> u64 {
    let hundred = progress.bytes.saturating_mul(100);
    hundred.checked_div(progress.total).unwrap_or(100)
}

fn event(progress: &Progress, with: &str) -> Value {
    json!({
        "event": "progress",
        "with": with,
        "state": match progress.state {
            TransferState::Offered => "offered",
            TransferState::Running => "running",
            TransferState::Paused => "paused",
            TransferState::Waiting => "waiting",
            TransferState::Done => "done",
            _ => "failed",
        },
        "bytes": progress.bytes,
        "total": progress.total,
        "kept": progress.kept,
        "files": progress.files_done,
        "file": progress.file,
        "bytesPerSecond": progress.rate.round(),
    })
}
