//! Tests read the log: lines of one thread are kept, and those of all tests are looked through for
//! what must not be in them. The integration tests have this file, too.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// A run of such characters with a digit in it may be a password or a key.
const SECRET: usize = 20;

/// The lines of this crate that this thread has written since, as long as it is kept.
pub(crate) struct Kept {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Spans,
    _guard: DefaultGuard,
}

impl Kept {
    pub(crate) fn new(level: Level) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let into = lines.clone();
        let log = Log::new(level, move |line| into.lock().unwrap().push(line));
        let spans = log.spans.clone();
        let _guard = tracing::subscriber::set_default(log);
        Self {
            lines,
            spans,
            _guard,
        }
    }

    /// Each as "LEVEL target span: message, fields".
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// How many spans there are.
    pub(crate) fn spans(&self) -> usize {
        self.spans.lock().unwrap().len()
    }

    /// Fails unless exactly so many lines have all of this in them.
    pub(crate) fn expect(&self, count: usize, parts: &[&str]) {
        let lines = self.lines();
        let has = |line: &&String| parts.iter().all(|part| line.contains(part));
        let found = lines.iter().filter(has).count();
        assert_eq!(found, count, "{parts:?} in {lines:#?}");
    }
}

/// Looks through every line at info and above that is written from now on, in all tests of this
/// program. The program ends at one that holds what it must not: a panic would be caught by the
/// guards of the connection that wrote it.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let log = Log::new(Level::INFO, |line| {
            if let Some(found) = leak(&line) {
                let test = std::thread::current();
                let test = test.name().unwrap_or("a task").to_owned();
                let mut err = std::io::stderr();
                let _ = writeln!(err, "{test}: {found} in a line of the log: {line}");
                std::process::abort();
            }
        });
        // Somebody else's is as good for the test that put it there.
        let _ = tracing::subscriber::set_global_default(log);
    });
}

/// What a line must not hold: an address, or what may be a password or a key.
pub(crate) fn leak(line: &str) -> Option<String> {
    // Whole words: the target ortc::connection has "c::c" in it.
    let no_address = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | ':' | '[' | ']'));
    let address = line.split(no_address).find(|word| {
        let word = word.trim_end_matches(['.', ':']);
        let word_of_colons = word.chars().all(|c| c == ':');
        !word_of_colons && (word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok())
    });
    let secret = || {
        let mut words =
            line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/')));
        words.find(|word| word.len() >= SECRET && word.contains(|c: char| c.is_ascii_digit()))
    };
    address.or_else(secret).map(str::to_owned)
}

/// Each with how many handles it has: what is gone must not be kept, where memory is counted.
type Spans = Arc<Mutex<HashMap<u64, (String, usize)>>>;

struct Log<F> {
    level: Level,
    spans: Spans,
    next: AtomicU64,
    tell: F,
}

impl<F: Fn(String)> Log<F> {
    fn new(level: Level, tell: F) -> Self {
        Self {
            level,
            spans: Spans::default(),
            next: AtomicU64::new(1),
            tell,
        }
    }
}

impl<F: Fn(String) + Send + Sync + 'static> Subscriber for Log<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ortc") && *metadata.level() <= self.level
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut fields = Fields::default();
        span.record(&mut fields);
        let text = format!("{}{{{}}}", span.metadata().name(), fields.0);
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.insert(id, (text, 1));
        Id::from_u64(id)
    }

    fn clone_span(&self, id: &Id) -> Id {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, handles)) = spans.get_mut(&id.into_u64()) {
            *handles += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, handles)) = spans.get_mut(&id.into_u64()) else {
            return false;
        };
        *handles -= 1;
        let last = *handles == 0;
        if last {
            spans.remove(&id.into_u64());
        }
        last
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let span = event.parent().and_then(|id| spans.get(&id.into_u64()));
        let span = span.map_or_else(String::new, |(text, _)| text.clone());
        drop(spans);
        let (level, target) = (metadata.level(), metadata.target());
        (self.tell)(format!("{level} {target} {span}: {}", fields.0));
    }
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let between = if self.0.is_empty() { "" } else { ", " };
        let _ = match field.name() {
            "message" => write!(self.0, "{between}{value:?}"),
            name => write!(self.0, "{between}{name}={value:?}"),
        };
    }
}
