//! The data channels between two peers.

use std::sync::{Arc, Weak};
use std::time::Instant;

use ortc::{RTCDataChannel, RTCDataChannelMessage};

use super::action::{ActionEvent, Recording, Reply, action_frame};
use super::clock::clock;
use super::error::{Error, Result};
use super::event::{Event, Message};
use super::frame::{self, Came, Frame, Got, Ping, Pong, Reader, Way};
use super::link::PeerLink;
use super::queue::EventQueue;
use super::ranking::{SPEAKERS, heard};
use super::relay::Lane;
use super::state::{RoomEntry, Shared};
use crate::signalling::{RoomName, User, UserId};

/// Whose channel it is.
#[derive(Clone)]
struct Whose {
    room: RoomName,
    peer: UserId,
    instance: u64,
    lane: Lane,
    main: bool,
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
        let (outbox, generation) = (link.outbox.clone(), link.outbox.begin());
        self.runtime
            .spawn(outbox.write(connection, channel.clone(), generation, rate));
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
            lane: match channel.label() == frame::LOSSY {
                true => Lane::Lossy,
                false => Lane::Sure,
            },
            main,
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
        f: impl FnOnce(&Arc<Shared>, &mut PeerLink, User) -> T,
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
            // Before anything of this channel is read, and before what waits: the peer waits for it.
            link.told_got = link.got;
            if let (Some(channel), Ok(written)) = (&link.channel, count(link).write(clock())) {
                for message in written.messages {
                    let _ = channel.try_send(message);
                }
            }
            send(link, Frame::Ping(Ping { at: clock() }));
            if link.is_hub || std::mem::replace(&mut link.told_open, true) {
                return;
            }
            if shared.recordings.has(&self.room)
                && let Ok(frame) = action_frame(&Recording { on: true })
            {
                send(link, frame);
            }
            if shared.hub {
                return;
            }
            shared.event(Event::Open {
                room: self.room.clone(),
                user,
            });
        });
        if let Some(shared) = shared.upgrade() {
            shared.hub_channel(&self.room, &self.peer);
        }
    }

    fn ended(&self, shared: &Weak<Shared>, error: Option<String>, main: bool) {
        self.with(shared, |shared, link, user| {
            let room = self.room.clone();
            if let Some(error) = error {
                let user = user.clone();
                shared.event(Event::DataError { room, user, error });
            }
            let ends = main && link.channel.take().is_some() && !link.open_by_hub;
            if ends && std::mem::take(&mut link.told_open) {
                let room = self.room.clone();
                shared.event(Event::DataClosed { room, user });
            }
        });
        if let Some(shared) = shared.upgrade().filter(|_| main) {
            shared.hub_channel(&self.room, &self.peer);
        }
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
        let Some(came) = reader.read(message)? else {
            return Ok(true);
        };
        let Some((events, event)) = self.took(shared, came) else {
            return Ok(false);
        };
        if let Some(event) = event {
            events.push_message(event).await;
        }
        Ok(true)
    }

    /// `None` when nobody wants it any more.
    fn took(&self, shared: &Weak<Shared>, came: Came) -> Option<(Arc<EventQueue>, Option<Event>)> {
        let shared = shared.upgrade()?;
        let state = &mut *shared.lock();
        let entry = state.rooms.get_mut(&self.room)?;
        if entry.peers.get(&self.peer)?.instance != self.instance {
            return None;
        }
        let events = shared.events.clone();
        let by_hub = entry.is_hub(&self.peer);
        let link = entry.peers.get_mut(&self.peer)?;
        if self.main && came.frame.counts() {
            link.got = link.got.saturating_add(1);
        }
        let now = clock();
        match came.frame {
            // What has `to` is no hub's to answer.
            Frame::Ping(ping) if !shared.hub || came.way.to.is_none() => {
                let (at, here) = (ping.at, now);
                let way = Way {
                    to: came.way.from.filter(|_| !shared.hub),
                    ..Way::default()
                };
                if let Ok(written) = Frame::Pong(Pong { at, here }).write_on(now, way) {
                    link.outbox.push(written);
                }
                Some((events, None))
            }
            Frame::Pong(pong) if !shared.hub || came.way.to.is_none() => {
                let from = match came.way.from {
                    Some(from) if by_hub => entry.peers.get_mut(&from),
                    _ => {
                        link.clock.pong(pong, now);
                        Some(link)
                    }
                };
                if let Some(link) = from {
                    link.answered |= pong.at == link.barrier;
                }
                Some((events, None))
            }
            Frame::Got(got) => {
                if self.main {
                    link.outbox.got(got.n);
                }
                Some((events, None))
            }
            Frame::Seen(seen) if !shared.hub => {
                if let Some(from) = self.author(entry, came.way.from) {
                    entry.trail.seen(&from.userid, seen.n, Instant::now());
                }
                Some((events, None))
            }
            _ if shared.hub => {
                let lane = self.lane;
                shared.pass_on(entry, &self.peer, lane, came);
                Some((events, None))
            }
            Frame::Action(action)
                if by_hub && came.way.from.is_none() && action.name == SPEAKERS =>
            {
                Some((events, heard(&self.room, action.body)))
            }
            frame => {
                let from = self.author(entry, came.way.from);
                let from = from.filter(|from| entry.is_new(&from.userid, came.way.n));
                let event =
                    from.and_then(|from| self.event_of(&shared, entry, from, frame, came.at));
                Some((events, event))
            }
        }
    }

    /// Who says something: a hub says it of others, and is believed.
    fn author(&self, entry: &RoomEntry, from: Option<UserId>) -> Option<User> {
        match from.filter(|_| entry.is_hub(&self.peer)) {
            Some(from) => entry.user(&from).cloned(),
            None => Some(entry.user_or_bare(&self.peer)),
        }
    }

    fn event_of(
        &self,
        shared: &Arc<Shared>,
        entry: &mut RoomEntry,
        from: User,
        frame: Frame,
        at: Option<f64>,
    ) -> Option<Event> {
        let room = self.room.clone();
        match frame {
            Frame::Payload(data) => {
                let clock_of = &entry.peers.get(&self.peer)?.clock;
                let latency = clock_of.latency(at, clock());
                shared.options.incoming.data.then_some({
                    Event::Message(Message {
                        room,
                        from,
                        data,
                        latency,
                    })
                })
            }
            Frame::Action(action) => {
                let clock_of = &entry.peers.get(&self.peer)?.clock;
                let sent = at.and_then(|at| clock_of.to_own(at));
                let (to, weak) = (from.userid.clone(), Arc::downgrade(shared));
                let of = room.clone();
                let send = move |written| {
                    if let Some(shared) = weak.upgrade()
                        && let Some(entry) = shared.lock().rooms.get_mut(&of)
                    {
                        entry.push(&to, written);
                    }
                };
                Some(Event::Action(ActionEvent {
                    room,
                    from,
                    name: action.name,
                    body: action.body,
                    sent,
                    reply: action.id.map(|id| Reply::new(id, send)),
                }))
            }
            Frame::Reply(reply) => {
                let link = entry.peers.get_mut(&from.userid)?;
                let waiting = link.asked.remove(&reply.id)?;
                let answer = match reply.error {
                    Some(error) => Err(Error::Answer(error)),
                    None => Ok(reply.body),
                };
                let _ = waiting.send(answer);
                None
            }
            Frame::Ping(_) | Frame::Pong(_) | Frame::Seen(_) | Frame::Got(_) => None,
        }
    }
}

/// What has come of a peer over its channels.
fn count(link: &PeerLink) -> Frame {
    Frame::Got(Got { n: link.got })
}

/// Tells a peer what has come since it was last told.
pub(super) fn tell_got(link: &mut PeerLink) {
    if link.got != link.told_got && link.channel.is_some() && send(link, count(link)) {
        link.told_got = link.got;
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
