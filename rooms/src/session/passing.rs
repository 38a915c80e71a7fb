//! A hub that keeps files: each comes once, and goes to each at its speed.

use std::sync::{Arc, Weak};

use ortc::RTCDataChannel;

use super::anew::again;
use super::house::{Going, HubFiles, Stored};
use super::joined::pipe_both;
use super::state::Shared;
use crate::files::manifest::Manifest;
use crate::files::{
    Choice, Code, Error, FileOffer, ReceiveOptions, SendOptions, Source, Transfer, TransferId,
    TransferState,
};
use crate::signalling::{Extra, RoomName, User, UserId};

/// A transfer from one to another.
pub(super) struct Pass {
    pub(super) room: RoomName,
    pub(super) hub: UserId,
    pub(super) from: UserId,
    pub(super) to: UserId,
    /// The connection to whom it is for.
    pub(super) instance: u64,
}

/// The sender's side of it.
enum Side {
    Offered(FileOffer<RTCDataChannel>),
    Comes(Transfer),
}

impl Pass {
    /// From the sender's channel to the receiver's, by what is kept if there is place.
    pub(super) async fn run(
        self,
        shared: Weak<Shared>,
        files: Arc<HubFiles>,
        sender: User,
        up: RTCDataChannel,
        down: RTCDataChannel,
    ) {
        let offer = match FileOffer::receive(up).await {
            Ok(offer) => offer,
            Err(_) => return down.close(),
        };
        let (offer, manifest) = offer.numbered();
        let id = manifest.id.clone();
        let stored = match files.place(&self.hub, &sender, &manifest) {
            Ok(stored) => stored,
            Err(why) => return unkept(offer, &manifest, &why, &down).await,
        };
        let Some((going, offer)) = stored.goes(&self.to, &id, offer) else {
            return down.close();
        };
        drop(stored);
        let transfer = self.send(shared, id, down, &going.stored);
        deliver(going, offer, transfer).await;
    }

    /// Offers it to whom it is for.
    pub(super) fn send(
        self,
        shared: Weak<Shared>,
        id: TransferId,
        down: RTCDataChannel,
        stored: &Stored,
    ) -> Transfer {
        let next = again(shared, self.room, self.to, self.instance, Some(self.from));
        let source = stored.source.clone();
        let mut options = SendOptions::default();
        options.extra = stored.extra.clone();
        let transfer = Transfer::send_as(id, down, source, options, Some(next));
        stored.goes_by(&transfer);
        transfer
    }
}

/// There is no place for it: it goes on from its sender, who is told so.
async fn unkept(
    offer: FileOffer<RTCDataChannel>,
    manifest: &Manifest,
    why: &Error,
    down: &RTCDataChannel,
) {
    let source = Source::passed(manifest, &Default::default());
    for message in source.announced(manifest.id.clone(), manifest.keep, Extra::Null) {
        if down.send(message).await.is_err() {
            break;
        }
    }
    match offer.unkept(why).await {
        Some(up) => pipe_both(&up, down).await,
        None => down.close(),
    }
}

/// What of it whom it is for takes; all of it is for those who come later.
fn chosen(stored: &Stored, down: &Transfer) -> Option<Choice> {
    let chosen = down.progress().chosen;
    chosen.filter(|_| !stored.manifest.keep)
}

/// Until both sides are over.
async fn deliver(mut going: Going, offer: FileOffer<RTCDataChannel>, down: Transfer) {
    let stored = going.stored.clone();
    let mut side = Some(Side::Offered(offer));
    let mut sent = false;
    while side.is_some() || !sent {
        tokio::select! {
            biased;
            newer = going.newer.recv(), if !sent => {
                if let Some(Side::Comes(before)) = side.take() {
                    before.stop();
                }
                side = newer.map(Side::Offered);
            }
            outcome = down.finished(), if !sent => {
                sent = true;
                if let Err(error) = outcome {
                    return end(side, &error).await;
                }
            }
            outcome = feed(&stored, &mut side, &down) => {
                side = None;
                let Err(error) = outcome else {
                    continue;
                };
                match error.code() {
                    _ if stored.has(chosen(&stored, &down).as_ref()) => {}
                    // Its sender may come again.
                    Code::Lost => down.stop(),
                    code => down.leave(code),
                }
            }
        }
    }
}

/// Has it come, once the receiver wants it and unless it is there.
async fn feed(stored: &Stored, side: &mut Option<Side>, down: &Transfer) -> Result<(), Error> {
    if let Some(Side::Offered(offer)) = &*side {
        let mut progress = down.clone();
        let turn = async {
            while progress.progress().state == TransferState::Offered {
                if progress.progressed().await.is_none() {
                    std::future::pending::<()>().await;
                }
            }
            stored.feeding.clone().lock_owned().await
        };
        let turn = tokio::select! {
            error = offer.withdrawn() => return Err(error),
            turn = turn => turn,
        };
        let Some(Side::Offered(offer)) = side.take() else {
            return Ok(());
        };
        let mut options = ReceiveOptions::coming(stored.coming.clone());
        if let Some(chosen) = chosen(stored, down) {
            let all = 0..u32::try_from(offer.files().count()).unwrap_or(u32::MAX);
            options = options.only(all.filter(|file| chosen.has(*file)));
        }
        let transfer = offer.accept(&stored.folder, options);
        *side = Some(Side::Comes(transfer.clone()));
        // The disk is free for the next one only then.
        tokio::spawn(async move {
            let _ = transfer.finished().await;
            drop(turn);
        });
    }
    match side {
        Some(Side::Comes(transfer)) => transfer.finished().await.map(drop),
        _ => std::future::pending().await,
    }
}

/// Whom it is for takes no more.
async fn end(side: Option<Side>, error: &Error) {
    match side {
        Some(Side::Offered(offer)) => offer.end(error).await,
        Some(Side::Comes(transfer)) => {
            transfer.leave(error.code());
            let _ = transfer.finished().await;
        }
        None => {}
    }
}
