//! The key-value bucket: each question has a time limit.

use std::future::Future;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::kv::{self, Operation, UpdateErrorKind, Watch};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use bytes::Bytes;

use super::options::ClusterOptions;

#[derive(Clone, Debug)]
pub(super) struct Bucket {
    store: kv::Store,
    patience: Duration,
}

/// Why something was not read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Somebody wrote meanwhile.
    Conflict,
    /// NATS does not answer, or has no such bucket.
    Unavailable(String),
}

/// What is there under a key. A key that was removed has a revision and no value.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) value: Option<Bytes>,
    pub(super) revision: u64,
}

fn unavailable(error: impl std::fmt::Display) -> Failure {
    Failure::Unavailable(error.to_string())
}

async fn within<T, E: std::fmt::Display>(
    patience: Duration,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, question).await {
        Ok(answer) => answer.map_err(unavailable),
        Err(_) => Err(unavailable("no answer in time")),
    }
}

/// The stream under the bucket. The client's own way to make a bucket asks for the account first,
/// whose form is another with older servers (2.9).
fn stream(options: &ClusterOptions) -> Config {
    Config {
        name: format!("KV_{}", options.bucket),
        subjects: vec![format!("$KV.{}.>", options.bucket)],
        description: Some("rooms of ortc servers".to_owned()),
        max_messages_per_subject: 1,
        max_bytes: -1,
        max_messages: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        num_replicas: options.replicas,
        storage: if options.on_disk {
            StorageType::File
        } else {
            StorageType::Memory
        },
        ..Config::default()
    }
}

impl Bucket {
    /// The bucket, made if it is not there.
    pub(super) async fn open(
        jetstream: &jetstream::Context,
        options: &ClusterOptions,
    ) -> Result<Self, Failure> {
        let patience = options.patience;
        let there = within(patience, jetstream.get_key_value(&options.bucket)).await;
        let store = match there {
            Ok(store) => store,
            Err(_) => {
                // Another server may be faster: then it is there.
                let made = within(patience, jetstream.create_stream(stream(options))).await;
                within(patience, jetstream.get_key_value(&options.bucket))
                    .await
                    .map_err(|error| made.err().unwrap_or(error))?
            }
        };
        Ok(Self { store, patience })
    }

    pub(super) async fn get(&self, key: &str) -> Result<Found, Failure> {
        let entry = within(self.patience, self.store.entry(key)).await?;
        Ok(entry.map_or_else(Found::default, |entry| Found {
            value: (entry.operation == Operation::Put).then_some(entry.value),
            revision: entry.revision,
        }))
    }

    /// Writes on condition that the key's last revision is this, 0 if it is not there. The new
    /// revision.
    pub(super) async fn put(&self, key: &str, value: Bytes, last: u64) -> Result<u64, Failure> {
        let written = self.store.update(key, value, last);
        match tokio::time::timeout(self.patience, written).await {
            Ok(Ok(revision)) => Ok(revision),
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                Err(Failure::Conflict)
            }
            Ok(Err(error)) => Err(unavailable(error)),
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    /// Writes whatever is there.
    pub(super) async fn put_anyway(&self, key: &str, value: Bytes) -> Result<u64, Failure> {
        within(self.patience, self.store.put(key, value)).await
    }

    /// Removes a key, if its last revision is this, so that those who watch see it.
    pub(super) async fn remove(&self, key: &str, last: u64) -> Result<(), Failure> {
        within(
            self.patience,
            self.store.delete_expect_revision(key, Some(last)),
        )
        .await
    }

    /// Takes what there is of a key up to a revision out of the bucket. Nobody is told.
    pub(super) async fn purge(&self, key: &str, last: u64) -> Result<(), Failure> {
        let subject = format!("{}{key}", self.store.prefix);
        let purge = self.store.stream.purge().filter(subject);
        within(
            self.patience,
            purge.sequence(last.saturating_add(1)).into_future(),
        )
        .await
        .map(drop)
    }

    /// All that is there, and then what changes.
    pub(super) async fn watch(&self) -> Result<Watch, Failure> {
        within(self.patience, self.store.watch_with_history(">")).await
    }
}
