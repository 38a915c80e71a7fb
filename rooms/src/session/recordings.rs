//! What a session tells its recordings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ortc::{MediaStream, MediaStreamTrack};
use serde_json::{Value, json};

use super::event::{Event, Origin};
use crate::record::{Recorder, StreamRecording};
use crate::signalling::{RoomName, User, UserId};

/// What the session tells of a room that is recorded.
#[derive(Debug)]
pub(super) struct RoomRecorder {
    room: RoomName,
    recorder: Recorder,
    local: bool,
    state: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    names: BTreeMap<UserId, String>,
    running: BTreeMap<(UserId, String), StreamRecording>,
    over: Vec<StreamRecording>,
    /// Streams that are not to be recorded.
    left_out: Vec<(UserId, String)>,
    stopped: bool,
}

/// The recordings of a session.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    rooms: Mutex<Vec<Weak<RoomRecorder>>>,
}

impl Recordings {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<RoomRecorder>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is told what happens for as long as it is there.
    pub(super) fn add(&self, recorder: &Arc<RoomRecorder>) {
        self.lock().push(Arc::downgrade(recorder));
    }

    fn of(&self, room: Option<&RoomName>) -> Vec<Arc<RoomRecorder>> {
        let mut rooms = self.lock();
        rooms.retain(|known| known.strong_count() > 0);
        let all = rooms.iter().filter_map(Weak::upgrade);
        all.filter(|one| room.is_none_or(|room| one.room == *room))
            .collect()
    }

    /// Whether a room is recorded at the moment.
    pub(super) fn has(&self, room: &RoomName) -> bool {
        self.of(Some(room)).iter().any(|one| !one.lock().stopped)
    }

    /// Something happens in the session.
    pub(super) fn see(&self, event: &Event) {
        let room = match event {
            Event::Stream(stream) => stream.room.as_ref(),
            Event::StreamEnded { room, .. } => room.as_ref(),
            Event::Track { room, .. }
            | Event::Joined { room, .. }
            | Event::Left { room, .. }
            | Event::Owner { room, .. }
            | Event::Connected { room, .. }
            | Event::Disconnected { room, .. }
            | Event::Closed { room, .. } => Some(room),
            Event::Mute(mute) | Event::Unmute(mute) => mute.room.as_ref(),
            _ => return,
        };
        for recorder in self.of(room) {
            recorder.see(event);
        }
    }
}

impl RoomRecorder {
    pub(super) fn new(room: &RoomName, recorder: Recorder, local: bool) -> Self {
        Self {
            room: room.clone(),
            recorder,
            local,
            state: Mutex::default(),
        }
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn streams(&self) -> Vec<(UserId, String)> {
        self.lock().running.keys().cloned().collect()
    }

    pub(super) fn stream(&self, userid: &UserId, stream_id: &str) -> Option<StreamRecording> {
        let key = (userid.clone(), stream_id.to_owned());
        self.lock().running.get(&key).cloned()
    }

    /// A stream is recorded no longer, though it is there.
    pub(super) fn leave_out(&self, userid: &UserId, stream_id: &str) -> Option<StreamRecording> {
        let mut state = self.lock();
        let key = (userid.clone(), stream_id.to_owned());
        let stream = state.running.remove(&key)?;
        state.left_out.push(key);
        state.over.push(stream.clone());
        Some(stream)
    }

    /// One that was left out is not any longer.
    pub(super) fn take_in(&self, userid: &UserId, stream_id: &str) {
        let key = (userid.clone(), stream_id.to_owned());
        self.lock().left_out.retain(|known| *known != key);
    }

    /// Nothing more is recorded; all that was.
    pub(super) fn stopped(&self) -> Vec<StreamRecording> {
        let mut state = self.lock();
        state.stopped = true;
        let running = std::mem::take(&mut state.running);
        state.over.extend(running.into_values());
        state.over.clone()
    }

    /// The first words of the time line.
    pub(super) fn begun(&self, room: &RoomName, me: &UserId) {
        let details = json!({ "room": room, "recordedBy": me });
        self.recorder.note("room", details);
    }

    /// Who is there already.
    pub(super) fn present(&self, user: &User) {
        self.named(&user.userid, &user.extra);
        self.note("present", user, json!({}));
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, event: &Event) {
        match event {
            Event::Stream(stream) => {
                self.named(&stream.userid, &stream.extra);
                if stream.origin == Origin::Local {
                    self.local(&stream.userid, &stream.stream);
                }
            }
            Event::Track {
                userid,
                stream_id,
                track,
                ..
            } => self.track(userid, stream_id, track),
            Event::StreamEnded {
                userid, stream_id, ..
            } => self.ended(userid, stream_id),
            Event::Joined { user, .. } => {
                self.named(&user.userid, &user.extra);
                self.note("joined", user, json!({}));
            }
            Event::Left { user, reason, .. } => {
                self.note("left", user, json!({ "reason": reason }));
            }
            Event::Connected { user, .. } => self.note("connected", user, json!({})),
            Event::Disconnected { user, .. } => self.note("disconnected", user, json!({})),
            Event::Owner { userid, .. } => {
                self.recorder.note("owner", json!({ "userid": userid }));
            }
            Event::Mute(mute) | Event::Unmute(mute) => {
                let what = match event {
                    Event::Mute(_) => "mute",
                    _ => "unmute",
                };
                let details = json!({
                    "userid": mute.userid, "stream": mute.stream_id, "kinds": mute.kinds,
                });
                self.recorder.note(what, details);
            }
            Event::Closed { reason, .. } => {
                self.recorder.note("closed", json!({ "reason": reason }));
            }
            _ => {}
        }
    }

    fn note(&self, event: &str, user: &User, mut details: Value) {
        if let Some(details) = details.as_object_mut() {
            details.insert("userid".into(), json!(user.userid));
            details.insert("name".into(), json!(name_of(&user.extra)));
        }
        self.recorder.note(event, details);
    }

    fn named(&self, userid: &UserId, extra: &Value) {
        if let Some(name) = name_of(extra) {
            self.lock().names.insert(userid.clone(), name);
        }
    }

    pub(super) fn local(&self, userid: &UserId, stream: &MediaStream) {
        if self.local {
            for track in stream.tracks() {
                self.track(userid, stream.id(), &track);
            }
        }
    }

    pub(super) fn track(&self, userid: &UserId, stream_id: &str, track: &MediaStreamTrack) {
        let mut state = self.lock();
        let key = (userid.clone(), stream_id.to_owned());
        if state.stopped || state.left_out.contains(&key) {
            return;
        }
        let name = state.names.get(userid).cloned();
        let name = name.unwrap_or_else(|| userid.to_string());
        let begin = || self.recorder.stream(userid.as_str(), &name, stream_id);
        state
            .running
            .entry(key)
            .or_insert_with(begin)
            .add_track(track);
    }

    fn ended(&self, userid: &UserId, stream_id: &str) {
        let mut state = self.lock();
        let key = (userid.clone(), stream_id.to_owned());
        let Some(stream) = state.running.remove(&key) else {
            return;
        };
        state.over.push(stream.clone());
        self.recorder.spawn(async move {
            stream.stop().await;
        });
    }
}

/// What a user calls itself.
pub(super) fn name_of(extra: &Value) -> Option<String> {
    let name = extra.get("name")?.as_str()?;
    (!name.trim().is_empty()).then(|| name.to_owned())
}
