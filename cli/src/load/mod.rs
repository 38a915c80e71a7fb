//! `ortc load-test`: what a server carries.

mod frame;
mod publisher;
mod run;
mod tally;

pub(crate) use run::LoadTest;
