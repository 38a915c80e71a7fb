//! What a hub does with transfers of files: each goes on to whom it is for, at its speed.

use std::sync::Arc;

use ortc::RTCDataChannel;

use super::files::open;
use super::joined::pipe_both;
use super::passing::Pass;
use super::state::{RoomEntry, Shared};
use crate::signalling::{Role, RoomName, UserId};

impl Shared {
    /// One has opened a channel for a transfer to another: it goes on, as far as the two are
    /// connected by the room's session.
    pub(super) fn pass_transfer(
        self: &Arc<Self>,
        entry: &RoomEntry,
        room: &RoomName,
        from: &UserId,
        to: &UserId,
        channel: RTCDataChannel,
    ) {
        let inspects = |user: &crate::signalling::User| user.role == Role::Inspector;
        let barred = entry.user(from).is_none_or(inspects) || !entry.state.session.data;
        let there = entry.peers.get(to).filter(|link| link.connected);
        let there = there.filter(|_| !barred && from != to && entry.connects(from, to));
        let sender = entry.peers.get(from);
        let (Some(there), Some(sender)) = (there, sender) else {
            return channel.close();
        };
        let other = there
            .connection
            .as_ref()
            .map(|there| open(there, from, true));
        let Some(Ok(other)) = other else {
            return channel.close();
        };
        let instance = there.instance;
        let readers = (sender.readers.clone(), there.readers.clone());
        if let Some(house) = self.house.get() {
            let pass = Pass {
                room: room.clone(),
                hub: house.hub.clone(),
                from: from.clone(),
                to: to.clone(),
                instance,
            };
            let (shared, files) = (Arc::downgrade(self), house.files.clone());
            let sender = entry.user_or_bare(from);
            self.runtime.spawn(async move {
                pass.run(shared, files, sender, channel, other).await;
                drop(readers);
            });
            return;
        }
        self.runtime.spawn(async move {
            pipe_both(&channel, &other).await;
            drop(readers);
        });
    }
}
