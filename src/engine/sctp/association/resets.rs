//! Which streams are being ended, and what the peer was asked and answered (RFC 6525).

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::engine::sctp::wire;

/// Section 4.4.
pub(super) const NOTHING_TO_DO: u32 = 0;
pub(super) const RETRY: Duration = Duration::from_millis(400);
/// In the heartbeats beside requests, before the number of the request.
const HEARTBEAT_NAME: [u8; 4] = *b"rset";

pub(super) struct Deferred {
    pub(super) request: u32,
    pub(super) last_tsn: u32,
    pub(super) streams: Vec<u16>,
}

pub(super) struct Resets {
    /// Streams of ours to be ended, until the peer knows.
    pub(super) asked: HashSet<u16>,
    /// Those of them that are not asked for yet, and have nothing to send.
    pub(super) ready: VecDeque<u16>,
    /// Not every peer can have a stream end.
    pub(super) supported: bool,
    /// Streams that have ended here, and can not be used again.
    pub(super) retired: HashSet<u16>,
    /// Heartbeats answered since the request.
    pub(super) heartbeats: u32,
    pub(super) next_request: u32,
    pub(super) outstanding: Option<(u32, Vec<u16>)>,
    pub(super) due: Option<Instant>,
    pub(super) interval: Duration,
    pub(super) peer_next: u32,
    pub(super) last_response: (u32, u32),
    /// The peer's request that waits for data: never more than one, since requests are in turn.
    pub(super) deferred: Option<Deferred>,
}

impl Resets {
    pub(super) fn new(initial_tsn: u32) -> Self {
        Self {
            asked: HashSet::new(),
            ready: VecDeque::new(),
            supported: true,
            retired: HashSet::new(),
            heartbeats: 0,
            next_request: initial_tsn,
            outstanding: None,
            due: None,
            interval: RETRY,
            peer_next: 0,
            last_response: (0, NOTHING_TO_DO),
            deferred: None,
        }
    }

    /// Section 5.1.1: the numbers of requests begin with the initial TSN.
    pub(super) fn begin(&mut self, initial_tsn: u32, supported: bool) {
        self.peer_next = initial_tsn;
        self.last_response = (initial_tsn.wrapping_sub(1), NOTHING_TO_DO);
        self.supported = supported;
    }

    pub(super) fn ask(&mut self, stream: u16) {
        if self.asked.insert(stream) {
            self.ready.push_back(stream);
        }
    }

    pub(super) fn is_retired(&self, stream: u16) -> bool {
        self.retired.contains(&stream)
    }

    /// The peer has answered a heartbeat.
    pub(super) fn on_heartbeat(&mut self, body: &[u8]) {
        let answered = self.outstanding.as_ref().is_some_and(|(request, _)| {
            wire::parameters(body).flatten().next() == Some((1, &heartbeat(*request)[..]))
        });
        self.heartbeats = self.heartbeats.saturating_add(answered.into());
    }
}

/// What a heartbeat beside a request says.
pub(super) fn heartbeat(request: u32) -> [u8; 8] {
    let mut info = [0; 8];
    let (name, number) = info.split_at_mut(4);
    name.copy_from_slice(&HEARTBEAT_NAME);
    number.copy_from_slice(&request.to_be_bytes());
    info
}
