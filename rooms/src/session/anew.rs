//! Transfers whose connection is lost, and their channels over the next one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ortc::RTCDataChannel;

use super::state::Shared;
use crate::files::again::Again;
use crate::signalling::{RoomName, UserId};

/// Between two looks for a peer whose transfer is lost.
const LOOK: Duration = Duration::from_millis(200);

/// Waits for the peer to be connected anew, and makes a channel there.
pub(super) fn again(
    shared: Weak<Shared>,
    room: RoomName,
    peer: UserId,
    instance: u64,
    of: Option<UserId>,
) -> Again<RTCDataChannel> {
    let instance = Arc::new(AtomicU64::new(instance));
    Box::new(move || {
        let (shared, room, peer) = (shared.clone(), room.clone(), peer.clone());
        let (instance, of) = (instance.clone(), of.clone());
        Box::pin(async move {
            let before = instance.load(Ordering::Relaxed);
            loop {
                // The connection may end a moment after its channels.
                tokio::time::sleep(LOOK).await;
                let shared = shared.upgrade()?;
                if shared.lock().over || shared.still_works(&room, &peer, before) {
                    return None;
                }
                if let Ok((channel, now)) =
                    shared.file_channel(&room, &peer, Some(before), of.as_ref())
                {
                    instance.store(now, Ordering::Relaxed);
                    return Some(channel);
                }
            }
        })
    })
}
