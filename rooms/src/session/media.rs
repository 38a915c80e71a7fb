//! Streams that go to all peers of all rooms.

use ortc::MediaStream;

use super::error::{Error, Result};
use super::handle::Session;
use super::kinds::Kinds;
use super::scope::{Scope, local};
use super::stream::StreamOptions;

/// Streams that go to all.
impl Session {
    /// Sends a stream to all peers of all rooms, and to who comes later, with options.
    ///
    /// Adding one again tells the peers of tracks that it got meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Inspector`]; [`Error::Ended`].
    pub fn add_stream_with(
        &self,
        stream: &MediaStream,
        options: impl Into<StreamOptions>,
    ) -> Result<()> {
        let stream = local(stream, options.into());
        self.shared().add_stream(Scope::All, stream)
    }

    /// Sends a stream no longer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`].
    pub fn remove_stream(&self, id: &str) -> Result<()> {
        self.shared().remove_streams(Scope::All, &[id])
    }

    /// Sends these streams no longer, all at once.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`] if one of them is not sent; the others go.
    pub fn detach(&self, ids: &[&str]) -> Result<()> {
        self.shared().remove_streams(Scope::All, ids)
    }

    /// The streams that go to all, by their ids.
    pub fn streams(&self) -> Vec<MediaStream> {
        let state = self.shared().lock();
        let streams = state.streams.iter();
        streams.map(|local| local.stream.clone()).collect()
    }

    /// Silences parts of a stream: nothing of them is sent, and all are told.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`].
    pub fn mute(&self, id: &str, kinds: Kinds) -> Result<()> {
        self.set_mute(id, kinds, true)
    }

    /// Lets them be heard again.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`].
    pub fn unmute(&self, id: &str, kinds: Kinds) -> Result<()> {
        self.set_mute(id, kinds, false)
    }

    fn set_mute(&self, id: &str, kinds: Kinds, on: bool) -> Result<()> {
        let fits = |local: &super::stream::LocalStream| local.is(id);
        match self.shared().mute(Scope::All, fits, kinds, on)? {
            0 => Err(Error::NoSuchStream(id.to_owned())),
            _ => Ok(()),
        }
    }

    /// Silences these parts of all streams that go to all; says how many there are.
    pub fn mute_all(&self, kinds: Kinds) -> usize {
        let muted = self.shared().mute(Scope::All, |_| true, kinds, true);
        muted.unwrap_or(0)
    }

    /// Lets these parts of all of them be heard again.
    pub fn unmute_all(&self, kinds: Kinds) -> usize {
        let muted = self.shared().mute(Scope::All, |_| true, kinds, false);
        muted.unwrap_or(0)
    }
}
