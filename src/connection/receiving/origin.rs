//! What received tracks ask of the connection that they belong to.

use std::time::Instant;

use tokio::runtime::Handle;

use crate::connection::core::shared::ConnectionShared;
use crate::media::track::MediaOrigin;
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

    fn over_budget(&self) {
        self.wake();
    }
    fn runtime(&self) -> Handle {
        self.socket.runtime.clone()
    }
}
