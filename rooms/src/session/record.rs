//! Recordings of rooms and streams.

use std::path::PathBuf;
use std::sync::Arc;

use ortc::MediaStreamTrack;

use super::action::Recording;
use super::body::StreamInfo;
use super::error::{Error, Result};
use super::handle::Session;
use super::peer::Peer;
use super::recordings::{RoomRecorder, name_of};
use super::room::Room;
use super::state::State;
use super::stream::ReceivedTrack;
use crate::record::{RecordEvents, RecordOptions, Recorded, Recorder, StreamRecording};
use crate::signalling::{RoomName, UserId};

/// A room that is recorded: streams that are there, and those that come. All who are in the room
/// are told by the action [`Recording`], and told again when it ends.
///
/// It ends with [`stop`](Self::stop), or when the last handle is dropped; then the files are
/// completed all the same, but nobody is told.
#[derive(Debug, Clone)]
pub struct RoomRecording {
    room: Room,
    inner: Arc<RoomRecorder>,
}

impl Room {
    /// Records all streams of the room, those that come later, too, into a folder.
    ///
    /// # Errors
    ///
    /// [`Error::NotInRoom`]; [`Error::Inspector`], who cannot tell the others that they are
    /// recorded; [`Error::Record`] if the folder cannot be written to.
    pub fn record(
        &self,
        folder: impl Into<PathBuf>,
        options: RecordOptions,
    ) -> Result<(RoomRecording, RecordEvents)> {
        let shared = self.session().shared();
        let local = options.local;
        self.state()?;
        let _runtime = shared.runtime.enter();
        let (recorder, events) =
            Recorder::create(folder, options).map_err(|error| Error::Record(error.to_string()))?;
        self.act(&Recording { on: true })?;
        let inner = Arc::new(RoomRecorder::new(self.name(), recorder, local));
        // Under the session's lock: what is there now, and then whatever happens.
        let state = shared.lock();
        shared.recordings.add(&inner);
        present(&inner, self.name(), &state)?;
        drop(state);
        let room = self.clone();
        Ok((RoomRecording { room, inner }, events))
    }
}

/// What is there already.
fn present(recorder: &RoomRecorder, room: &RoomName, state: &State) -> Result<()> {
    let entry = state.room(room)?;
    recorder.begun(room, &state.me);
    for user in &entry.state.users {
        recorder.present(user);
    }
    for (userid, link) in &entry.peers {
        let shared = |one: &&ReceivedTrack| {
            let info = link.infos.get(&one.stream);
            !info.is_some_and(StreamInfo::is_private)
        };
        for received in link.received.iter().filter(shared) {
            let owner = received.of.as_ref().unwrap_or(userid);
            recorder.track(owner, &received.shown, &received.track);
        }
        for local in &link.own {
            recorder.local(&state.me, &local.stream);
        }
    }
    for local in state.streams.iter().chain(&entry.streams) {
        recorder.local(&state.me, &local.stream);
    }
    Ok(())
}

impl RoomRecording {
    /// The folder and its time line.
    pub fn recorder(&self) -> &Recorder {
        self.inner.recorder()
    }

    /// The streams that are recorded: of whom, and which.
    pub fn streams(&self) -> Vec<(UserId, String)> {
        self.inner.streams()
    }

    /// The recording of one of them.
    pub fn stream(&self, userid: &UserId, stream_id: &str) -> Option<StreamRecording> {
        self.inner.stream(userid, stream_id)
    }

    /// Stops the recording of one stream, and says what there is of it; others go on.
    pub async fn stop_stream(&self, userid: &UserId, stream_id: &str) -> Option<Recorded> {
        let stream = self.inner.leave_out(userid, stream_id)?;
        Some(stream.stop().await)
    }

    /// Records a stream that was stopped once more, into files of its own.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`] if it is not received; [`Error::NotInRoom`].
    pub fn start_stream(&self, userid: &UserId, stream_id: &str) -> Result<()> {
        let tracks = received(self.room.session(), self.room.name(), userid, stream_id)?;
        self.inner.take_in(userid, stream_id);
        for track in tracks {
            self.inner.track(userid, stream_id, &track);
        }
        Ok(())
    }

    /// Stops, completes all files and the time line, tells all, and says what was recorded.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] if the time line cannot be written.
    pub async fn stop(&self) -> Result<Vec<Recorded>> {
        let streams = self.inner.stopped();
        // The room may have been left.
        let _ = self.room.act(&Recording { on: false });
        let recorded = self.inner.recorder().finish(&streams).await;
        recorded.map_err(|error| Error::Record(error.to_string()))
    }
}

/// The tracks of a stream of a peer.
fn received(
    session: &Session,
    room: &RoomName,
    userid: &UserId,
    stream_id: &str,
) -> Result<Vec<MediaStreamTrack>> {
    let state = session.shared().lock();
    let entry = state.room(room)?;
    if !entry.peers.contains_key(userid) {
        return Err(Error::NoSuchPeer(userid.clone()));
    }
    let tracks = entry.received(userid).filter(|one| one.shown == stream_id);
    let tracks: Vec<_> = tracks.map(|one| one.track.clone()).collect();
    match tracks.is_empty() {
        true => Err(Error::NoSuchStream(stream_id.to_owned())),
        false => Ok(tracks),
    }
}

impl Peer {
    /// Records one of the peer's streams into a folder; [`StreamRecording::stop`] gives the files.
    /// The peer is told by the action [`Recording`] that it begins; its end is the application's to
    /// tell.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`]; [`Error::NoSuchPeer`]; [`Error::NotInRoom`]; [`Error::Inspector`];
    /// [`Error::Record`] if the folder cannot be written to.
    pub fn record(
        &self,
        stream_id: &str,
        folder: impl Into<PathBuf>,
        options: RecordOptions,
    ) -> Result<(StreamRecording, RecordEvents)> {
        let tracks = received(self.session(), self.room(), self.userid(), stream_id)?;
        self.act(&Recording { on: true })?;
        let _runtime = self.session().shared().runtime.enter();
        let (recorder, events) =
            Recorder::create(folder, options).map_err(|error| Error::Record(error.to_string()))?;
        let extra = self.user().map(|user| user.extra).unwrap_or_default();
        let name = name_of(&extra).unwrap_or_else(|| self.userid().to_string());
        let stream = recorder.stream(self.userid().as_str(), &name, stream_id);
        for track in tracks {
            stream.add_track(&track);
        }
        Ok((stream, events))
    }
}
