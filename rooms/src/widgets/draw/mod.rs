//! A drawing that all in a room draw at: `x.draw` in `spec/rooms.md`.

mod canvas;
mod drawing;
mod message;
#[cfg(feature = "png")]
mod png;
mod stroke;
#[cfg(test)]
mod tests;

pub use drawing::Drawing;
pub use message::{Clear, Draw, Have, Kept, KeptStroke, Mark, StrokePart, Want};
pub use stroke::{Colour, MAX_POINTS, MAX_STROKES, Point, Stroke, StrokeId};
