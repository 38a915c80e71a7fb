//! A desk as its clients see it.

mod calls;
mod guest;
mod resuming;
mod rooms;
mod rules;
mod truth;

use crate::desk::Desk;
use guest::{Guest, arrive, desk};
