//! What peers say of a text.

use serde::{Deserialize, Serialize};

use crate::session::Action;

/// The action `x.text`. Bytes are those of Yjs in its first encoding, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Text {
    /// What the sender has, when the channel opens and after it was told something by this peer.
    Have(TextHave),
    /// The sender wants what it has not.
    Want(TextWant),
    /// The answer.
    Kept(Piece),
    /// What the sender has just written.
    Update(Piece),
}

impl Action for Text {
    const NAME: &'static str = "x.text";
}

/// What somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextHave {
    /// A state vector.
    pub vector: String,
    /// FNV-1a of 32 bits over the text's UTF-8: the vector does not tell what was deleted.
    pub sum: u32,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextWant {
    /// What it has, as a state vector.
    pub vector: String,
}

/// An update, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Part of the base64.
    pub data: String,
    /// It goes on in the next message of this kind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}
