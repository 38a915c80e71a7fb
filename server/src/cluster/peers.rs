//! What servers say to each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use ortc_rooms::desk::{Post, Said};
use ortc_rooms::signalling::UserId;

use super::shared::{Shared, count};
use super::stored::{BetweenNodes, StoredUser, user_key};

/// The answer to a post whose user is not there.
const GONE: &str = "gone";
/// After a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Hears what other servers say, for ever.
pub(super) async fn hear(shared: Arc<Shared>) {
    loop {
        let subject = shared.subject(&shared.node);
        if let Ok(mut heard) = shared.client.subscribe(subject).await {
            while let Some(message) = heard.next().await {
                let reply = message.reply.clone();
                let there = take(&shared, &message.payload).await;
                if let Some(reply) = reply {
                    let answer = if there { "" } else { GONE };
                    let _ = shared.client.publish(reply, answer.into()).await;
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn take(shared: &Shared, payload: &[u8]) -> bool {
    let Some(listener) = shared.listener() else {
        return false;
    };
    match serde_json::from_slice(payload) {
        Ok(BetweenNodes::Said { life, after, said }) => {
            // Who says it may have entered the room a moment ago.
            if shared.heard.borrow().0 == life {
                shared.wait_for(after).await;
            }
            listener.said(said);
            true
        }
        Ok(BetweenNodes::Barrier) => true,
        Ok(BetweenNodes::Post { to, post }) => listener.posted(&to, post),
        Err(error) => {
            tracing::warn!(%error, "another server says what cannot be read");
            false
        }
    }
}

fn bytes(message: &BetweenNodes) -> Bytes {
    serde_json::to_vec(message).unwrap_or_default().into()
}

/// Says something to the members of a room at other servers.
pub(super) async fn spread(shared: &Shared, nodes: Vec<String>, said: Said) {
    if !shared.connected() {
        return count(&shared.figures.dropped);
    }
    let (life, after) = *shared.heard.borrow();
    let message = bytes(&BetweenNodes::Said { life, after, said });
    shared.behind().extend(nodes.iter().cloned());
    for node in nodes {
        let publish = shared
            .client
            .publish(shared.subject(&node), message.clone());
        match tokio::time::timeout(shared.options.patience, publish).await {
            Ok(Ok(())) => {}
            _ => count(&shared.figures.dropped),
        }
    }
}

/// What was said is done everywhere, before a room changes: who leaves has said it before.
pub(super) async fn catch_up(shared: &Shared) {
    // Another may wait for what was said by this one.
    let _turn = shared.catching_up.lock().await;
    let behind = std::mem::take(&mut *shared.behind());
    let message = bytes(&BetweenNodes::Barrier);
    let waits = behind.into_iter().map(|node| {
        let alive = shared.view().alive(&node, shared.options.missed);
        let message = message.clone();
        async move {
            if alive {
                let request = shared.client.request(shared.subject(&node), message);
                // Who does not answer is dead, or slow: then it may hear it late.
                let _ = tokio::time::timeout(shared.options.patience, request).await;
            }
        }
    });
    futures_util::future::join_all(waits).await;
}

/// Says something to a user of another server. False if none has it.
pub(super) async fn post(shared: &Shared, to: UserId, post: Post) -> bool {
    if !shared.connected() {
        return false;
    }
    let known = shared
        .view()
        .users
        .get(&to)
        .map(|(_, user)| user.node.clone());
    let node = match known {
        // It may have come to another server a moment ago.
        None => match shared.bucket.get(&user_key(&to)).await {
            Ok(found) => found
                .value
                .and_then(|value| serde_json::from_slice::<StoredUser>(&value).ok())
                .map(|user| user.node),
            Err(_) => None,
        },
        node => node,
    };
    let alive = |node: &String| shared.view().alive(node, shared.options.missed);
    let Some(node) = node.filter(|node| *node != shared.node && alive(node)) else {
        return false;
    };
    let asks = matches!(post, Post::Ring { .. });
    let message = bytes(&BetweenNodes::Post { to, post });
    if !asks {
        let publish = shared.client.publish(shared.subject(&node), message);
        let sent = tokio::time::timeout(shared.options.patience, publish).await;
        return matches!(sent, Ok(Ok(())));
    }
    let request = shared.client.request(shared.subject(&node), message);
    match tokio::time::timeout(shared.options.patience, request).await {
        Ok(Ok(answer)) => answer.payload != GONE,
        _ => false,
    }
}
