//! Transfers over a channel in memory.

mod ends;
mod golden;
mod hostile;
mod names;
mod resume;
mod transfers;
