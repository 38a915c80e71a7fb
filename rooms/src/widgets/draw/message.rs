//! What peers say of a drawing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stroke::{Colour, MAX_POINTS, MAX_STROKES, Point, StrokeId, is_width};
use crate::session::Action;
use crate::signalling::UserId;

/// The action `x.draw`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Draw {
    /// A piece of a stroke of the sender's.
    Stroke(StrokePart),
    /// A stroke of the sender's is taken back.
    Erase(StrokeId),
    /// All up to a number is gone, whosever it is.
    Clear(Clear),
    /// What the sender has, when the channel opens and when it has learnt of its own strokes.
    Have(Have),
    /// The sender wants all strokes of these users.
    Want(Want),
    /// The answer, in as many messages as it takes.
    Kept(Kept),
}

impl Action for Draw {
    const NAME: &'static str = "x.draw";
}

/// A piece of a stroke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrokePart {
    /// Which stroke.
    #[serde(flatten)]
    pub id: StrokeId,
    /// Its colour.
    pub colour: Colour,
    /// Its line's width: 65535 is the canvas's.
    pub width: u16,
    /// The number of the first point of this piece.
    pub at: usize,
    /// x and y of each point, one behind the other.
    pub points: Vec<u16>,
}

/// All up to a number is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clear {
    /// Strokes with this number and lesser ones.
    pub n: u64,
}

/// How many strokes of a user somebody has, and a sum over them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(pub u32, pub u32);

/// What somebody has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// What was cleared last; 0 for nothing.
    pub clear: u64,
    /// Of each who drew.
    pub by: BTreeMap<UserId, Mark>,
}

/// Whose strokes are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Users.
    pub by: Vec<UserId>,
}

/// Strokes that were wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// As they are now.
    pub strokes: Vec<KeptStroke>,
    /// No more follow.
    pub last: bool,
}

/// A stroke, or that it was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum KeptStroke {
    /// All that is there of it.
    Stroke(StrokePart),
    /// It was taken back.
    Erased {
        /// Which.
        #[serde(flatten)]
        id: StrokeId,
        /// True.
        erased: bool,
    },
}

impl StrokePart {
    /// Its points; `None` if it is no piece of a stroke that may be.
    pub(super) fn read(&self) -> Option<Vec<Option<Point>>> {
        let pairs = self.points.as_chunks::<2>();
        let end = self.at.checked_add(pairs.0.len())?;
        let right = pairs.1.is_empty() && !pairs.0.is_empty();
        if !right || end > MAX_POINTS || !is_width(self.width) {
            return None;
        }
        let mut points = vec![None; self.at];
        points.extend(pairs.0.iter().map(|&[x, y]| Some(Point { x, y })));
        Some(points)
    }
}

impl Have {
    /// Not more than there can be.
    pub(super) fn is_bounded(&self) -> bool {
        self.by.len() <= MAX_STROKES
    }
}
