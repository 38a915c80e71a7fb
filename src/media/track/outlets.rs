//! Where what is written to a track goes: the connections that send it.

use std::any::Any;
use std::sync::{Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;

use crate::dtmf::Command;
use crate::error::Result;
use crate::locks::{Rank, lock_at};
use crate::rtp::{AudioLevel, RtpPacket};

/// A connection as its tracks see it.
pub(crate) trait MediaSink: Send + Sync {
    fn write_sample(
        &self,
        key: u32,
        data: &Bytes,
        duration: Duration,
        level: Option<AudioLevel>,
    ) -> Result<()>;
    fn write_rtp(&self, key: u32, packet: &RtpPacket) -> Result<()>;
    fn play_dtmf(&self, key: u32, command: &Command) -> Result<()>;
}

/// The clone of the track that an outlet sends, told by its address.
pub(super) type Owner = Weak<dyn Any + Send + Sync>;

/// Where a connection takes media of a track; held weakly, a track never keeps a connection alive.
struct Outlet {
    sink: Weak<dyn MediaSink>,
    key: u32,
    owner: Owner,
}

/// The outlets of one source.
#[derive(Default)]
pub(crate) struct Outlets {
    all: Mutex<Vec<Outlet>>,
}

impl Outlets {
    /// Calls `f` for each connection that sends the track; the first error, after all are served.
    pub(crate) fn for_each(
        &self,
        mut f: impl FnMut(&dyn MediaSink, u32) -> Result<()>,
    ) -> Result<()> {
        let mut outlets = lock_at(Rank::Outlets, &self.all);
        let mut result = Ok(());
        outlets.retain(|outlet| match outlet.sink.upgrade() {
            Some(sink) => {
                let written = f(sink.as_ref(), outlet.key);
                if result.is_ok() {
                    result = written;
                }
                true
            }
            None => false,
        });
        result
    }

    /// Has a connection take what the owner sends. `first` is done before anything that is written
    /// to the track later.
    pub(super) fn add(
        &self,
        sink: Weak<dyn MediaSink>,
        key: u32,
        owner: Owner,
        first: impl FnOnce(),
    ) {
        let mut outlets = lock_at(Rank::Outlets, &self.all);
        // A connection that is gone keeps its memory as long as it is listed.
        outlets.retain(|outlet| outlet.sink.strong_count() > 0);
        outlets.push(Outlet { sink, key, owner });
        first();
    }

    pub(super) fn remove(&self, sink: &Weak<dyn MediaSink>, key: u32, owner: &Owner) {
        lock_at(Rank::Outlets, &self.all).retain(|outlet| {
            !(outlet.key == key && outlet.sink.ptr_eq(sink) && outlet.owner.ptr_eq(owner))
        });
    }
}
