//! What people do together in a room beside talking: each a named message ([`Action`]) that pages
//! and Rust speak alike, bounded, and told to who comes later.
//!
//! [`Action`]: crate::session::Action

mod cursor;
mod draw;
#[cfg(feature = "text")]
mod text;

pub use cursor::{Cursor, CursorPlace, Cursors};
pub use draw::{
    Clear, Colour, Draw, Drawing, Have, Kept, KeptStroke, MAX_POINTS, MAX_STROKES, Mark, Point,
    Stroke, StrokeId, StrokePart, Want,
};
#[cfg(feature = "text")]
pub use text::{MAX_TEXT, Piece, SharedText, Text, TextChange, TextHave, TextWant};
