//! Where what is written to a track goes: the connections that send it.

use std::any::Any;
use std::sync::{Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::dtmf::Command;
use crate::error::Result;
use crate::locks::{Rank, lock_at};
use crate::media::forward::{Place, SourceFacts};
use crate::media::{MAX_HEAD, Numbers, RTCCodec};
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
    /// Sends packets of another connection; false when it sends nothing at present.
    fn forward(&self, key: u32, batch: &ForwardedBatch<'_>) -> bool;
    /// Whether it would send what is forwarded now.
    fn takes(&self, key: u32) -> bool;
    /// What the receiver last reported of losses, and the round trip to it.
    fn reception(&self, key: u32) -> Option<Reception>;
    /// What was sent is not sent again: other, and less, follows.
    fn forget_sent(&self, key: u32);
    /// Refuses codecs of a source of which it could send none.
    fn may_forward(&self, key: u32, codecs: &[RTCCodec]) -> Result<()>;
}

/// What is known of how a receiver is reached.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reception {
    /// The part that was lost, as it reported last, 0 to 1, and when that came.
    pub(crate) loss: Option<(f64, Instant)>,
    /// The part that was too much for the path, and when that was last found.
    pub(crate) excess: Option<(f64, Instant)>,
    pub(crate) round_trip: Option<Duration>,
    /// How long what waits for the path takes.
    pub(crate) backlog: Duration,
}

/// Packets of a received track that go on.
pub(crate) struct ForwardedBatch<'a> {
    pub(crate) now: Instant,
    pub(crate) packets: &'a [RtpPacket],
    /// Which of them, and where.
    pub(crate) placed: &'a [Placed],
    pub(crate) facts: &'a SourceFacts,
    /// Which timestamp of the line is that of which moment.
    pub(crate) clock: Option<(Instant, u32)>,
}

/// What becomes of the dependency descriptor of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptor {
    AsItIs,
    /// So much is added to the number of its frame.
    Numbered(u16),
    /// Its frames are numbered by themselves, and not as those of the line.
    LeftOut,
}

/// One packet that goes on, and its place in the line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(super) index: usize,
    pub(crate) place: Place,
    /// Its number alone goes on.
    pub(crate) is_filler: bool,
    pub(crate) descriptor: Descriptor,
    head: [u8; MAX_HEAD],
    head_len: usize,
}

impl Placed {
    pub(super) fn new(index: usize, place: Place) -> Self {
        Self {
            index,
            place,
            is_filler: false,
            descriptor: Descriptor::AsItIs,
            head: [0; MAX_HEAD],
            head_len: 0,
        }
    }

    /// The same, with what its payload numbers as the place has it.
    pub(super) fn numbered(index: usize, place: Place, numbers: &Numbers, payload: &[u8]) -> Self {
        let mut placed = Self::new(index, place);
        if place.pictures != (0, 0) {
            placed.descriptor = match numbers.is_of_descriptor {
                true => Descriptor::Numbered(place.pictures.0),
                false => Descriptor::LeftOut,
            };
            placed.head_len = numbers.rewrite(payload, place.pictures, &mut placed.head);
        }
        placed
    }

    /// The first bytes of the payload that are other ones, if any.
    pub(crate) fn head(&self) -> &[u8] {
        self.head.get(..self.head_len).unwrap_or_default()
    }

    pub(super) fn filler(index: usize, place: Place) -> Self {
        Self {
            is_filler: true,
            ..Self::new(index, place)
        }
    }
}

impl ForwardedBatch<'_> {
    /// What goes on, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Placed, &RtpPacket)> {
        let placed = self.placed.iter();
        placed.filter_map(|placed| Some((placed, self.packets.get(placed.index)?)))
    }
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
