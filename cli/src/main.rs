//! The command `ortc`.

fn main() {}
