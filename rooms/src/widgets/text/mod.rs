//! A text that all in a room edit: `x.text` in `spec/rooms.md`.

mod message;
mod pad;
mod shared;
#[cfg(test)]
mod tests;

pub use message::{Piece, Text, TextHave, TextWant};
pub use pad::{MAX_TEXT, TextChange};
pub use shared::SharedText;
