//! The names of the draft of July 2013, as aliases and thin wrappers on the same objects: no second
//! model, and nothing here that the rest of the crate cannot do.
//!
//! That draft has dictionaries with `options` where the one of September has descriptions, streams
//! where it has tracks, and a socket that the application makes. Its methods are beside the others,
//! on [`RTCConnection`], [`RTCTrack`] and [`RTCSocket`]; its types are here. A program that begins
//! anew needs none of them.

mod description;
mod dialect;
mod socket;
mod stream;

pub use description::{RTCMediaStreamDescription, RTCMediaStreamTrackDescription};
pub use dialect::Dialect;
pub use socket::{RTCSocketDescription, RTCSocketEvent, RTCSocketEvents, RTCSocketOptions};
pub use stream::RTCMediaStream;

pub use crate::connection::description::ice_server::RTCSocketServer;
pub use crate::connection::description::restrictions::{RTCMediaLimits, RTCRestrictions};
pub use crate::connection::receiving::stream_event::{RTCStreamEvent, RTCStreamEvents};

use crate::connection::RTCConnection;
use crate::connection::description::side::RTCConnectionSide;
use crate::error::{Error, Result};
use crate::media::sending::RTCTrack;
use crate::media::stream::MediaStream;
use crate::socket::RTCSocket;

// Row C10.
/// July's name for [`RTCTrack`].
pub type RTCMediaStreamTrack = RTCTrack;

// Rows B8, B46, B57.
/// What [`RTCConnection::send_stream`] sends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RTCStreamSource {
    /// A stream with its tracks.
    Stream(MediaStream),
    /// A description: tracks are made for it.
    Description(RTCMediaStreamDescription),
}

impl From<&MediaStream> for RTCStreamSource {
    fn from(stream: &MediaStream) -> Self {
        Self::Stream(stream.clone())
    }
}

impl From<RTCMediaStreamDescription> for RTCStreamSource {
    fn from(description: RTCMediaStreamDescription) -> Self {
        Self::Description(description)
    }
}

// Row G36.
/// July's "local" and "remote".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RTCSide {
    /// What this side owns, and what it is willing to receive.
    Local,
    /// What the peer has told, and what is sent to it.
    Remote,
}

/// July's members of RTCConnection.
impl RTCConnection {
    // Rows B4, C5, C6.
    /// The description of one side: [`local`](Self::local) with its CNAME, or
    /// [`remote`](Self::remote), `None` before it is set.
    #[doc(alias = "getDescription")]
    pub fn description(&self, side: RTCSide) -> Option<RTCConnectionSide> {
        match side {
            RTCSide::Remote => self.remote(),
            RTCSide::Local => {
                let mut local = self.local();
                local.cname = Some(self.shared().lock().engine.media().cname().to_owned());
                Some(local)
            }
        }
    }

    // Rows B5, B19, C6.
    /// Sets the description of one side. Remote: [`set_remote`](Self::set_remote). Local: its cname
    /// replaces the one in use; ICE credentials are fixed at construction
    /// ([`RTCConnectionOptions::description`](crate::RTCConnectionOptions::description)). `None`
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// As `set_remote`; `InvalidParameters` for local credentials other than those in use.
    #[doc(alias = "setDescription")]
    pub fn set_description(
        &self,
        description: Option<RTCConnectionSide>,
        side: RTCSide,
    ) -> Result<()> {
        match (description, side) {
            (None, _) => Ok(()),
            (Some(remote), RTCSide::Remote) => self.set_remote(remote),
            (Some(local), RTCSide::Local) => self.set_local_description(local),
        }
    }

    fn set_local_description(&self, local: RTCConnectionSide) -> Result<()> {
        local.validate()?;
        if local.ice != self.local().ice {
            return Err(Error::invalid_parameters(
                "context-id and secret are fixed at construction",
            ));
        }
        self.shared().open(|state| {
            if let Some(cname) = &local.cname {
                state.engine.media_mut().set_cname(cname.clone());
            }
            Ok(())
        })?;
        for leg in self.legs() {
            let mut side = leg.local();
            side.cname.clone_from(&local.cname);
            leg.set_local_description(side)?;
        }
        Ok(())
    }

    // Rows B6, G36, C7.
    /// The restrictions in force: local, on what is received; remote, on what is sent.
    #[doc(alias = "getOptions")]
    pub fn options(&self, side: RTCSide) -> RTCRestrictions {
        let state = self.shared().lock();
        match side {
            RTCSide::Local => state.receive_restrictions.clone(),
            RTCSide::Remote => state.send_restrictions.clone(),
        }
    }

    // Rows B7, B22 to B24, C7.
    /// Imposes restrictions on tracks that are added (remote) or declared (local) from now on;
    /// `None` lifts them.
    ///
    /// Sent tracks start with the restricted codecs and with the limits as their
    /// `mediaAttributes`. Of received tracks the other codecs are ignored; one with none left, or
    /// that declares more than is required, is refused with `NotSupported`.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a value out of range, or when no encryption is allowed in both
    /// directions; `NotSupported` for an unknown encryption; `InvalidState` for another choice of
    /// encryption after `connect`; `Closed`.
    #[doc(alias = "setOptions")]
    pub fn set_options(&self, options: Option<RTCRestrictions>, side: RTCSide) -> Result<()> {
        let options = options.unwrap_or_default();
        options.validate()?;
        self.shared().open(|state| {
            let (receive, send) = match side {
                RTCSide::Local => (options.clone(), state.send_restrictions.clone()),
                RTCSide::Remote => (state.receive_restrictions.clone(), options.clone()),
            };
            state.restrict(receive, send)
        })?;
        for leg in self.legs() {
            leg.set_options(Some(options.clone()), side)?;
        }
        Ok(())
    }

    // Rows B8, C8.
    /// Sends a stream, given itself or by its description: one that is sent already under this
    /// `stream-id` is changed as described, any other is made with
    /// [`MediaStream::from_description`]. The stream as it is sent.
    ///
    /// # Errors
    ///
    /// As [`add_stream`](Self::add_stream) and [`RTCMediaStream::set_description`].
    #[doc(alias = "sendStream")]
    pub fn send_stream(&self, stream: impl Into<RTCStreamSource>) -> Result<RTCMediaStream> {
        let (stream, description) = match stream.into() {
            RTCStreamSource::Stream(stream) => (stream, None),
            RTCStreamSource::Description(description) => {
                let stream = match self.sent_as(&description) {
                    Some(stream) => stream,
                    None => MediaStream::from_description(&description)?,
                };
                (stream, Some(description))
            }
        };
        self.add_stream(&stream)?;
        let view = RTCMediaStream::new(self, stream);
        if let Some(description) = &description {
            view.take_over(description)?;
        }
        Ok(view)
    }

    // Rows B8, C8.
    /// Stops sending a stream, with BYE, as July's `sendStream(.., false)`. False when it is not
    /// sent.
    ///
    /// # Errors
    ///
    /// As [`remove_stream`](Self::remove_stream).
    #[doc(alias = "sendStream")]
    pub fn stop_sending_stream(&self, stream: impl Into<RTCStreamSource>) -> Result<bool> {
        match stream.into() {
            RTCStreamSource::Stream(stream) => self.remove_stream(&stream),
            RTCStreamSource::Description(description) => match self.sent_as(&description) {
                Some(stream) => self.remove_stream(&stream),
                None => Ok(false),
            },
        }
    }

    /// The stream that is sent under the `stream-id` of a description.
    fn sent_as(&self, description: &RTCMediaStreamDescription) -> Option<MediaStream> {
        let id = description.stream_id.as_deref();
        let mut sent = self.sending_streams().into_iter();
        sent.find(|stream| Some(stream.id()) == id)
    }

    // Rows B9, C8.
    /// Receives every track of a described stream. When a track cannot be received the ones before
    /// it are.
    ///
    /// # Errors
    ///
    /// As [`receive_track`](Self::receive_track).
    #[doc(alias = "receiveStream")]
    pub fn receive_stream(&self, stream: &RTCMediaStreamDescription) -> Result<()> {
        for track in stream.track_descriptions() {
            self.receive_track(track)?;
        }
        Ok(())
    }

    // Rows B9, C8.
    /// Receives none of the tracks of a described stream any more, as July's
    /// `receiveStream(.., false)`.
    ///
    /// # Errors
    ///
    /// As [`stop_receiving`](Self::stop_receiving).
    #[doc(alias = "receiveStream")]
    pub fn stop_receiving_stream(&self, stream: &RTCMediaStreamDescription) -> Result<()> {
        for ssrc in stream.tracks.iter().filter_map(|track| track.ssrc) {
            self.stop_receiving(ssrc)?;
        }
        Ok(())
    }

    // Rows B12, C9, G36.
    /// The streams that are sent, with their descriptions.
    #[doc(alias = "getLocalStreams")]
    pub fn local_streams(&self) -> Vec<RTCMediaStream> {
        self.views(self.sending_streams())
    }

    // Rows B13, C9, G36.
    /// The streams that are received, with their descriptions.
    #[doc(alias = "getRemoteStreams")]
    pub fn remote_streams(&self) -> Vec<RTCMediaStream> {
        self.views(self.receiving_streams())
    }

    fn views(&self, streams: Vec<MediaStream>) -> Vec<RTCMediaStream> {
        let view = |stream| RTCMediaStream::new(self, stream);
        streams.into_iter().map(view).collect()
    }
}

/// July's members of RTCMediaStreamTrack.
impl RTCTrack {
    // Rows B59, C11.
    /// [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn play(&self) -> Result<()> {
        self.start()
    }

    // Rows B60, C11.
    /// [`stop`](Self::stop): no BYE, `play` goes on.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn pause(&self) -> Result<()> {
        self.stop()
    }

    // Row B58.
    /// Takes over codecs and attributes of a description.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when it is of another kind or SSRC; as
    /// [`set_codecs`](Self::set_codecs).
    #[doc(alias = "setDescription")]
    pub fn set_description(&self, description: &RTCMediaStreamTrackDescription) -> Result<()> {
        let other = description.ssrc.is_some() && description.ssrc != Some(self.ssrc()?);
        if other || description.kind != self.kind() {
            return Err(Error::invalid_parameters(
                "the description is of another track",
            ));
        }
        if !description.options.codecs.is_empty() {
            self.set_codecs(description.options.codecs.clone())?;
        }
        self.set_media_attributes(description.options.attributes(description.kind))
    }
}

// Row C3.
/// July's members of RTCSocket that a connection has in September.
impl RTCSocket {
    // Rows B30, C3.
    /// A candidate of the peer of one of the socket's connections: the one whose remote user name
    /// fragment the candidate names, or else the only one, which keeps it until it gets a remote
    /// side of that fragment.
    ///
    /// # Errors
    ///
    /// `InvalidState` when there is no such connection, or several; `UnsupportedTransport` for a
    /// candidate over TCP that was not asked for, `NotSupported` for others that cannot be used here, e.g. a name.
    #[doc(alias = "setRemoteCandidate")]
    pub fn set_remote_candidate(
        &self,
        candidate: &crate::RTCIceCandidateDescription,
    ) -> Result<()> {
        let uses = self.handle.shared.uses();
        let usable = candidate.to_engine_for(uses).map_err(Error::from)?;
        let ufrag = candidate.username_frag.as_deref();
        if self.handle.shared.remote_candidate(ufrag, usable) {
            return Ok(());
        }
        Err(Error::invalid_state(
            "no connection of the socket has this peer, or several and none is named",
        ))
    }
}
