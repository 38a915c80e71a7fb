//! Files to peers and from them.

use std::path::PathBuf;
use std::sync::Arc;

use ortc::{RTCConnection, RTCConnectionState, RTCDataChannel, RTCDataChannelOptions};

use super::anew::again;
use super::error::{Error, Result};
use super::event::Event;
use super::kept::Kept;
use super::link::PeerLink;
use super::options::AutoSave;
use super::passing::Pass;
use super::peer::Peer;
use super::room::Room;
use super::state::Shared;
use crate::files::{Code, FileOffer, SendOptions, Source, Transfer, TransferId};
use crate::signalling::{Role, RoomName, User, UserId};

/// The channels of transfers, one each, and the protocol that they speak.
const LABEL: &str = "rooms.file";
const PROTOCOL: &str = "ortc-files";
/// Offers that wait for an answer; more are refused.
const MAX_OFFERS: usize = 16;

impl Shared {
    /// Offers a source to a peer that is connected.
    pub(super) fn send_files(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        source: Arc<Source>,
        options: SendOptions,
    ) -> Result<Transfer> {
        let (channel, instance) = self.file_channel(room, peer, None, None)?;
        let _runtime = self.runtime.enter();
        let again = again(
            Arc::downgrade(self),
            room.clone(),
            peer.clone(),
            instance,
            None,
        );
        let transfer = Transfer::send_again(channel, source, options, Some(again));
        self.follow(room, peer, true, &transfer);
        Ok(transfer)
    }

    /// A channel for a transfer, and the connection that it is of: another one than `before`. By a
    /// hub, it is a transfer `of` another.
    pub(super) fn file_channel(
        &self,
        room: &RoomName,
        peer: &UserId,
        before: Option<u64>,
        of: Option<&UserId>,
    ) -> Result<(RTCDataChannel, u64)> {
        let mut state = self.lock();
        let role = state.role;
        let entry = state.room_mut(room)?;
        if !entry.state.session.data {
            return Err(Error::NoData);
        }
        if role == Role::Inspector {
            return Err(Error::Inspector);
        }
        let direct = entry.peers.get(peer).is_some_and(|link| link.connected);
        let link = entry.carrier(peer);
        let link = link.filter(|link| before.is_none_or(|before| before != link.instance));
        let link = link.filter(|link| before.is_none() || link.connected);
        let there = link.and_then(|link| Some((link.connection.as_ref()?, link.instance)));
        let (connection, instance) = there.ok_or_else(|| Error::NoSuchPeer(peer.clone()))?;
        let by_hub = !direct && entry.peers.get(peer).is_some_and(|link| link.by_hub);
        let channel = match of {
            Some(of) => open(connection, of, true)?,
            None => open(connection, peer, by_hub)?,
        };
        Ok((channel, instance))
    }

    /// Whether that connection still works: then the peer has ended the channel alone.
    pub(super) fn still_works(&self, room: &RoomName, peer: &UserId, instance: u64) -> bool {
        let state = self.lock();
        let link = state.rooms.get(room).and_then(|entry| entry.carrier(peer));
        let connection = link.filter(|link| link.instance == instance && link.connected);
        let connection = connection.and_then(|link| link.connection.as_ref());
        connection.is_some_and(|connection| connection.state() == RTCConnectionState::Connected)
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
                Ok(offer) => shared.offered(room, &peer, offer, waits),
                Err(error) => {
                    tracing::debug!(target: "ortc_rooms::session", %error, "no offer of files");
                }
            }
        });
    }
}

impl Shared {
    /// A peer offers something: what goes on with a transfer needs no further answer.
    fn offered(
        self: &Arc<Self>,
        room: RoomName,
        peer: &UserId,
        offer: FileOffer<RTCDataChannel>,
        waits: Arc<()>,
    ) {
        let user = match self.lock().rooms.get(&room) {
            Some(entry) => entry.user(peer).cloned(),
            None => return,
        };
        // Of one who has gone a hub says who that was.
        let user = user.unwrap_or_else(|| {
            let mut user = User::new(peer.clone(), Role::default());
            user.extra = offer.extra().clone();
            user
        });
        // No name of a room or user has a line break.
        let from = format!("{room}\n{peer}");
        let Some(offer) = offer.unless_awaited(&self.accepted, &from) else {
            return;
        };
        let (shared, of, with) = (Arc::downgrade(self), room.clone(), peer.clone());
        let offer = offer
            .holding(waits)
            .at_home(self.accepted.clone(), from)
            .telling(move |transfer| {
                if let Some(shared) = shared.upgrade() {
                    shared.follow(&of, &with, false, transfer);
                }
            });
        match &self.options.auto_save {
            Some(AutoSave { folder, options }) => {
                offer.accept(folder, options.clone());
            }
            None => self.event(Event::FileOffer { room, user, offer }),
        }
    }
}

impl Shared {
    /// Keeps a source that goes to all who are there now.
    ///
    /// # Errors
    ///
    /// `NotInRoom`.
    pub(super) fn keep(
        &self,
        room: &RoomName,
        source: &Arc<Source>,
        options: &SendOptions,
    ) -> Result<()> {
        let most = self.options.kept_files;
        let mut state = self.lock();
        let entry = state.room_mut(room)?;
        let reached = |link: &PeerLink| link.connected || link.by_hub;
        let there = entry.peers.iter().filter(|(_, link)| reached(link));
        let kept = Kept {
            source: source.clone(),
            options: options.clone(),
            offered: there.map(|(peer, _)| peer.clone()).collect(),
        };
        entry.kept.push(kept);
        let bytes = |kept: &[Kept]| -> u64 { kept.iter().map(|kept| kept.source.bytes()).sum() };
        while entry.kept.len() > most.offers || bytes(&entry.kept) > most.bytes {
            entry.kept.remove(0);
        }
        Ok(())
    }

    /// Offers what is kept to one who has come.
    pub(super) fn offer_kept(self: &Arc<Self>, room: &RoomName, peer: &UserId) {
        if self.hub {
            return self.offer_left(room, peer);
        }
        let mut due = Vec::new();
        if let Some(entry) = self.lock().rooms.get_mut(room) {
            for kept in &mut entry.kept {
                if kept.offered.insert(peer.clone()) {
                    due.push((kept.source.clone(), kept.options.clone()));
                }
            }
        }
        for (source, options) in due {
            if let Err(error) = self.send_files(room, peer, source, options) {
                tracing::debug!(target: "ortc_rooms::session", %error, "not offered");
            }
        }
    }
}

impl Shared {
    /// By a hub: offers what those left who have gone.
    fn offer_left(self: &Arc<Self>, room: &RoomName, peer: &UserId) {
        let Some(house) = self.house.get() else {
            return;
        };
        for stored in house.files.for_later(&house.hub) {
            let there = match self.lock().rooms.get(room) {
                Some(entry) => entry.peers.contains_key(&stored.from) || !entry.state.session.data,
                None => return,
            };
            // Who is there offers it, and it is brought from here.
            if there || stored.from == *peer || !stored.tell(peer) {
                continue;
            }
            let channel = self.file_channel(room, peer, None, Some(&stored.from));
            let Ok((channel, instance)) = channel else {
                continue;
            };
            let pass = Pass {
                room: room.clone(),
                hub: house.hub.clone(),
                from: stored.from.clone(),
                to: peer.clone(),
                instance,
            };
            let shared = Arc::downgrade(self);
            self.runtime.spawn(async move {
                let transfer = pass.send(shared, TransferId::random(), channel, &stored);
                let _ = transfer.finished().await;
                drop(stored);
            });
        }
    }
}

/// Whether it is the channel of a transfer.
pub(super) fn is_transfer(channel: &RTCDataChannel) -> bool {
    channel.label() == LABEL || with_whom(channel).is_some()
}

/// By a hub: whom a transfer goes to, or comes from.
pub(super) fn with_whom(channel: &RTCDataChannel) -> Option<UserId> {
    let name = channel.label().strip_prefix(LABEL)?.strip_prefix('/')?;
    UserId::new(name).ok()
}

/// A channel for a transfer to a peer, or to or from it by a hub.
pub(super) fn open(
    connection: &RTCConnection,
    with: &UserId,
    by_hub: bool,
) -> ortc::Result<RTCDataChannel> {
    let protocol = RTCDataChannelOptions::default().protocol(PROTOCOL);
    match by_hub {
        true => connection.create_data_channel(format!("{LABEL}/{with}"), protocol),
        false => connection.create_data_channel(LABEL, protocol),
    }
}

impl Peer {
    /// Offers files or folders to this peer, which has to be connected.
    ///
    /// A path that is interrupted ends nothing. If the connection has to be made anew, the transfer
    /// waits for that and goes on where it was; with [`Code::Lost`] it ends if that takes longer
    /// than [`SendOptions::patience`]. [`Event::File`] tells what it does.
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
        if options.keep {
            self.session().shared().keep(self.name(), source, options)?;
        }
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

    /// Forgets what was [kept](SendOptions::keep) for those who come later; what is on its way
    /// goes on.
    pub fn forget_kept(&self) {
        if let Ok(entry) = self.session().shared().lock().room_mut(self.name()) {
            entry.kept.clear();
        }
    }
}
