//! What a transfer does, for people on a terminal and for programs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use ortc_rooms::files::{Progress, Transfer, TransferState};
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

    /// Tells something: the sentence or the object.
    pub(crate) fn tell(&self, sentence: &str, event: &Value) {
        if self.json {
            let mut out = std::io::stdout().lock();
            // Whoever reads may have gone.
            let _ = writeln!(out, "{event}");
            let _ = out.flush();
        } else if self.terminal && !sentence.is_empty() {
            let _ = self.bars.println(sentence);
        } else if !sentence.is_empty() {
            eprintln!("{sentence}");
        }
    }

    /// Shows a transfer until it is over. Cancel-safe.
    pub(crate) async fn watch(&self, mut transfer: Transfer, with: &str) {
        let bar = match self.terminal && !self.json {
            true => Some(self.bar(with)),
            false => None,
        };
        let mut told = None;
        loop {
            let progress = transfer.progress();
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

fn draw(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total);
    bar.set_position(progress.bytes);
    let rate = HumanBytes(progress.rate as u64);
    bar.set_message(match progress.state {
        TransferState::Offered => "waits for an answer".to_owned(),
        TransferState::Paused => "paused".to_owned(),
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
