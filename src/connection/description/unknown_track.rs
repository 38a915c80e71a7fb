//! What can be said of a source that nobody declared.

use crate::media::{Kind, RTCCodec, RTCTrackDescription};
use crate::rtp::HeaderExtensionValue;

/// A source that no `receive_track` declared, as its first packet shows it.
///
/// Two ways to identify it without any signalling of SSRCs: a header extension value that both
/// sides agreed on ([`header_extension`](Self::header_extension)), or `mid`. To receive it, pass
/// [`description`](Self::description) to [`receive_track`](crate::RTCConnection::receive_track);
/// its first packets are not lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTrack {
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload type of the first packet.
    pub payload_type: u8,
    /// A guess at what it carries, by the payload type: as this connection's tracks use it, or as
    /// RFC 3551 assigns it. `None`: no idea.
    pub kind: Option<Kind>,
    /// The media identification (RFC 9143), if the extension is in the connection's
    /// `header_extensions`.
    pub mid: Option<String>,
    /// The RTP stream identifier (RFC 8852), likewise.
    pub rid: Option<String>,
    /// Contributing sources.
    pub csrcs: Vec<u32>,
    /// All header extension elements of the first packet, in the order they came; the
    /// first 64.
    #[doc(alias = "rtpExtHeaders")]
    pub header_extension_values: Vec<HeaderExtensionValue>,
}

impl UnknownTrack {
    /// The value of the header extension with this URI.
    pub fn header_extension(&self, uri: &str) -> Option<&[u8]> {
        self.header_extension_values
            .iter()
            .find(|header| header.uri.as_deref() == Some(uri))
            .map(|header| header.value.as_ref())
    }

    /// A description that receives exactly this source, with these codecs.
    pub fn description(
        &self,
        kind: Kind,
        codecs: impl IntoIterator<Item = RTCCodec>,
    ) -> RTCTrackDescription {
        let mut description = RTCTrackDescription::new(kind, codecs.into_iter().collect());
        description.ssrc = Some(self.ssrc);
        description
    }
}
