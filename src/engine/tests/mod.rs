//! Whole engines against each other on the simulated network, on virtual time.

mod bottleneck;
mod channels;
mod closing;
mod consent;
mod crowd;
mod data;
mod forward;
mod gunk;
mod half_open;
mod hostile;
mod identity;
mod insider;
mod legality;
mod log;
mod many;
mod media;
mod nat;
mod on_path;
mod padding;
mod rebinding;
mod redundancy;
mod repair;
mod rollover;
mod setup;
mod sleep;
mod soak;
mod turnover;
mod unknown_flood;

use super::harness;
