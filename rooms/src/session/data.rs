//! The data channels between two peers.

use std::sync::{Arc, Weak};

use ortc::{RTCDataChannel, RTCDataChannelMessage};

use super::action::{ActionEvent, Recording, Reply, action_frame};
use super::clock::clock;
use super::error::{Error, Result};
use super::event::{Event, Message};
use super::frame::{self, Frame, Ping, Pong, Reader};
use super::link::PeerLink;
use super::state::Shared;
use crate::signalling::{RoomName, UserId};

/// Whose channel it is.
#[derive(Clone)]
struct Whose {
    room: RoomName,
    peer: UserId,
    instance: u64,
}

impl Shared {
    /// The channel of small messages, made by the caller.
    pub(super) fn use_channel(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        channel: RTCDataChannel,
    ) {
        link.channel = Some(channel.clone());
        let Some(connection) = link.connection.clone() else {
            return;
        };
        let rate = self.options.bandwidth.data;
        let rate = rate.map(|kilobits| f64::from(kilobits.max(1)) * 125.0);
        self.runtime
            .spawn(link.outbox.clone().write(connection, channel.clone(), rate));
        self.read_channel(room, peer, link, channel, true);
    }

    /// Reads a channel until it ends.
    pub(super) fn read_channel(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        link: &PeerLink,
        channel: RTCDataChannel,
        main: bool,
    ) {
        let whose = Whose {
            room: room.clone(),
            peer: peer.clone(),
            instance: link.instance,
        };
        let (shared, reads) = (Arc::downgrade(self), link.readers.clone());
        self.runtime.spawn(async move {
            if main {
                if channel.opened().await.is_err() {
                    // It may open after a restart.
                    while channel.ready_state() == ortc::RTCDataChannelState::Connecting {
                        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    }
                }
                if channel.ready_state() == ortc::RTCDataChannelState::Open {
                    whose.opened(&shared);
                    if let Some(shared) = shared.upgrade() {
                        shared.offer_kept(&whose.room, &whose.peer);
                    }
                }
            }
            let error = whose.read(&shared, &channel).await;
            channel.close();
            drop(reads);
            whose.ended(&shared, error, main);
        });
    }
}

impl Whose {
    /// Does it with the link, if it is the same connection still.
    fn with<T>(
        &self,
        shared: &Weak<Shared>,
        f: impl FnOnce(&Arc<Shared>, &mut PeerLink, crate::signalling::User) -> T,
    ) -> Option<T> {
        let shared = shared.upgrade()?;
        let mut state = shared.lock();
        let entry = state.rooms.get_mut(&self.room)?;
        let user = entry.user_or_bare(&self.peer);
        let link = entry.peers.get_mut(&self.peer)?;
        (link.instance == self.instance).then(|| f(&shared, link, user))
    }

    fn opened(&self, shared: &Weak<Shared>) {
        self.with(shared, |shared, link, user| {
            link.clock.since_ping = 0;
            send(link, Frame::Ping(Ping { at: clock() }));
            if shared.recordings.has(&self.room)
                && let Ok(frame) = action_frame(&Recording { on: true })
            {
                send(link, frame);
            }
            shared.event(Event::Open {
                room: self.room.clone(),
                user,
            });
        });
    }

    fn ended(&self, shared: &Weak<Shared>, error: Option<String>, main: bool) {
        self.with(shared, |shared, link, user| {
            let room = self.room.clone();
            if let Some(error) = error {
                let user = user.clone();
                shared.event(Event::DataError { room, user, error });
            }
            if main && link.channel.take().is_some() {
                let room = self.room.clone();
                shared.event(Event::DataClosed { room, user });
            }
        });
    }

    async fn read(&self, shared: &Weak<Shared>, channel: &RTCDataChannel) -> Option<String> {
        let mut reader = Reader::default();
        while let Some(message) = channel.recv().await {
            match self.take(shared, &mut reader, message).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }

    /// False when nobody wants it any more.
    async fn take(
        &self,
        shared: &Weak<Shared>,
        reader: &mut Reader,
        message: RTCDataChannelMessage,
    ) -> Result<bool> {
        let Some((frame, at)) = reader.read(message)? else {
            return Ok(true);
        };
        let Some((events, event)) = self.with(shared, |shared, link, user| {
            let events = shared.events.clone();
            (events, self.event_of(shared, link, user, frame, at))
        }) else {
            return Ok(false);
        };
        if let Some(event) = event {
            events.push_message(event).await;
        }
        Ok(true)
    }

    fn event_of(
        &self,
        shared: &Arc<Shared>,
        link: &mut PeerLink,
        user: crate::signalling::User,
        frame: Frame,
        at: Option<f64>,
    ) -> Option<Event> {
        let now = clock();
        match frame {
            Frame::Ping(ping) => {
                let pong = Pong {
                    at: ping.at,
                    here: now,
                };
                send(link, Frame::Pong(pong));
                None
            }
            Frame::Pong(pong) => {
                link.clock.pong(pong, now);
                None
            }
            Frame::Payload(data) => shared.options.incoming.data.then(|| {
                Event::Message(Message {
                    room: self.room.clone(),
                    from: user,
                    data,
                    latency: link.clock.latency(at, now),
                })
            }),
            Frame::Action(action) => {
                let outbox = link.outbox.clone();
                let reply = action.id.map(|id| Reply::new(outbox, id));
                let sent = at.and_then(|at| link.clock.to_own(at));
                Some(Event::Action(ActionEvent {
                    room: self.room.clone(),
                    from: user,
                    name: action.name,
                    body: action.body,
                    sent,
                    reply,
                }))
            }
            Frame::Reply(reply) => {
                let waiting = link.asked.remove(&reply.id)?;
                let answer = match reply.error {
                    Some(error) => Err(Error::Answer(error)),
                    None => Ok(reply.body),
                };
                let _ = waiting.send(answer);
                None
            }
        }
    }
}

/// Puts a frame behind what waits for the peer; false if too much does.
pub(super) fn send(link: &PeerLink, frame: Frame) -> bool {
    match frame.write(clock()) {
        Ok(written) => link.outbox.push(written),
        Err(error) => {
            tracing::debug!(target: "ortc_rooms::session", %error, "not sent");
            false
        }
    }
}

/// Whether a channel is one of a session's.
pub(super) fn is_ours(channel: &RTCDataChannel) -> bool {
    matches!(channel.label(), frame::LABEL | frame::LARGE | frame::LOSSY)
}
