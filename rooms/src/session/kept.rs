//! Files that are kept for those who come into a room later.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::files::{SendOptions, Source};
use crate::signalling::UserId;

/// What is offered to whoever comes.
pub(super) struct Kept {
    pub(super) source: Arc<Source>,
    pub(super) options: SendOptions,
    pub(super) offered: BTreeSet<UserId>,
}
