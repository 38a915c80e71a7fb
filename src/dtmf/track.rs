//! DTMFMediaStreamTrack: digits to play, or digits received.

// Rows A89 to A100, A104.

use std::ops::Deref;
use std::sync::Arc;

use super::command::Command;
use super::end::DtmfEnd;
use super::event::DTMFEvent;
use super::tone::{self, DTMFTones};
use crate::error::{Error, Result};
use crate::media::Kind;
use crate::media::track::MediaStreamTrack;

// Row G23.
/// A track of telephone digits (draft `DTMFMediaStreamTrack`), a [`MediaStreamTrack`] of kind
/// `dtmf`. Cloning gives another handle to the same track.
///
/// Its digits travel in the packets of an audio track, with that track's SSRC (RFC 4733): add it to
/// a [`MediaStream`](crate::MediaStream) with [`add_track`](crate::MediaStream::add_track). On a
/// connection that sends the stream it joins the stream's audio track, or else the first audio
/// track of the connection, whose codecs then hold the codec `dtmf`. Digits wait until the
/// connection is connected, and the audio goes on beside them.
///
/// One is received when the description given to
/// [`receive_track`](crate::RTCConnection::receive_track) has the codec `dtmf`: see
/// [`MediaStream::dtmf_tracks`](crate::MediaStream::dtmf_tracks).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DTMFMediaStreamTrack {
    track: MediaStreamTrack,
}

impl DTMFMediaStreamTrack {
    // Row A90.
    /// A new track to send digits with.
    pub fn new() -> Self {
        Self::make(false)
    }

    /// The digits of a track that the peer sends.
    pub(crate) fn remote() -> Self {
        Self::make(true)
    }

    fn make(remote: bool) -> Self {
        Self {
            track: MediaStreamTrack::with_dtmf(Arc::new(DtmfEnd::new(remote))),
        }
    }

    // Rows A91 to A93, G30, A104.
    /// Adds tones to the play buffer: a string of digits with 100 ms each and 70 ms between them, a
    /// [`DTMFTone`](crate::dtmf::DTMFTone), or several. What is there already is played first.
    ///
    /// A track that no connection sends yet keeps them until one does.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidCharacter`](crate::Misuse::InvalidCharacter) for anything but digits and
    /// commas, and `InvalidState` when the buffer would hold more than 1,024 tones: nothing is
    /// added then. `InvalidState` on a received track. `Closed` when every connection that sends
    /// the track is closed.
    pub fn play(&self, tones: impl Into<DTMFTones>) -> Result<()> {
        self.check_local()?;
        self.command(Command::Play(tones.into().steps()?))
    }

    // Rows A94, G30.
    /// Ends the tone that sounds at once, and empties the play buffer; a key that is down goes up.
    ///
    /// # Errors
    ///
    /// `InvalidState` on a received track; `Closed`.
    pub fn flush(&self) -> Result<()> {
        self.check_local()?;
        self.command(Command::Flush)
    }

    // Rows A95, A96.
    /// Presses a key: its tone sounds once the play buffer is played, for 40 ms at least, until
    /// [`tonestop`](Self::tonestop). A key that is still down goes up first.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidCharacter`](crate::Misuse::InvalidCharacter) for anything but a digit;
    /// `InvalidState` on a received track, or when the buffer is full; `Closed`.
    pub fn tonestart(&self, digit: char) -> Result<()> {
        self.check_local()?;
        self.command(Command::ToneStart(tone::parse_digit(digit)?))
    }

    // Row A97.
    /// Releases the key; does nothing when none is down. A key that is released while the play
    /// buffer still sounds is played afterwards, for as long as it was down.
    ///
    /// # Errors
    ///
    /// `InvalidState` on a received track; `Closed`.
    pub fn tonestop(&self) -> Result<()> {
        self.check_local()?;
        self.command(Command::ToneStop)
    }

    /// The next event; waits for it. `None` once a received track has ended. A track that several
    /// connections send has the events of each.
    ///
    /// A track to send with does not end, since another connection may send it later: what a closed
    /// connection has not played has no events, so wait for
    /// [`RTCConnection::closed`](crate::RTCConnection::closed) as well.
    ///
    /// Cancel-safe. At most 3,072 events wait; then the oldest is dropped.
    pub async fn next_event(&self) -> Option<DTMFEvent> {
        match self.track.dtmf_end() {
            Some(end) => end.next_event().await,
            None => None,
        }
    }

    fn check_local(&self) -> Result<()> {
        if self.track.is_remote() {
            return Err(Error::invalid_state(
                "digits are played on local tracks; this one comes from the peer",
            ));
        }
        Ok(())
    }

    fn command(&self, command: Command) -> Result<()> {
        match self.track.dtmf_end() {
            Some(end) => end.command(command),
            None => Ok(()),
        }
    }
}

impl Default for DTMFMediaStreamTrack {
    fn default() -> Self {
        Self::new()
    }
}

/// All that a [`MediaStreamTrack`] can do.
impl Deref for DTMFMediaStreamTrack {
    type Target = MediaStreamTrack;

    fn deref(&self) -> &MediaStreamTrack {
        &self.track
    }
}

impl MediaStreamTrack {
    /// The same track as a [`DTMFMediaStreamTrack`], if it is of kind `dtmf`.
    pub fn as_dtmf(&self) -> Option<DTMFMediaStreamTrack> {
        (self.kind() == Kind::Dtmf).then(|| DTMFMediaStreamTrack {
            track: self.clone(),
        })
    }
}
