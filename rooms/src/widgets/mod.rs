//! What people do together in a room beside talking: each a named message ([`Action`]) that pages
//! and Rust speak alike, bounded, and told to who comes later.
//!
//! [`Action`]: crate::session::Action

mod draw;

pub use draw::{
    Clear, Colour, Draw, Drawing, Have, Kept, KeptStroke, MAX_POINTS, MAX_STROKES, Mark, Point,
    Stroke, StrokeId, StrokePart, Want,
};
