//! WHIP: what a client sends goes into a room, as a user's stream.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use ortc::{Kind, MediaForward, MediaStream, MediaStreamTrack, RTCConnectionEvent};
use ortc_rooms::session::{Event, Events, OneWay, Room, Session};
use ortc_rooms::signalling::RoomName;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::Reply;
use super::bridges::{Bridge, Bridges, Place, random};
use super::codecs::{Offered, media, with_repair};
use super::fault::Fault;
use super::guest::Guest;
use super::offer::Offer;
use super::way::Way;
use crate::metrics::Counted;
use crate::site::Site;

/// A client that does not connect, or is lost, is given up after that.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A bridge that was made: its id, and the answer.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) answer: String,
}

/// What of an offer is taken.
fn chosen(offer: &Offer) -> Result<Vec<(Kind, Vec<Offered>)>, Fault> {
    let mut found = Vec::new();
    for kind in [Kind::Audio, Kind::Video] {
        let Some(section) = offer.only(kind)? else {
            continue;
        };
        if !section.sends {
            let words = format!("the {kind} of the offer is not sent, which is all that WHIP does");
            return Err(Fault::offer(words));
        }
        // One, so that what goes on is of one kind from beginning to end.
        let best = media(&section.codecs, kind).next();
        let best = best.ok_or_else(|| {
            let words = format!("none of the {kind} codecs of the offer is known here");
            Fault::new(StatusCode::NOT_ACCEPTABLE, words)
        })?;
        found.push((kind, with_repair(&section.codecs, &[best])));
    }
    match found.is_empty() {
        true => Err(Fault::offer("the offer has neither audio nor video")),
        false => Ok(found),
    }
}

/// Takes what an offer sends into a room.
pub(super) async fn publish(
    site: &Arc<Site>,
    bridges: &Arc<Bridges>,
    room: RoomName,
    offer: &Offer,
    guest: Guest,
    token: Option<String>,
) -> Result<Made, Fault> {
    let place = bridges.place()?;
    let chosen = chosen(offer)?;
    let mut way = Way::open(bridges, offer)?;
    let mut tracks = Vec::new();
    for (kind, codecs) in &chosen {
        if let Some(section) = offer.only(*kind)? {
            let description = section.description(*kind, codecs);
            tracks.push(way.connection.receive_track(description)?);
        }
    }
    way.look(offer).await?;
    let request = guest.request(site, &room);
    let (session, events) = guest.arrive(site, bridges).await?;
    let room = session.open_or_join(request).await?;
    let replies: Vec<Option<Reply>> = offer
        .sections
        .iter()
        .map(|section| {
            let (_, codecs) = chosen
                .iter()
                .find(|(kind, _)| Some(*kind) == section.kind)?;
            Some(Reply {
                codecs: codecs.clone(),
                sent: None,
                received: true,
            })
        })
        .collect();
    let answer = way.answer(offer, &replies);
    let first = offer.sections.iter().find(|one| one.kind.is_some());
    let first = first
        .cloned()
        .ok_or_else(|| Fault::offer("nothing is sent"))?;
    let id = random::<16>()?;
    let bridge = bridges.add(
        &id,
        Bridge {
            connection: way.connection.clone(),
            token,
            first,
            candidates: way.candidates.clone(),
            restarts: std::sync::Mutex::new(0),
            stop: tokio::sync::Notify::new(),
        },
    );
    let published = Published {
        way,
        session,
        events,
        room,
        tracks,
        sent: None,
        _place: (place, site.metrics.bridge("whip")),
    };
    let (bridges, shutdown, of) = (bridges.clone(), site.shutdown.clone(), id.clone());
    tokio::spawn(async move {
        published.carry(&bridge, shutdown).await;
        bridges.remove(&of);
    });
    Ok(Made { id, answer })
}

/// What is carried into a room.
struct Published {
    way: Way,
    session: Session,
    events: Events,
    room: Room,
    tracks: Vec<MediaStreamTrack>,
    sent: Option<(MediaStream, Vec<MediaForward>)>,
    _place: (Place, Counted),
}

impl Published {
    /// Until the client, the room or the server ends it.
    async fn carry(mut self, bridge: &Bridge, mut shutdown: watch::Receiver<bool>) {
        let mut patience = Some(soon());
        loop {
            let end = patience.unwrap_or_else(|| soon() + PATIENCE);
            tokio::select! {
                event = self.way.events.next() => match event {
                    Some(RTCConnectionEvent::Connected) => {
                        patience = None;
                        self.show();
                    }
                    Some(RTCConnectionEvent::Disconnected { reason }) if reason.is_transient() => {
                        patience = Some(soon());
                    }
                    Some(RTCConnectionEvent::Disconnected { .. }) | None => break,
                    Some(_) => {}
                },
                event = self.events.next() => match event {
                    Some(Event::Ended { .. } | Event::Closed { .. }) | None => break,
                    Some(_) => {}
                },
                () = sleep_until(end), if patience.is_some() => break,
                () = bridge.stop.notified() => break,
                _ = shutdown.wait_for(|ends| *ends) => break,
            }
        }
        self.way.connection.close();
        self.session.end();
    }

    /// The others see it from now on.
    fn show(&mut self) {
        if self.sent.is_some() {
            return;
        }
        let stream = MediaStream::new();
        let forwards = self.tracks.iter().filter_map(|track| track.forward().ok());
        let forwards: Vec<MediaForward> = forwards.collect();
        for forward in &forwards {
            stream.add_track(forward.track());
        }
        if let Err(error) = self.room.add_stream_with(&stream, OneWay) {
            tracing::warn!(target: "ortc_server::whip", %error, "what is published is not sent");
        }
        self.sent = Some((stream, forwards));
    }
}

pub(super) fn soon() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}
