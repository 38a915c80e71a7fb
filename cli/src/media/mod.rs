//! Media from files and into files, as they are: nothing is encoded or decoded.

mod player;
mod recorder;

pub(crate) use player::{Player, Source};
pub(crate) use recorder::{Recorded, record};
