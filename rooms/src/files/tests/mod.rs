//! Transfers over a channel in memory.

mod disks;
mod ends;
mod golden;
mod hostile;
mod names;
mod passed;
mod resume;
mod transfers;
