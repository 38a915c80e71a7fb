//! What received tracks ask of the connection that they belong to.

use std::time::Instant;

use tokio::runtime::Handle;

use crate::connection::core::shared::ConnectionShared;
use crate::media::track::{MediaOrigin, SenderClock};
use crate::rtp::{KeyframeRequest, ReceiverId};

impl MediaOrigin for ConnectionShared {
    fn request_keyframe(&self, key: u32, request: KeyframeRequest) {
        {
            let mut state = self.lock();
            state
                .engine
                .request_keyframe(Instant::now(), ReceiverId(key), request);
        }
        self.wake();
    }

    fn keyframe_wanted(&self, key: u32, request: KeyframeRequest) {
        let now = Instant::now();
        {
            let mut state = self.lock();
            let id = ReceiverId(key);
            let Some(request) = state.receiving.keyframe_wanted(now, id, request) else {
                return;
            };
            state.engine.request_keyframe(now, id, request);
        }
        self.wake();
    }

    fn over_budget(&self) {
        self.wake();
    }

    fn sender_clock(&self, key: u32) -> Option<SenderClock> {
        let state = self.lock();
        let media = state.engine.media();
        let ssrcs = media.receiver_ssrcs(ReceiverId(key));
        let clocks = ssrcs
            .iter()
            .filter_map(|ssrc| state.engine.rtp().inbound_stats(*ssrc)?.clock);
        let last = clocks.max_by_key(|clock| clock.arrived)?;
        Some(SenderClock::new(last.ntp, last.rtp_timestamp, last.arrived))
    }

    fn runtime(&self) -> Handle {
        self.socket.runtime.clone()
    }
}
