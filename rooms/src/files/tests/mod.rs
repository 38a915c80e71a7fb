//! Transfers over a channel in memory.

mod disks;
mod ends;
mod golden;
mod hostile;
mod names;
mod resume;
mod transfers;
