//! Files and folders from peer to peer, of any size, over a data channel of their own.
//!
//! The sender offers a [`Source`]; the receiver gets a [`FileOffer`] and accepts it into a folder
//! or not. Both then have a [`Transfer`]: to watch, to pause, to cancel, to wait for. Files are read
//! and written a block at a time, each checked by its BLAKE3 hash; a file has its name once all of
//! it is there. What a lost connection or a killed process left is gone on with when the same source
//! is offered again.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ortc::RTCDataChannel;
//! use ortc_rooms::files::{FileOffer, ReceiveOptions, SendOptions, Source, Transfer};
//!
//! # async fn example(one: RTCDataChannel, other: RTCDataChannel) -> Result<(), Box<dyn std::error::Error>> {
//! let source = Arc::new(Source::open(["photos"]).await?);
//! let sent = Transfer::send(one, source, SendOptions::default());
//!
//! let offer = FileOffer::receive(other).await?;
//! println!("{} of {} bytes", offer.title(), offer.bytes());
//! let received = offer.accept("downloads", ReceiveOptions::default());
//!
//! received.finished().await?;
//! sent.finished().await?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod again;
mod allowance;
mod arriving;
mod assembly;
mod channel;
mod choice;
pub(crate) mod coming;
mod disk;
mod error;
mod hash;
mod id;
mod journal;
pub(crate) mod manifest;
mod message;
mod name;
mod offer;
mod options;
mod part;
mod passed;
mod progress;
mod reader;
mod receiver;
mod sender;
mod source;
mod stall;
mod target;
#[cfg(test)]
mod tests;
mod transfer;
mod writer;

pub use channel::FileChannel;
pub(crate) use choice::Choice;
pub use error::{Code, Error, Result};
pub use hash::Hash;
pub use id::TransferId;
pub(crate) use name::sanitised;
pub use name::shown;
pub use offer::{FileOffer, OfferedFile};
pub use options::{NameTaken, Quota, ReceiveOptions, SendOptions};
pub use progress::{Progress, TransferState};
pub use source::Source;
pub use transfer::{FileDone, Transfer};
