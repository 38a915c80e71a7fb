//! What a connection has done so far, under the names and units of the W3C's statistics.

mod clock;
mod collect;
mod collect_data;
mod collect_drops;
mod collect_rtp;
pub(crate) mod data;
pub(crate) mod drops;
pub(crate) mod ice;
pub(crate) mod identity;
pub(crate) mod rtp;
pub(crate) mod socket;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(crate) mod transport;
