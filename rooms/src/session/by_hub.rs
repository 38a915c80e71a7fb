//! Peers that are reached by a hub: who they are, and what is told of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use ortc::DisconnectReason;
use serde_json::json;

use super::action::{Recording, action_frame};
use super::clock::clock;
use super::event::Event;
use super::link::{PeerLink, Route, Trouble};
use super::state::{RoomEntry, Shared, State};
use crate::signalling::{RoomName, UserId};

impl Shared {
    /// Who is reached by the hub may have changed: the application is told, or, by the hub, all.
    pub(super) fn hub_changed(&self, entry: &mut RoomEntry, room: &RoomName) {
        if self.hub {
            let connected = entry.peers.iter().filter(|(_, link)| link.connected);
            let connected: BTreeSet<UserId> = connected.map(|(peer, _)| peer.clone()).collect();
            self.say(room, None, &json!({ "peers": connected }));
            entry.hub_peers = connected;
            return;
        }
        let hub = entry.any_hub().and_then(|hub| entry.peers.get(&hub.userid));
        let (works, open) = hub.map_or((false, false), |hub| (hub.connected, hub.is_open()));
        for peer in entry.persons() {
            let reached = works && entry.hub_peers.contains(&peer);
            let Some(link) = entry.peers.get_mut(&peer) else {
                continue;
            };
            let was = std::mem::replace(&mut link.by_hub, reached);
            let was_open = std::mem::replace(&mut link.open_by_hub, reached && open);
            let is_open = link.open_by_hub;
            // The connection of the two may work, and their channel not yet.
            let (direct, stays) = (link.connected, is_open || link.is_open());
            let opens = is_open && !link.told_open;
            let closes = link.told_open && was_open && !stays;
            link.told_open = (link.told_open || opens) && !closes;
            if is_open && !was_open {
                entry.trail.reach(&peer, Instant::now());
                entry.tell_seen(&peer, true);
            }
            let user = entry.user_or_bare(&peer);
            let of = || (room.clone(), user.clone());
            if reached && !was && !direct {
                let (room, user) = of();
                self.event(Event::Connected { room, user });
            }
            if opens {
                if self.recordings.has(room)
                    && let Ok(frame) = action_frame(&Recording { on: true })
                    && let Ok(written) = frame.write(clock())
                {
                    entry.push(&peer, written);
                }
                entry.opened.push(peer.clone());
                let (room, user) = of();
                self.event(Event::Open { room, user });
            }
            if closes {
                let (room, user) = of();
                self.event(Event::DataClosed { room, user });
            }
            if was && !reached && !direct {
                let (room, user) = of();
                let reason = DisconnectReason::Closed;
                self.event(Event::Disconnected { room, user, reason });
            }
        }
    }

    /// The channel of messages to a peer has opened or ended.
    pub(super) fn hub_channel(self: &Arc<Self>, room: &RoomName, peer: &UserId) {
        let state = &mut *self.lock();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        if self.hub {
            return self.tell_speakers(entry, peer);
        }
        if entry.is_hub(peer) {
            self.hub_changed(entry, room);
            self.keep_moving(entry, room);
        }
    }

    /// A hub is about to leave, or stays after all.
    pub(super) fn hub_turns(self: &Arc<Self>, state: &mut State, hub: &UserId) {
        let rooms = state.rooms.iter_mut();
        let rooms = rooms.filter(|(_, entry)| entry.is_hub(hub));
        let mut turned = Vec::new();
        for (room, entry) in rooms {
            entry.move_by = None;
            if let Some(link) = entry.peers.get_mut(hub) {
                link.said_bye = false;
            }
            turned.push(room.clone());
        }
        for room in turned {
            self.align(state, &room);
        }
    }

    /// Who is connected to whom has changed with the hub: those that are connected to each other
    /// move to it, or it is left.
    pub(super) fn align_ways(self: &Arc<Self>, state: &mut State, room: &RoomName) {
        if self.hub {
            return;
        }
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let mut calls = Vec::new();
        self.send_again(entry, room);
        if entry.hub().is_none() {
            let gone = entry.any_hub().is_none();
            for peer in entry.persons() {
                let Some(link) = entry.peers.get_mut(&peer) else {
                    continue;
                };
                if gone {
                    link.go_direct();
                }
                if !std::mem::replace(&mut link.direct, true) {
                    link.trouble = Some(Trouble::first());
                    if link.caller {
                        calls.push(peer);
                    }
                }
            }
        }
        self.keep_moving(entry, room);
        for peer in calls {
            self.call_peer(state, room, &peer);
        }
    }
}

impl PeerLink {
    /// Messages go over the connection from now on.
    pub(super) fn go_direct(&mut self) {
        if let Route::Held(held) = std::mem::replace(&mut self.route, Route::Direct) {
            for written in held {
                self.outbox.push(written);
            }
        }
    }
}
