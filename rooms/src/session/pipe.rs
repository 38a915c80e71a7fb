//! What a hub does with transfers of files: each goes on to whom it is for, at its speed.

use std::sync::Arc;

use ortc::RTCDataChannel;

use super::files::open;
use super::state::{RoomEntry, Shared};
use crate::signalling::{Role, UserId};

impl Shared {
    /// One has opened a channel for a transfer to another: it goes on, as far as the two are
    /// connected by the room's session.
    pub(super) fn pass_transfer(
        self: &Arc<Self>,
        entry: &RoomEntry,
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
        let readers = (sender.readers.clone(), there.readers.clone());
        self.runtime.spawn(async move {
            tokio::join!(pipe(&channel, &other), pipe(&other, &channel));
            drop(readers);
        });
    }
}

/// Until either ends. What is not taken is not read, and so its sender waits.
async fn pipe(from: &RTCDataChannel, to: &RTCDataChannel) {
    while let Some(message) = from.recv().await {
        if to.send(message).await.is_err() {
            break;
        }
    }
    let _ = to.flush().await;
    to.close();
    from.close();
}
