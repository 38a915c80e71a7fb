//! What an example is called with: options with a value each. Anything else ends it with a word on
//! how to call it.

use std::fmt::Display;
use std::process::exit;
use std::str::FromStr;

pub(crate) struct Arguments {
    usage: &'static str,
    given: Vec<(String, String)>,
}

impl Arguments {
    /// Those of this process; `known` are the names of options.
    pub(crate) fn read(usage: &'static str, known: &[&str]) -> Self {
        let mut words = std::env::args().skip(1);
        let mut given = Vec::new();
        while let Some(name) = words.next() {
            if ["-h", "--help"].contains(&name.as_str()) {
                println!("{usage}");
                exit(0);
            }
            if !known.contains(&name.as_str()) {
                refuse(usage, &format!("{name} is no option"));
            }
            match words.next() {
                Some(value) => given.push((name, value)),
                None => refuse(usage, &format!("{name} needs a value")),
            }
        }
        Self { usage, given }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut given = self.given.iter();
        let (_, value) = given.find(|(known, _)| known == name)?;
        Some(value)
    }

    #[allow(dead_code)] // Not every example has numbers.
    pub(crate) fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => refuse(self.usage, &format!("{name} {text}: {error}")),
        }
    }
}

fn refuse(usage: &str, why: &str) -> ! {
    eprintln!("{why}\n{usage}");
    exit(2);
}
