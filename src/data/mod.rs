//! Data channels (row G40). A channel belongs to a connection and knows it by a trait alone.

pub(crate) mod channel;
pub(crate) mod options;
pub(crate) mod shared;
pub(crate) mod views;
