//! What the payload types and header extensions of a source are called where it is forwarded to.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::media::{CodecId, RTCCodec, same_format, same_name};
use crate::rtp::{
    ABS_SEND_TIME, DEPENDENCY_DESCRIPTOR, ExtensionMap, MID, REPAIRED_RID, RID, RTCHeaderExtension,
    TRANSPORT_CC,
};

/// Header extensions of a packet that go on.
const MAX_EXTENSIONS: usize = 6;

/// What those who forward a source must know of it, as long as that is so.
#[derive(Debug)]
pub(crate) struct SourceFacts {
    /// Another for each change, and for each source.
    pub(crate) version: u64,
    pub(crate) codecs: Vec<RTCCodec>,
    pub(crate) extensions: ExtensionMap,
    /// The identifier of the dependency descriptor.
    pub(crate) descriptor: Option<u8>,
}

impl SourceFacts {
    pub(crate) fn new(codecs: Vec<RTCCodec>, extensions: ExtensionMap) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(1);
        Self {
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
            codecs,
            descriptor: extensions.id(DEPENDENCY_DESCRIPTOR),
            extensions,
        }
    }

    pub(crate) fn codec(&self, payload_type: u8) -> Option<&RTCCodec> {
        let mut codecs = self.codecs.iter();
        codecs.find(|codec| codec.payload_type == payload_type)
    }
}

/// Whether packets of a codec go on as they are. Retransmissions and redundancy end here, each
/// receiver has its own.
pub(crate) fn forwardable(codec: &RTCCodec) -> bool {
    let extra = matches!(codec.id(), Some(CodecId::Dtmf | CodecId::ComfortNoise));
    extra || codec.facts().is_some_and(|facts| facts.is_primary)
}

/// The codec of a list that packets of this one can be sent as.
pub(crate) fn matching<'a>(codec: &RTCCodec, list: &'a [RTCCodec]) -> Option<&'a RTCCodec> {
    let fits = |own: &&RTCCodec| same_name(own, codec) && same_format(own, codec);
    let mut same = list.iter().filter(fits);
    same.next()
}

/// Refuses to forward with codecs of which none is the source's.
pub(crate) fn check_codecs(source: &[RTCCodec], codecs: &[RTCCodec]) -> Result<()> {
    let media = |codec: &&RTCCodec| {
        forwardable(codec) && codec.facts().is_some_and(|facts| facts.is_primary)
    };
    let mut media = source.iter().filter(media).peekable();
    if media.peek().is_none() || media.any(|codec| matching(codec, codecs).is_some()) {
        return Ok(());
    }
    Err(Error::unsupported_codec(
        "what is forwarded is of none of them, or with other parameters",
    ))
}

/// From the names of a source to those of a receiver.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    /// What it is of: versions of the source and of the receiver's header extensions.
    of: (u64, u32),
    payload_types: Vec<(u8, u8)>,
    extensions: Vec<(u8, u8)>,
}

impl Mapping {
    /// Whether it still holds.
    pub(crate) fn is_of(&self, source: u64, receiver: u32) -> bool {
        self.of == (source, receiver)
    }

    pub(crate) fn new(
        source: &SourceFacts,
        codecs: &[RTCCodec],
        extensions: &ExtensionMap,
        version: u32,
    ) -> Self {
        let codecs_of_source = source.codecs.iter().filter(|codec| forwardable(codec));
        let payload_types = codecs_of_source.filter_map(|codec| {
            let to = matching(codec, codecs)?;
            Some((codec.payload_type, to.payload_type))
        });
        let elements = source.extensions.entries().iter();
        let extensions = elements.filter(|entry| !is_own(entry)).filter_map(|entry| {
            let to = extensions.id(&entry.uri)?;
            Some((entry.id, to))
        });
        Self {
            of: (source.version, version),
            payload_types: payload_types.collect(),
            extensions: extensions.take(MAX_EXTENSIONS).collect(),
        }
    }

    pub(crate) fn payload_type(&self, of_source: u8) -> Option<u8> {
        let mut known = self.payload_types.iter();
        known
            .find(|(from, _)| *from == of_source)
            .map(|(_, to)| *to)
    }

    /// Identifiers at the source, and at the receiver.
    pub(crate) fn extensions(&self) -> &[(u8, u8)] {
        &self.extensions
    }
}

/// What says something of one connection alone.
fn is_own(extension: &RTCHeaderExtension) -> bool {
    const OWN: [&str; 5] = [MID, RID, REPAIRED_RID, ABS_SEND_TIME, TRANSPORT_CC];
    OWN.contains(&extension.uri.as_str())
}
