//! Files to peers and from them.

use std::path::PathBuf;
use std::sync::Arc;

use ortc::{RTCDataChannel, RTCDataChannelOptions};

use super::error::{Error, Result};
use super::event::Event;
use super::link::PeerLink;
use super::peer::Peer;
use super::room::Room;
use super::state::Shared;
use crate::files::{Code, FileOffer, SendOptions, Source, Transfer};
use crate::signalling::{Role, RoomName, UserId};

/// The channels of transfers, one each, and the protocol that they speak.
const LABEL: &str = "rooms.file";
const PROTOCOL: &str = "ortc-files";
/// Offers that wait for an answer; more are refused.
const MAX_OFFERS: usize = 16;

impl Shared {
    /// Offers a source to a peer that is connected.
    pub(super) fn send_files(
        &self,
        room: &RoomName,
        peer: &UserId,
        source: Arc<Source>,
        options: SendOptions,
    ) -> Result<Transfer> {
        let mut state = self.lock();
        let role = state.role;
        let entry = state.room_mut(room)?;
        if !entry.state.session.data {
            return Err(Error::NoData);
        }
        if role == Role::Inspector {
            return Err(Error::Inspector);
        }
        let link = entry.peers.get(peer);
        let connection = link.and_then(|link| link.connection.as_ref());
        let connection = connection.ok_or_else(|| Error::NoSuchPeer(peer.clone()))?;
        let protocol = RTCDataChannelOptions::default().protocol(PROTOCOL);
        let channel = connection.create_data_channel(LABEL, protocol)?;
        drop(state);
        let _runtime = self.runtime.enter();
        Ok(Transfer::send(channel, source, options))
    }

    /// Reads what is offered over a channel, and tells it.
    pub(super) fn read_offer(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        link: &PeerLink,
        channel: RTCDataChannel,
    ) {
        let (shared, reads) = (Arc::downgrade(self), link.readers.clone());
        let (room, peer) = (room.clone(), peer.clone());
        let waits = self.offers.clone();
        // One is the session's own, one this.
        let many = Arc::strong_count(&waits) > MAX_OFFERS.saturating_add(1);
        let wanted = self.options.incoming.data;
        self.runtime.spawn(async move {
            let refused = match (wanted, many) {
                (false, _) => Some((Code::Rejected, "no files are taken")),
                (true, true) => Some((Code::TooManyOffers, "too many offers wait already")),
                (true, false) => None,
            };
            if let Some((code, why)) = refused {
                FileOffer::refuse(channel, code, why).await;
                return;
            }
            let offer = FileOffer::receive(channel).await;
            drop(reads);
            let Some(shared) = shared.upgrade() else {
                return;
            };
            match offer {
                Ok(offer) => {
                    let user = match shared.lock().rooms.get(&room) {
                        Some(entry) => entry.user_or_bare(&peer),
                        None => return,
                    };
                    let offer = offer.holding(waits);
                    shared.event(Event::FileOffer { room, user, offer });
                }
                Err(error) => {
                    tracing::debug!(target: "ortc_rooms::session", %error, "no offer of files");
                }
            }
        });
    }
}

/// Whether it is the channel of a transfer.
pub(super) fn is_transfer(channel: &RTCDataChannel) -> bool {
    channel.label() == LABEL
}

impl Peer {
    /// Offers files or folders to this peer, which has to be connected.
    ///
    /// A transfer ends with [`Code::Lost`] if the connection has to be made anew; the same source
    /// then goes on where it was. A path that is only interrupted ends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`]; [`Error::NoData`]; [`Error::Inspector`]; [`Error::NotInRoom`].
    pub fn send_source(&self, source: Arc<Source>, options: SendOptions) -> Result<Transfer> {
        let shared = self.session().shared();
        shared.send_files(self.room(), self.userid(), source, options)
    }

    /// Offers a file, or a folder with all that is in it.
    ///
    /// # Errors
    ///
    /// As [`send_source`](Self::send_source); [`Error::File`] if it cannot be read.
    pub async fn send_file(&self, path: impl Into<PathBuf>) -> Result<Transfer> {
        let source = Source::open([path]).await?;
        self.send_source(source.into(), SendOptions::default())
    }
}

impl Room {
    /// Offers files or folders to all who are connected in the room, each at its own speed.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_source`].
    pub fn send_source(
        &self,
        source: &Arc<Source>,
        options: &SendOptions,
    ) -> Result<Vec<(UserId, Transfer)>> {
        let peers = self.peers().into_iter().filter(Peer::is_connected);
        peers
            .map(|peer| {
                let transfer = peer.send_source(source.clone(), options.clone())?;
                Ok((peer.userid().clone(), transfer))
            })
            .collect()
    }

    /// Offers a file, or a folder with all that is in it, to all who are connected in the room.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_file`].
    pub async fn send_file(&self, path: impl Into<PathBuf>) -> Result<Vec<(UserId, Transfer)>> {
        let source = Arc::new(Source::open([path]).await?);
        self.send_source(&source, &SendOptions::default())
    }
}
