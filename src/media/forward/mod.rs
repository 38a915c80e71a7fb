//! What forwarding a received track needs to know: numbers, payload types, header extensions. No
//! locks, no connections.

mod mapping;
mod rewrite;
#[cfg(test)]
mod rewrite_tests;
pub(crate) mod selector;
mod thinned;

pub(crate) use mapping::{Mapping, SourceFacts, check_codecs, forwardable};
pub(crate) use rewrite::{Place, Rewriter, ticks};
pub(crate) use selector::{
    DefaultLayerSelector, ForwardConditions, ForwardLayer, LayerSelector, MUCH_LOSS,
};
