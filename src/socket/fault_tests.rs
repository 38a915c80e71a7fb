//! Tasks that end before their time, and foreign code that panics, blocks or comes back (rows G8
//! and G9): what they did ends with a cause, and nobody waits for ever.
#![allow(clippy::unwrap_used)]

mod foreign;
mod support;
mod tasks;
