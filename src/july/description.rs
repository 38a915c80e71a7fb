//! The descriptions of July's streams and tracks.

// Rows B56 to B58, B61 to B65.

use serde::Serializer;

use crate::connection::description::restrictions::RTCRestrictions;
use crate::error::{Error, Result};
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCTrackDescription, read_ssrc, write_ssrc};

const MAX_ID: usize = 255;

crate::json::wire_object! {
"a stream description: an object with stream-id and tracks", RawStream:
/// July's description of a stream.
///
/// JSON: `{"stream-id":..,"tracks":[..]}`; the draft has no `stream-id`, absent means: one stream
/// without a name.
#[derive(Debug, Clone, Default, PartialEq)]
#[serde(default)]
#[doc(alias = "RTCMediaStreamDescriptionDictionary")]
#[non_exhaustive]
pub struct RTCMediaStreamDescription {
    /// The stream's identity, `msid` of its tracks in September.
    #[serde(rename = "stream-id", skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// The descriptions of its tracks: a dictionary cannot hold live objects.
    pub tracks: Vec<RTCMediaStreamTrackDescription>,
}
}

crate::json::wire_object! {
"the description of a track in a stream", RawStreamTrack:
/// July's description of a track.
///
/// JSON: `{"track-id":..,"socket-id":..,"ssrc":"1234","kind":["audio"],"options":{..}}`; `ssrc`
/// may be a number and `kind` a string.
#[derive(Debug, Clone, PartialEq)]
#[doc(alias = "RTCMediaStreamTrackDescriptionDictionary")]
#[non_exhaustive]
pub struct RTCMediaStreamTrackDescription {
    /// The track's identity.
    #[serde(
        rename = "track-id",
        alias = "trackId",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub track_id: Option<String>,
    /// The socket it goes over; absent or empty: the first.
    #[serde(
        rename = "socket-id",
        alias = "socketId",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub socket_id: Option<String>,
    /// The synchronisation source.
    #[serde(
        default,
        serialize_with = "write_ssrc",
        deserialize_with = "read_ssrc",
        skip_serializing_if = "Option::is_none"
    )]
    pub ssrc: Option<u32>,
    /// What it carries.
    #[serde(serialize_with = "as_sequence")]
    pub kind: Kind,
    /// Its codecs and limits.
    #[serde(default)]
    pub options: RTCRestrictions,
}
}

// Row B64.
/// A sequence, with one element.
fn as_sequence<S: Serializer>(kind: &Kind, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq([kind])
}

impl RTCMediaStreamTrackDescription {
    /// July's view of a track.
    pub fn new(track: &MediaStreamTrack, description: &RTCTrackDescription) -> Self {
        let mut options = RTCRestrictions {
            codecs: description.codecs.clone(),
            ..RTCRestrictions::default()
        };
        let attributes = description
            .media_attributes
            .iter()
            .flatten()
            .next()
            .cloned();
        match description.kind {
            Kind::Video => options.optional.video = attributes,
            Kind::Audio | Kind::Dtmf => options.optional.audio = attributes,
        }
        Self {
            track_id: Some(track.id().to_owned()),
            socket_id: description.socket_id.clone(),
            ssrc: description.ssrc,
            kind: description.kind,
            options,
        }
    }
}

impl RTCMediaStreamDescription {
    /// September's descriptions of the tracks.
    pub fn track_descriptions(&self) -> Vec<RTCTrackDescription> {
        let describe = |track: &RTCMediaStreamTrackDescription| {
            let codecs = track.options.codecs.clone();
            let mut description = RTCTrackDescription::new(track.kind, codecs);
            description.ssrc = track.ssrc;
            description.socket_id.clone_from(&track.socket_id);
            description.msid = self.stream_id.iter().cloned().collect();
            let attributes = track.options.attributes(track.kind);
            description.media_attributes = (!attributes.is_empty()).then_some(attributes);
            description
        };
        self.tracks.iter().map(describe).collect()
    }
}

impl MediaStream {
    // Rows B46, B57.
    /// A local stream with a track for each that is described, with their identities if they have
    /// any. Their codecs and limits take effect once the stream is sent, by
    /// [`RTCConnection::send_stream`](crate::RTCConnection::send_stream) or
    /// [`RTCTrack::set_description`](crate::RTCTrack::set_description); SSRCs are chosen by the
    /// connection.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for an identity that has not 1 to 255 bytes.
    pub fn from_description(description: &RTCMediaStreamDescription) -> Result<Self> {
        let stream = match checked(&description.stream_id)? {
            Some(id) => Self::named(id),
            None => Self::new(),
        };
        for track in &description.tracks {
            let id = checked(&track.track_id)?;
            let track = match (track.kind, id) {
                // Digits travel with an audio track.
                (Kind::Dtmf, _) => continue,
                (kind, Some(id)) => MediaStreamTrack::named(kind, id),
                (Kind::Video, None) => MediaStreamTrack::video(),
                (Kind::Audio, None) => MediaStreamTrack::audio(),
            };
            stream.insert(track);
        }
        Ok(stream)
    }
}

fn checked(id: &Option<String>) -> Result<Option<String>> {
    if id
        .as_ref()
        .is_some_and(|id| id.is_empty() || id.len() > MAX_ID)
    {
        return Err(Error::invalid_parameters(
            "stream-id and track-id have 1 to 255 bytes",
        ));
    }
    Ok(id.clone())
}
