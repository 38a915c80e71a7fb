//! A drawing as a picture.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke as Line, Transform,
};

use super::drawing::Drawing;
use super::stroke::{Point, Stroke};
use crate::session::{Error, Result};

/// Pixels of a side at most.
const MAX_SIDE: u32 = 8192;

impl Drawing {
    /// The drawing on white as PNG, in pixels; 4 to 3 is what pages show.
    ///
    /// # Errors
    ///
    /// [`Error::Form`] for a side of 0 or of more than 8192.
    pub fn to_png(&self, width: u32, height: u32) -> Result<Vec<u8>> {
        picture(self.strokes(), width, height)
    }
}

pub(super) fn picture(
    strokes: impl Iterator<Item = Stroke>,
    width: u32,
    height: u32,
) -> Result<Vec<u8>> {
    let no_size = || Error::Form(format!("no picture has {width} by {height} pixels"));
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(no_size());
    }
    let mut picture = Pixmap::new(width, height).ok_or_else(no_size)?;
    picture.fill(tiny_skia::Color::WHITE);
    for stroke in strokes {
        draw(&mut picture, &stroke);
    }
    let png = picture.encode_png();
    png.map_err(|error| Error::Form(error.to_string()))
}

#[allow(clippy::cast_precision_loss)]
fn draw(picture: &mut Pixmap, stroke: &Stroke) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let place = |point: &Point| {
        let part = |at: u16, of: f32| f32::from(at) / 65_535.0 * of;
        (part(point.x, width), part(point.y, height))
    };
    let mut paint = Paint::default();
    let colour = stroke.colour;
    paint.set_color_rgba8(colour.red, colour.green, colour.blue, 255);
    let line = Line {
        width: (f32::from(stroke.width) / 65_535.0 * width).max(1.0),
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        ..Line::default()
    };
    let mut path = PathBuilder::new();
    match stroke.points.as_slice() {
        [] => return,
        [dot] => {
            let (x, y) = place(dot);
            path.push_circle(x, y, line.width / 2.0);
            if let Some(path) = path.finish() {
                picture.fill_path(
                    &path,
                    &paint,
                    FillRule::Winding,
                    Transform::identity(),
                    None,
                );
            }
            return;
        }
        [first, rest @ ..] => {
            let (x, y) = place(first);
            path.move_to(x, y);
            for point in rest {
                let (x, y) = place(point);
                path.line_to(x, y);
            }
        }
    }
    if let Some(path) = path.finish() {
        picture.stroke_path(&path, &paint, &line, Transform::identity(), None);
    }
}
