//! A desk as its clients see it.

mod calls;
mod guest;
mod resuming;
mod rooms;

use guest::{Guest, arrive, desk};
