//! Strokes: their names, colours and points.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::signalling::UserId;

/// Points of one stroke at most; who draws on begins another.
pub const MAX_POINTS: usize = 512;
/// Strokes of a drawing at most, those taken back among them; the oldest go first.
pub const MAX_STROKES: usize = 1000;
/// The widest pen.
const MAX_WIDTH: u16 = 6553;

/// Which stroke: whose, and its number. The later of two has the greater number, whoever drew it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StrokeId {
    /// Milliseconds since 1970 when it was begun, or one more than the greatest known.
    pub n: u64,
    /// Who drew it.
    pub by: UserId,
}

/// A place on the canvas: 0 is left and top, 65535 right and bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// From the left.
    pub x: u16,
    /// From the top.
    pub y: u16,
}

/// A colour, `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour {
    /// 0 to 255.
    pub red: u8,
    /// 0 to 255.
    pub green: u8,
    /// 0 to 255.
    pub blue: u8,
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a colour is #rrggbb".to_owned();
        let hex = text.strip_prefix('#').ok_or_else(wrong)?;
        if hex.len() != 6 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let [_, red, green, blue] = u32::from_str_radix(hex, 16)
            .map_err(|_| wrong())?
            .to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// What is known of a stroke. Two sides that know the same pieces, in whatever order they came,
/// know the same stroke: of two values of one thing the greater holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) colour: Colour,
    pub(super) width: u16,
    /// By their number: what is between may be on its way.
    pub(super) points: Vec<Option<Point>>,
}

impl Known {
    /// True if it brought something.
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        let before = (self.colour, self.width);
        self.colour = self.colour.max(other.colour);
        self.width = self.width.max(other.width);
        let mut changed = before != (self.colour, self.width);
        if self.points.len() < other.points.len() {
            self.points.resize(other.points.len(), None);
        }
        for (own, point) in self.points.iter_mut().zip(&other.points) {
            if *own < *point {
                *own = *point;
                changed = true;
            }
        }
        changed
    }

    /// Up to the first that is not there yet.
    pub(super) fn path(&self) -> impl Iterator<Item = Point> + '_ {
        self.points.iter().map_while(|point| *point)
    }

    pub(super) fn count(&self) -> usize {
        self.points.iter().flatten().count()
    }
}

/// Whether a pen may be so wide.
pub(super) fn is_width(width: u16) -> bool {
    (1..=MAX_WIDTH).contains(&width)
}

/// A stroke as it is to be shown: a line with round ends and corners, a dot if it has one point.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stroke {
    /// Which.
    pub id: StrokeId,
    /// Its colour.
    pub colour: Colour,
    /// How wide its line is: 65535 is the canvas's width.
    pub width: u16,
    /// What it goes through.
    pub points: Vec<Point>,
}
