//! Messages that may be lost: a channel without order and repetition, made when it is first used.

use ortc::{RTCConnection, RTCDataChannel, RTCDataChannelOptions, RTCDataChannelState};

use super::clock::clock;
use super::error::{Error, Result};
use super::frame::{Frame, LOSSY, PROTOCOL, Written};
use super::link::{PeerLink, Route};
use super::state::Shared;
use crate::signalling::{Role, RoomName};

/// A peer that has not taken so many bytes misses what comes.
const MAX_BUFFERED: usize = 16 * 1024;
/// The most bytes of one message: a datagram that is not cut.
const MAX_BYTES: usize = 1000;

impl Shared {
    /// To those who are connected; whoever cannot take it at once misses it.
    pub(super) fn post_lossy(&self, room: &RoomName, frame: &Frame) -> Result<()> {
        let state = &mut *self.lock();
        let role = state.role;
        let entry = state.room_mut(room)?;
        if role == Role::Inspector {
            return Err(Error::Inspector);
        }
        let written = frame.clone().write(clock())?;
        if written.bytes > MAX_BYTES {
            return Err(Error::TooLarge(written.bytes, MAX_BYTES));
        }
        let hub = entry.any_hub().map(|hub| hub.userid.clone());
        if entry.all_by_hub() {
            if let Some(link) = hub.and_then(|hub| entry.peers.get_mut(&hub)) {
                send_lossy(link, &written);
            }
            return Ok(());
        }
        for peer in entry.persons() {
            let by_hub = |link: &PeerLink| !matches!(link.route, Route::Direct);
            let hub = hub
                .as_ref()
                .filter(|_| entry.peers.get(&peer).is_some_and(by_hub));
            match hub {
                Some(hub) => {
                    let addressed = written.addressed(&peer);
                    if let Some(link) = entry.peers.get_mut(hub) {
                        send_lossy(link, &addressed);
                    }
                }
                None => {
                    if let Some(link) = entry.peers.get_mut(&peer) {
                        send_lossy(link, &written);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Over a connection that works, if it can be taken at once.
pub(super) fn send_lossy(link: &mut PeerLink, written: &Written) {
    let works = link.connected && link.channel.is_some();
    let Some(connection) = link.connection.as_ref().filter(|_| works) else {
        return;
    };
    let gone = |channel: &RTCDataChannel| {
        !matches!(
            channel.ready_state(),
            RTCDataChannelState::Connecting | RTCDataChannelState::Open
        )
    };
    if link.lossy.as_ref().is_none_or(gone) {
        link.lossy = make(connection);
    }
    let ready = |channel: &&RTCDataChannel| {
        channel.ready_state() == RTCDataChannelState::Open
            && channel.buffered_amount() <= MAX_BUFFERED
    };
    if let Some(channel) = link.lossy.as_ref().filter(ready) {
        for message in &written.messages {
            let _ = channel.try_send(message.clone());
        }
    }
}

fn make(connection: &RTCConnection) -> Option<RTCDataChannel> {
    let options = RTCDataChannelOptions::default()
        .protocol(PROTOCOL)
        .ordered(false)
        .max_retransmits(0);
    let made = connection.create_data_channel(LOSSY, options);
    made.inspect_err(|error| {
        tracing::debug!(target: "ortc_rooms::session", %error, "nothing that may be lost is sent");
    })
    .ok()
}
