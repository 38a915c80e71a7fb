//! DTMFMediaStreamTrack: digits to play, or digits received (rows A89 to A100, A104).

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::tone::{self, DTMFTone, DTMFTones, MAX_STEPS, Step};
use crate::error::{Error, Result};
use crate::media::Kind;
use crate::media::track::{MediaStreamTrack, Source};
use crate::queue::{Queue, lock};

/// Three events for each tone of a full play buffer; when full the oldest is dropped.
const MAX_WAITING_EVENTS: usize = 3 * MAX_STEPS;

/// What happens to the digits of a track, sent or received. For each digit the order is
/// `ToneStart`, `ToneStop`, `Tone` (row G31).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DTMFEvent {
    /// A tone has started (draft `tonestart`, row A98).
    ToneStart {
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
    },
    /// A tone has stopped (draft `tonestop`, row A99).
    ToneStop {
        /// As in its `ToneStart`.
        digit: char,
    },
    /// A digit is complete (draft `tone`, row A100), with how long it sounded in fact.
    Tone(DTMFTone),
}

/// A track of telephone digits (draft `DTMFMediaStreamTrack`), a [`MediaStreamTrack`] of kind
/// `dtmf`. Cloning gives another handle to the same track.
///
/// Its digits travel in the packets of an audio track, with that track's SSRC (RFC 4733): add it
/// to a [`MediaStream`](crate::MediaStream) with [`add_track`](crate::MediaStream::add_track). On
/// a connection that sends the stream it joins the stream's audio track, or else the first audio
/// track of the connection, whose codecs then hold the codec `dtmf` (row G23). Digits wait until
/// the connection is connected, and the audio goes on beside them.
///
/// One is received when the description given to
/// [`receive_track`](crate::RTCConnection::receive_track) has the codec `dtmf`: see
/// [`MediaStream::dtmf_tracks`](crate::MediaStream::dtmf_tracks).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DTMFMediaStreamTrack {
    track: MediaStreamTrack,
}

/// What a DTMF track has instead of media.
pub(crate) struct DtmfEnd {
    remote: bool,
    /// Where the tones are played.
    pub(crate) source: Source,
    /// What was asked for while the track was not sent anywhere.
    backlog: Mutex<Vec<Command>>,
    events: Queue<DTMFEvent>,
}

/// A verb on its way to the connections that send the track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Play(Vec<Step>),
    Flush,
    ToneStart(u8),
    ToneStop,
}

impl DTMFMediaStreamTrack {
    /// A new track to send digits with (row A90).
    pub fn new() -> Self {
        Self::make(false)
    }

    /// The digits of a track that the peer sends.
    pub(crate) fn remote() -> Self {
        Self::make(true)
    }

    fn make(remote: bool) -> Self {
        let end = DtmfEnd {
            remote,
            source: Source::default(),
            backlog: Mutex::default(),
            events: Queue::new(MAX_WAITING_EVENTS),
        };
        Self {
            track: MediaStreamTrack::with_dtmf(Arc::new(end)),
        }
    }

    /// Adds tones to the play buffer (rows A91 to A93, G30): a string of digits with 100 ms each
    /// and 70 ms between them, a [`DTMFTone`], or several. What is there already is played first.
    ///
    /// A track that no connection sends yet keeps them until one does.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidCharacter`](crate::Misuse::InvalidCharacter) for anything but digits and
    /// commas, and `InvalidState` when the buffer would hold more than 1,024 tones: nothing is
    /// added then. `InvalidState` on a received track (row A104). `Closed` when every connection
    /// that sends the track is closed.
    pub fn play(&self, tones: impl Into<DTMFTones>) -> Result<()> {
        self.check_local()?;
        self.command(Command::Play(tones.into().steps()?))
    }

    /// Ends the tone that sounds at once, and empties the play buffer; a key that is down goes up
    /// (rows A94, G30).
    ///
    /// # Errors
    ///
    /// `InvalidState` on a received track; `Closed`.
    pub fn flush(&self) -> Result<()> {
        self.check_local()?;
        self.command(Command::Flush)
    }

    /// Presses a key: its tone sounds once the play buffer is played (rows A95, A96), for 40 ms at
    /// least, until [`tonestop`](Self::tonestop). A key that is still down goes up first.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidCharacter`](crate::Misuse::InvalidCharacter) for anything but a digit;
    /// `InvalidState` on a received track, or when the buffer is full; `Closed`.
    pub fn tonestart(&self, digit: char) -> Result<()> {
        self.check_local()?;
        self.command(Command::ToneStart(tone::parse_digit(digit)?))
    }

    /// Releases the key (row A97); does nothing when none is down. A key that is released while
    /// the play buffer still sounds is played afterwards, for as long as it was down.
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
    /// Cancel-safe. At most 3,072 events wait; then the oldest is dropped.
    pub async fn next_event(&self) -> Option<DTMFEvent> {
        match self.track.dtmf_end() {
            Some(end) => end.events.pop().await,
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

impl DtmfEnd {
    pub(crate) fn is_remote(&self) -> bool {
        self.remote
    }

    pub(crate) fn emit(&self, event: DTMFEvent) {
        self.events.push(event);
    }

    pub(crate) fn close(&self) {
        self.events.close();
    }

    fn command(&self, command: Command) -> Result<()> {
        let (mut served, mut closed) = (false, None);
        let result = self.source.for_each_sink(|sink, key| {
            match sink.play_dtmf(key, &command) {
                // One connection of several may be over.
                Err(error @ Error::Closed(_)) => closed = Some(error),
                other => {
                    served = true;
                    return other;
                }
            }
            Ok(())
        });
        match closed {
            _ if served => result,
            Some(error) => Err(error),
            None => self.keep(command),
        }
    }

    fn keep(&self, command: Command) -> Result<()> {
        let mut backlog = lock(&self.backlog);
        if command == Command::Flush {
            backlog.clear();
            return Ok(());
        }
        let size = |command: &Command| match command {
            Command::Play(steps) => steps.len(),
            _ => 1,
        };
        let held: usize = backlog.iter().map(size).sum();
        if held.saturating_add(size(&command)) > MAX_STEPS {
            return Err(tone::buffer_full());
        }
        backlog.push(command);
        Ok(())
    }

    /// What was asked for before the track was sent anywhere.
    pub(crate) fn take_backlog(&self) -> Vec<Command> {
        std::mem::take(&mut lock(&self.backlog))
    }
}
