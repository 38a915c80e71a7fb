//! A server sees what happens in the bucket, and tells its desk.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{Entry, Operation};
use bytes::Bytes;
use futures_util::StreamExt as _;
use ortc_rooms::desk::StoreListener;

use super::bucket::{Bucket, Failure};
use super::shared::{Shared, count};
use super::stored::{LIFE, StoredRoom, room_key, user_key};
use super::view::Effect;

/// After a failure it is tried again.
const AGAIN: Duration = Duration::from_millis(300);

/// For ever.
pub(super) async fn watch(shared: Arc<Shared>) {
    loop {
        if let Err(failure) = look(&shared).await {
            tracing::debug!(?failure, "the bucket cannot be watched");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Looks at all that is there, and then at what changes, until the watch ends or a new look is due.
async fn look(shared: &Shared) -> Result<(), Failure> {
    count(&shared.figures.looks);
    let bucket = Bucket::open(&shared.jetstream, &shared.options).await?;
    let life = live(shared, &bucket).await?;
    let mut entries = bucket.watch().await?;
    shared.view().look_anew();
    loop {
        // The life of the bucket is in it: something comes.
        let next = tokio::time::timeout(shared.options.patience, entries.next()).await;
        let Ok(Some(Ok(entry))) = next else {
            return Err(Failure::Unavailable("the watch stops".to_owned()));
        };
        see(shared, life, &entry);
        if entry.seen_current {
            break;
        }
    }
    let effects = shared.view().looked();
    tell(shared, effects);
    loop {
        tokio::select! {
            entry = entries.next() => match entry {
                Some(Ok(entry)) => see(shared, life, &entry),
                Some(Err(error)) => return Err(Failure::Unavailable(error.to_string())),
                None => return Err(Failure::Unavailable("the watch ends".to_owned())),
            },
            () = shared.look.notified() => return Ok(()),
        }
    }
}

/// The life of the bucket. A new one gets what this server knows.
async fn live(shared: &Shared, bucket: &Bucket) -> Result<u64, Failure> {
    let life = life(bucket).await?;
    let before = shared.heard.borrow().0;
    if life != before {
        tracing::warn!("the rooms' bucket is a new one; it gets what this server knows");
        write_again(shared, bucket).await?;
        shared.heard.send_replace((life, 0));
    }
    Ok(life)
}

/// What tells the life of a bucket, made if it is a new one.
pub(super) async fn life(bucket: &Bucket) -> Result<u64, Failure> {
    let made = Bytes::from(rand().to_string());
    let value = read_or_write(bucket, LIFE, made).await?;
    let life = std::str::from_utf8(&value).ok();
    let unread = || Failure::Unavailable("the life of the bucket cannot be read".to_owned());
    life.and_then(|life| life.parse().ok()).ok_or_else(unread)
}

/// What is under a key, written if nothing is.
pub(super) async fn read_or_write(
    bucket: &Bucket,
    key: &str,
    value: Bytes,
) -> Result<Bytes, Failure> {
    loop {
        let found = bucket.get(key).await?;
        if let Some(value) = found.value {
            return Ok(value);
        }
        match bucket.put(key, value.clone(), found.revision).await {
            Err(Failure::Conflict) => {}
            Err(failure) => return Err(failure),
            Ok(_) => return Ok(value),
        }
    }
}

fn rand() -> u64 {
    let key = ortc_rooms::desk::SealKey::random();
    let first = key.as_bytes().first_chunk::<8>();
    first.map_or(1, |bytes| u64::from_le_bytes(*bytes))
}

/// NATS has lost the bucket: the rooms and users of this server go into the new one. Who was faster
/// has written the same.
async fn write_again(shared: &Shared, bucket: &Bucket) -> Result<(), Failure> {
    let (rooms, users) = {
        let view = shared.view();
        let here = |known: &&super::view::KnownRoom| {
            let mut members = known.record.members.iter();
            members.any(|member| member.node == shared.node)
        };
        let rooms: Vec<_> = view.rooms.values().filter(here).cloned().collect();
        let users = view.users.iter();
        let users: Vec<_> = users
            .filter(|(_, (_, user))| user.node == shared.node)
            .map(|(userid, (_, user))| (userid.clone(), user.clone()))
            .collect();
        (rooms, users)
    };
    for known in rooms {
        let stored = StoredRoom {
            version: known.version.saturating_add(1),
            record: Some(known.record.as_ref().clone()),
            told: Vec::new(),
        };
        write(bucket, &room_key(&known.record.room), &stored).await?;
    }
    for (userid, user) in users {
        write(bucket, &user_key(&userid), &user).await?;
    }
    Ok(())
}

async fn write(bucket: &Bucket, key: &str, value: &impl serde::Serialize) -> Result<(), Failure> {
    let value = serde_json::to_vec(value).unwrap_or_default();
    match bucket.put(key, value.into(), 0).await {
        Ok(_) | Err(Failure::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn see(shared: &Shared, life: u64, entry: &Entry) {
    let value = (entry.operation == Operation::Put).then_some(entry.value.as_ref());
    let effect = shared
        .view()
        .see(&shared.node, &entry.key, value, entry.revision);
    tell(shared, effect);
    shared.heard.send_replace((life, entry.revision));
}

fn tell(shared: &Shared, effects: impl IntoIterator<Item = Effect>) {
    let Some(listener) = shared.listener() else {
        return;
    };
    for effect in effects {
        tell_one(listener.as_ref(), effect);
    }
}

fn tell_one(listener: &dyn StoreListener, effect: Effect) {
    match effect {
        Effect::Room(update) => listener.changed(update),
        Effect::Moved(moved) => listener.moved(moved),
    }
}
