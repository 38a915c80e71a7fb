//! Streams: of this side, as they are sent to one peer, and received.

use std::collections::BTreeMap;

use ortc::{Kind, MediaStream, MediaStreamTrack, RTCCodec, RTCTrackDescription};

use super::begun::Begun;
use super::body::{Source, StreamInfo};
use super::kinds::Kinds;
use crate::signalling::{Extra, SessionKind, UserId};

/// How a stream is sent.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StreamOptions {
    /// It shows a screen.
    pub screen: bool,
    /// Nothing is expected in return.
    pub oneway: bool,
    /// What the receivers are told of it.
    pub extra: Extra,
    /// The codecs of its tracks, in order of preference; of a kind that is not listed the usual.
    pub codecs: Vec<RTCCodec>,
}

/// Sent one way: nothing is expected in return.
#[derive(Debug, Clone, Copy)]
pub struct OneWay;

/// A screen.
#[derive(Debug, Clone, Copy)]
pub struct Screen;

impl From<()> for StreamOptions {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<OneWay> for StreamOptions {
    fn from(_: OneWay) -> Self {
        Self {
            oneway: true,
            ..Self::default()
        }
    }
}

impl From<Screen> for StreamOptions {
    fn from(_: Screen) -> Self {
        Self {
            screen: true,
            ..Self::default()
        }
    }
}

impl StreamOptions {
    /// With these codecs.
    pub fn codecs(codecs: impl IntoIterator<Item = RTCCodec>) -> Self {
        Self {
            codecs: codecs.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// A stream of this side.
#[derive(Debug, Clone)]
pub(super) struct LocalStream {
    pub(super) stream: MediaStream,
    pub(super) options: StreamOptions,
    pub(super) muted: Kinds,
    /// Of a stream that a hub sends on: whose it is.
    pub(super) passed: Option<Passed>,
    /// Those whom a hub is to send it to; absent: all.
    pub(super) to: Option<Vec<UserId>>,
}

/// What a hub tells of a stream that it sends on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Passed {
    pub(super) of: UserId,
    pub(super) original: String,
    pub(super) session: SessionKind,
}

impl LocalStream {
    pub(super) fn new(stream: &MediaStream, options: StreamOptions) -> Self {
        Self {
            stream: stream.clone(),
            options,
            muted: Kinds::NONE,
            passed: None,
            to: None,
        }
    }

    /// As a peer is told of it.
    pub(super) fn info(&self) -> StreamInfo {
        let id = self.stream.id().to_owned();
        let passed = self.passed.as_ref();
        let original = passed.map(|passed| passed.original.clone());
        StreamInfo {
            session: self.session(),
            extra: self.options.extra.clone(),
            of: passed.map(|passed| passed.of.clone()),
            original: original.filter(|original| *original != id),
            to: self.to.clone(),
            id,
        }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.stream.id() == id
    }

    /// What it carries.
    pub(super) fn session(&self) -> SessionKind {
        if let Some(passed) = &self.passed {
            return passed.session;
        }
        let tracks = self.stream.tracks();
        let has = |kind| tracks.iter().any(|track| track.kind() == kind);
        let options = &self.options;
        SessionKind {
            audio: has(Kind::Audio),
            video: has(Kind::Video) && !options.screen,
            screen: options.screen,
            oneway: options.oneway,
            ..SessionKind::default()
        }
    }
}

/// Tracks of one peer that are received, and of a hub, which sends those of all.
pub(super) const MAX_TRACKS: usize = 64;
pub(super) const MAX_HUB_TRACKS: usize = 2048;

/// A stream as it is sent to one peer.
pub(super) struct SentStream {
    pub(super) local: LocalStream,
    /// The peer does not want these at the moment.
    pub(super) paused: Kinds,
    /// What was told of its tracks, by the track's id.
    pub(super) told: BTreeMap<String, RTCTrackDescription>,
    /// What was told of the stream.
    pub(super) info: Option<StreamInfo>,
}

/// A track of a peer.
#[derive(Clone)]
pub(super) struct ReceivedTrack {
    /// The stream's id on the wire.
    pub(super) stream: String,
    /// Whose it is, if it came by a hub.
    pub(super) of: Option<UserId>,
    /// The stream's id as its user has it.
    pub(super) shown: String,
    pub(super) session: SessionKind,
    pub(super) source: Option<Source>,
    pub(super) track: MediaStreamTrack,
    pub(super) begun: Begun,
}
