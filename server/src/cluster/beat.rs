//! Servers tell each other that they live; what dead ones have left is put in order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ortc_rooms::desk::milliseconds;
use ortc_rooms::room::Change;
use ortc_rooms::signalling::{LeftReason, Role, RoomName};

use super::shared::Shared;
use super::stored::{LIFE, StoredNode, node_key, user_key};

/// What a dead server had is kept so long beyond the grace.
const BEYOND: Duration = Duration::from_secs(20);
/// What tells that something is there no longer stays in the bucket for so many beats.
const MARKERS: u32 = 10;

/// For ever.
pub(super) async fn beat(shared: Arc<Shared>) {
    let mut number = 0_u64;
    let mut failing = false;
    loop {
        number = number.saturating_add(1);
        let same = shows_itself(&shared, number).await;
        if same.is_none() && !failing {
            tracing::warn!("NATS cannot be reached: rooms stay as they are for the time");
        }
        if same == Some(false) || (failing && same.is_some()) {
            shared.look.notify_one();
        }
        // A bucket that is gone while NATS is there is made again by a new look.
        if same.is_none() && shared.connected() {
            shared.look.notify_one();
        }
        failing = same.is_none();
        if same == Some(true) {
            put_in_order(&shared).await;
        }
        tokio::time::sleep(shared.options.beat).await;
    }
}

/// Says that this server lives. Whether the bucket is the one that is watched; absent: nobody knows.
async fn shows_itself(shared: &Shared, beat: u64) -> Option<bool> {
    if !shared.connected() {
        return None;
    }
    let life = shared.bucket.get(LIFE).await.ok()?;
    let known = shared.heard.borrow().0.to_string();
    if life.value != Some(Bytes::from(known)) {
        return Some(false);
    }
    let value = serde_json::to_vec(&StoredNode { beat }).unwrap_or_default();
    let key = node_key(&shared.node);
    let shown = shared.bucket.put_anyway(&key, value.into()).await;
    shown.is_ok().then_some(true)
}

/// This server goes: the others need not wait for its beats.
pub(super) async fn farewell(shared: &Shared) {
    let key = node_key(&shared.node);
    if let Ok(found) = shared.bucket.get(&key).await {
        // Or the beats that stay away say it.
        let _ = shared.bucket.remove(&key, found.revision).await;
    }
}

/// The first of those who live does what dead servers cannot.
async fn put_in_order(shared: &Shared) {
    let (due, users, nodes, markers) = {
        let mut view = shared.view();
        let markers = view.old_markers(MARKERS);
        let missed = shared.options.missed;
        let first = view.nodes.keys().find(|node| view.alive(node, missed));
        if first != Some(&shared.node) {
            return;
        }
        let (now, grace) = (shared.clock.now(), milliseconds(shared.options.grace));
        let mut due: Vec<(RoomName, Change)> = Vec::new();
        for known in view.rooms.values() {
            let members = known.record.members.iter();
            for member in members.filter(|member| !view.alive(&member.node, missed)) {
                let userid = member.user.userid.clone();
                let change = match member.lost {
                    // A hub does not come back, and another is wanted.
                    _ if member.user.role == Role::Hub => Change::Leave(userid, LeftReason::Lost),
                    None => Change::Lost {
                        userid,
                        node: member.node.clone(),
                    },
                    Some(lost) if lost.saturating_add(grace) <= now => {
                        Change::Expire { userid, lost }
                    }
                    Some(_) => continue,
                };
                due.push((known.record.room.clone(), change));
            }
        }
        // After the grace, and a while: nobody comes back to them.
        let beats = grace
            .saturating_add(milliseconds(BEYOND))
            .checked_div(milliseconds(shared.options.beat))
            .and_then(|beats| u32::try_from(beats).ok())
            .unwrap_or(u32::MAX);
        let long = missed.saturating_add(beats);
        let users = view.users.iter();
        let users: Vec<_> = users
            .filter(|(_, (_, user))| !view.alive(&user.node, long))
            .map(|(userid, (revision, _))| (user_key(userid), *revision))
            .collect();
        let nodes = view.nodes.iter();
        let nodes: Vec<_> = nodes
            .filter(|(_, beats)| beats.missed >= long)
            .map(|(node, beats)| (node_key(node), beats.revision))
            .collect();
        (due, users, nodes, markers)
    };
    for (room, change) in due {
        let Ok(changed) = shared.decide(&room, &change).await else {
            continue;
        };
        if let Some(listener) = shared.listener() {
            listener.made(&room, &change, &changed);
        }
    }
    for (key, revision) in users.into_iter().chain(nodes) {
        let _ = shared.bucket.remove(&key, revision).await;
    }
    for (key, revision) in markers {
        let _ = shared.bucket.purge(&key, revision).await;
    }
}
