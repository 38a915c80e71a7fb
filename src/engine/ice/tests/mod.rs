//! Two agents on a virtual clock and a network that loses, delays and doubles.

mod hostile;
mod life;
mod limits;
mod links;
mod net;
mod question;
mod rtc_ice_faults;
mod setup;
mod wire;
