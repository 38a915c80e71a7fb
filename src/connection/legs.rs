//! Several sockets for one connection. Each socket has ICE, DTLS and RTP of its own: a leg. The
//! first leg is the connection itself; tracks go over the one they are put on.

// Rows B10, B11, B62, C2, C4.

use std::sync::{Arc, Mutex};

use super::core::setup;
use super::{Handle, RTCConnection};
use crate::dtmf::Command;
use crate::error::{Error, Result};
use crate::locks::{Rank, lock_at};
use crate::media::Kind;
use crate::media::sending::RTCTrack;
use crate::media::stream::{MediaStream, StreamWatcher};
use crate::media::track::MediaStreamTrack;
use crate::socket::RTCSocket;

/// Sockets of one connection.
const MAX_SOCKETS: usize = 16;

/// Further sockets.
impl RTCConnection {
    // Rows B10, C2.
    /// Uses a further socket, and gives the connection as it is over that socket: a leg. Each leg
    /// has a side of its own, with a `socket-id`, that goes to the peer, and gets one of the peer's
    /// by [`set_remote`](Self::set_remote); then [`connect`](Self::connect) on either connects it.
    ///
    /// Events of the leg come with those of the connection, see
    /// [`RTCConnectionEvent::Socket`](crate::RTCConnectionEvent::Socket). What the peer says of its sockets finds its leg by the
    /// peer's `socket-id`: [`set_remote_candidate`](Self::set_remote_candidate),
    /// [`receive_track`](Self::receive_track). Tracks go over the first socket unless they are put
    /// on another: by adding their stream to the leg, or with
    /// [`set_track_socket`](Self::set_track_socket). The connection is connected when all sockets
    /// that carry tracks are. Closing it closes all legs; closing a leg closes that one.
    ///
    /// A socket that is used already gives the leg that is there.
    ///
    /// # Errors
    ///
    /// `InvalidState` on a leg, for a closed socket and for more than 16 sockets; `Closed`.
    #[doc(alias = "addSocket")]
    pub fn add_socket(&self, socket: &RTCSocket) -> Result<Self> {
        if let Some(known) = self.leg(socket) {
            return Ok(known);
        }
        let shared = self.shared();
        if shared.events.socket_id().is_some() {
            return Err(Error::invalid_state("a leg has one socket"));
        }
        let mut legs = lock_at(Rank::Legs, &self.handle.legs);
        legs.retain(|leg| leg.shared().lock().over().is_none());
        if legs.len() + 1 >= MAX_SOCKETS {
            return Err(Error::invalid_state("a connection has at most 16 sockets"));
        }
        let (cname, receive, send, watch) = shared.open(|state| {
            Ok((
                state.engine.media().cname().to_owned(),
                state.receive_restrictions.clone(),
                state.send_restrictions.clone(),
                state.receiving.watch().for_leg(),
            ))
        })?;
        let options = self.handle.options.clone().cname(cname);
        let options = options.socket(socket.clone());
        let sink = shared.events.leg(socket.id());
        let leg = setup::build(&options, Some((sink, shared.changed.clone())))?;
        leg.open(|state| {
            state.receiving.set_watch(watch);
            state.restrict(receive, send)
        })?;
        let weak = leg.this.clone();
        let leg = Self {
            handle: Arc::new(Handle {
                shared: leg,
                options: options.without_socket(),
                legs: Mutex::default(),
            }),
        };
        // Dropping the new leg closes it, should the connection be closed by now.
        shared.open(|state| {
            state.legs.retain(|leg| leg.strong_count() > 0);
            state.legs.push(weak);
            Ok(())
        })?;
        legs.push(leg.clone());
        Ok(leg)
    }

    // Rows B11, C2.
    /// The sockets in use, the one of [`local_socket`](Self::local_socket) first.
    #[doc(alias = "getSockets")]
    pub fn sockets(&self) -> Vec<RTCSocket> {
        std::iter::once(self.local_socket())
            .chain(self.legs().iter().map(Self::local_socket))
            .collect()
    }

    /// The connection as it is over one of its [`sockets`](Self::sockets).
    pub fn leg(&self, socket: &RTCSocket) -> Option<Self> {
        std::iter::once(self.clone())
            .chain(self.legs())
            .find(|leg| leg.local_socket() == *socket)
    }

    // Rows B57, B62.
    /// Sends a track over another of the sockets from now on. Over the old one the peer gets a BYE;
    /// what is given is the track's new RTCTrack, with its codecs, attributes and header
    /// extensions, and a description to be signalled.
    ///
    /// The SSRC is a new one, since each socket has an RTP session of its own, in which the old one
    /// may be taken (RFC 3550 section 3). Who sends the track on knows it by the description, whose
    /// `msid` and `mid` are the old ones, and the old one's end by the BYE.
    ///
    /// The digits of an audio track go along: the one that sounds ends over the old socket, what
    /// waits is played over the new one. A track of digits is not moved by itself.
    ///
    /// # Errors
    ///
    /// `InvalidAccess` when the track is not sent here or the socket is not one of the
    /// [`sockets`](Self::sockets); `NotSupported` for a track of digits and for a kind that the
    /// socket is not for; `Closed`.
    pub fn set_track_socket(
        &self,
        track: &MediaStreamTrack,
        socket: &RTCSocket,
    ) -> Result<RTCTrack> {
        let unknown = || Error::invalid_access("no such track or socket on this connection");
        let target = self.leg(socket).ok_or_else(unknown)?;
        let mut legs = std::iter::once(self.clone()).chain(self.legs());
        let from = legs
            .find(|leg| leg.shared().lock().key_of(track).is_some())
            .ok_or_else(unknown)?;
        let old = from.track_here(track).ok_or_else(unknown)?;
        if Arc::ptr_eq(from.shared(), target.shared()) {
            return Ok(old);
        }
        let mut streams = self.sending_streams().into_iter();
        let stream = streams
            .find(|stream| stream.tracks().contains(track))
            .ok_or_else(unknown)?;
        if track.kind() == Kind::Dtmf {
            let cause = "digits go with their audio track: move that";
            return Err(Error::not_supported(cause));
        }
        let (started, codecs) = (old.is_started()?, old.codecs()?);
        let (attributes, headers) = (old.media_attributes()?, old.header_extension_values()?);
        let (msid, mid) = (old.msid()?, old.description()?.mid);
        target.shared().socket.allows(track.kind())?;
        let digits = from.shared().part_with_digits(track)?;
        old.remove()?;
        let shared = target.shared();
        shared.send_track(&stream, track, started)?;
        // A leg that lets go of a track that left its stream.
        stream.unwatch(&shared.as_watcher());
        stream.watch(shared.as_watcher());
        let new = target.track_here(track).ok_or_else(unknown)?;
        if let Some((digits, waiting)) = digits {
            self.carry_digits(&target, track, &digits, &waiting)?;
        }
        new.set_codecs(codecs)?;
        new.set_media_attributes(attributes)?;
        new.set_header_extension_values(headers)?;
        new.set_msid(msid)?;
        new.set_mid(mid)?;
        Ok(new)
    }

    /// The further legs, also those that are closed, until other sockets take their places.
    pub(super) fn all_legs(&self) -> Vec<Self> {
        lock_at(Rank::Legs, &self.handle.legs).clone()
    }

    /// The further legs that are open.
    pub(crate) fn legs(&self) -> Vec<Self> {
        let mut legs = self.all_legs();
        legs.retain(|leg| leg.shared().lock().over().is_none());
        legs
    }

    /// The leg whose peer has this `socket-id`; `None` for the first.
    pub(super) fn leg_of_remote(&self, socket_id: Option<&str>) -> Result<Option<Self>> {
        let Some(id) = socket_id.filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let legs = self.legs();
        let is = |leg: &Self| {
            let state = leg.shared().lock();
            let remote = state.remote.as_ref();
            remote.is_some_and(|side| side.socket_id.as_deref() == Some(id))
        };
        // A peer may name its sockets where there is nothing to choose from.
        if legs.is_empty() || is(self) {
            return Ok(None);
        }
        let found = legs.into_iter().find(is).map(Some);
        found.ok_or_else(|| Error::invalid_access("no socket is paired with this socket-id"))
    }

    /// A stream leaves the further legs, with those of its tracks that were put there.
    pub(super) fn remove_from_legs(&self, stream: &MediaStream) -> Result<bool> {
        let mut removed = false;
        for leg in self.legs() {
            removed |= leg.remove_stream(stream)?;
            stream.unwatch(&leg.shared().as_watcher());
            for track in stream.tracks() {
                leg.shared().track_removed(stream, &track);
            }
        }
        Ok(removed)
    }

    /// The digits go on at the leg that has their audio track by now.
    fn carry_digits(
        &self,
        target: &Self,
        audio: &MediaStreamTrack,
        digits: &MediaStreamTrack,
        waiting: &[Command],
    ) -> Result<()> {
        let shared = target.shared();
        shared.take_on_digits(audio, digits, waiting)?;
        // They may be of another stream.
        let mut streams = self.sending_streams().into_iter();
        if let Some(stream) = streams.find(|stream| stream.tracks().contains(digits)) {
            stream.unwatch(&shared.as_watcher());
            stream.watch(shared.as_watcher());
        }
        Ok(())
    }
}
