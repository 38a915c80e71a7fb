//! `/compat`: the arrays that the SDK's server spoke, over a WebSocket. Its channels are rooms.

mod record;
mod socket;
mod wire;

pub(crate) use record::record;
pub(crate) use socket::upgrade;
