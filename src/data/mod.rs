//! Data channels. A channel belongs to a connection and knows it by a trait alone.

// Row G40.

pub(crate) mod channel;
pub(crate) mod options;
pub(crate) mod shared;
pub(crate) mod views;
