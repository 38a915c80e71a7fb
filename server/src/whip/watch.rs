//! WHEP: what a user of a room sends goes to a player.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use ortc::{Kind, MediaForward, MediaStream, MediaStreamTrack, RTCConnectionEvent, RTCTrack};
use ortc_rooms::session::{Event, Events, Origin, Session};
use ortc_rooms::signalling::{RoomName, SessionKind, UserId};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::Reply;
use super::bridges::{Bridge, Bridges, Place, random};
use super::codecs::{Offered, media, with_repair};
use super::fault::Fault;
use super::guest::Guest;
use super::offer::Offer;
use super::publish::{Made, PATIENCE, soon};
use super::section::Section;
use super::way::Way;
use crate::metrics::Counted;
use crate::site::Site;

/// A stream has to be there, or to come, within that.
const WAIT: Duration = Duration::from_secs(8);
/// Its other track may come so much later.
const REST: Duration = Duration::from_secs(2);
/// Streams that are known.
const MAX_STREAMS: usize = 256;

/// What is to be watched: a room's only stream, a user's, or one by its id.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) room: RoomName,
    pub(super) user: Option<UserId>,
    pub(super) stream: Option<String>,
}

/// A stream of the room.
struct Shown {
    user: UserId,
    id: String,
    session: SessionKind,
    tracks: Vec<MediaStreamTrack>,
}

impl Shown {
    fn track(&self, kind: Kind) -> Option<&MediaStreamTrack> {
        self.tracks.iter().find(|track| track.kind() == kind)
    }

    /// Whether all has come that was told of it.
    fn is_whole(&self) -> bool {
        let audio = !self.session.audio || self.track(Kind::Audio).is_some();
        let picture = self.session.video || self.session.screen;
        audio && (!picture || self.track(Kind::Video).is_some())
    }
}

/// The streams of a room that fit a wish, in the order in which they came.
struct Streams {
    wish: Wish,
    known: Vec<Shown>,
}

impl Streams {
    fn note(&mut self, event: Event) {
        let fits = |user: &UserId, id: &String| {
            self.wish.user.as_ref().is_none_or(|wanted| wanted == user)
                && self.wish.stream.as_ref().is_none_or(|wanted| wanted == id)
        };
        match event {
            Event::Stream(stream) if stream.origin == Origin::Remote => {
                let is_wanted = fits(&stream.userid, &stream.stream_id);
                if is_wanted && self.known.len() < MAX_STREAMS {
                    self.known.push(Shown {
                        user: stream.userid,
                        id: stream.stream_id,
                        session: stream.session,
                        tracks: stream.stream.tracks(),
                    });
                }
            }
            Event::Track {
                userid,
                stream_id,
                track,
                ..
            } => {
                let mut known = self.known.iter_mut();
                let of = known.find(|one| one.user == userid && one.id == stream_id);
                if let Some(shown) = of.filter(|one| !one.tracks.contains(&track)) {
                    shown.tracks.push(track);
                }
            }
            Event::StreamEnded {
                userid, stream_id, ..
            } => self
                .known
                .retain(|one| one.user != userid || one.id != stream_id),
            _ => {}
        }
    }

    /// The one to be shown: one with a picture before one without.
    fn best(&self) -> Option<&Shown> {
        let mut all = self.known.iter();
        let pictured = all.find(|one| one.track(Kind::Video).is_some());
        pictured.or(self.known.first())
    }

    /// Waits for one.
    async fn first(&mut self, events: &mut Events) -> Result<(), Fault> {
        let mut end = Instant::now().checked_add(WAIT).unwrap_or_else(soon);
        let mut found = false;
        loop {
            if self.known.iter().any(Shown::is_whole) {
                return Ok(());
            }
            if !found && !self.known.is_empty() {
                found = true;
                end = Instant::now().checked_add(REST).unwrap_or_else(soon);
            }
            match timeout_at(end, events.next()).await {
                Ok(Some(event)) => self.note(event),
                Err(_) if found => return Ok(()),
                Ok(None) | Err(_) => {
                    let words = "nobody sends there what is to be watched";
                    return Err(Fault::later(StatusCode::NOT_FOUND, words, 5));
                }
            }
        }
    }
}

/// Sends what is watched to a player.
pub(super) async fn show(
    site: &Arc<Site>,
    bridges: &Arc<Bridges>,
    wish: Wish,
    offer: &Offer,
    guest: Guest,
    token: Option<String>,
) -> Result<Made, Fault> {
    let place = bridges.place()?;
    let sections = [offer.only(Kind::Audio)?, offer.only(Kind::Video)?];
    let mut sections = sections.into_iter().flatten();
    let first = sections.find(|section| section.receives);
    let first = first.ok_or_else(|| Fault::offer("the offer wants neither audio nor video"))?;
    let request = guest.request(site, &wish.room);
    let (session, mut events) = guest.arrive(site, bridges).await?;
    session.join(request).await?;
    let mut streams = Streams {
        wish,
        known: Vec::new(),
    };
    streams.first(&mut events).await?;
    let mut way = Way::open(bridges, offer)?;
    let (stream, forwards) = forwards(&streams, offer)?;
    way.connection.add_stream(&stream)?;
    let mut replies = Vec::new();
    for section in &offer.sections {
        let mut all = forwards.iter();
        let forward = all.find(|(kind, ..)| Some(*kind) == section.kind);
        let track = forward.and_then(|(_, track, _)| way.connection.track(track));
        replies.push(reply(section, track.as_ref())?);
    }
    way.look(offer).await?;
    let answer = way.answer(offer, &replies);
    let id = random::<16>()?;
    let bridge = bridges.add(
        &id,
        Bridge {
            connection: way.connection.clone(),
            token,
            first: first.clone(),
            candidates: way.candidates.clone(),
            restarts: std::sync::Mutex::new(0),
            stop: tokio::sync::Notify::new(),
        },
    );
    let watched = Watched {
        way,
        session,
        events,
        streams,
        forwards,
        _place: (place, site.metrics.bridge("whep")),
    };
    let (bridges, shutdown, of) = (bridges.clone(), site.shutdown.clone(), id.clone());
    tokio::spawn(async move {
        watched.carry(&bridge, shutdown).await;
        bridges.remove(&of);
    });
    Ok(Made { id, answer })
}

/// Each with its track in the stream that is sent.
type Forwards = Vec<(Kind, MediaStreamTrack, MediaForward)>;

/// Forwards of what a stream has and the offer wants.
fn forwards(streams: &Streams, offer: &Offer) -> Result<(MediaStream, Forwards), Fault> {
    let stream = MediaStream::new();
    let mut forwards = Vec::new();
    let shown = streams.best();
    for kind in [Kind::Audio, Kind::Video] {
        let wanted = offer.only(kind)?.is_some_and(|section| section.receives);
        let track = shown.and_then(|one| one.track(kind));
        if let Some(track) = track.filter(|_| wanted) {
            let forward = track.forward()?;
            let track = stream.add_track(forward.track());
            forwards.push((kind, track, forward));
        }
    }
    match forwards.is_empty() {
        true => Err(Fault::later(
            StatusCode::NOT_FOUND,
            "what is sent there is not what the offer wants",
            5,
        )),
        false => Ok((stream, forwards)),
    }
}

/// The answer to a section: sent by what both know, or nothing is sent there.
fn reply(section: &Section, track: Option<&RTCTrack>) -> Result<Option<Reply>, Fault> {
    let Some(kind) = section.kind else {
        return Ok(None);
    };
    let all: Vec<&Offered> = media(&section.codecs, kind).collect();
    let Some(track) = track else {
        return Ok((!all.is_empty()).then(|| Reply {
            codecs: with_repair(&section.codecs, &all),
            sent: None,
            received: false,
        }));
    };
    let own = track.codecs()?;
    let known = |offered: &&Offered| own.iter().any(|one| offered.is(one));
    let both: Vec<&Offered> = all.into_iter().filter(known).collect();
    let codecs = with_repair(&section.codecs, &both);
    let list = codecs.iter().map(|offered| offered.codec.clone()).collect();
    if both.is_empty() || track.set_codecs(list).is_err() {
        let words = format!("the player does not know the codec of the {kind} that is sent there");
        return Err(Fault::new(StatusCode::NOT_ACCEPTABLE, words));
    }
    if section.mid.is_some() {
        track.set_mid(section.mid.clone())?;
    }
    Ok(Some(Reply {
        codecs,
        sent: Some(track.description()?),
        received: false,
    }))
}

/// What is carried to a player.
struct Watched {
    way: Way,
    session: Session,
    events: Events,
    streams: Streams,
    forwards: Forwards,
    _place: (Place, Counted),
}

impl Watched {
    /// Until the player, the room or the server ends it.
    async fn carry(mut self, bridge: &Bridge, mut shutdown: watch::Receiver<bool>) {
        let mut patience = Some(soon());
        loop {
            let end = patience.unwrap_or_else(|| soon() + PATIENCE);
            tokio::select! {
                event = self.way.events.next() => match event {
                    Some(RTCConnectionEvent::Connected) => patience = None,
                    Some(RTCConnectionEvent::Disconnected { reason }) if reason.is_transient() => {
                        patience = Some(soon());
                    }
                    Some(RTCConnectionEvent::Disconnected { .. }) | None => break,
                    Some(_) => {}
                },
                event = self.events.next() => match event {
                    Some(Event::Ended { .. } | Event::Closed { .. }) | None => break,
                    Some(event) => {
                        self.streams.note(event);
                        self.follow();
                    }
                },
                () = sleep_until(end), if patience.is_some() => break,
                () = bridge.stop.notified() => break,
                _ = shutdown.wait_for(|ends| *ends) => break,
            }
        }
        self.way.connection.close();
        self.session.end();
    }

    /// When what is shown has ended, the next is shown.
    fn follow(&self) {
        for (kind, _, forward) in &self.forwards {
            let present = forward.source();
            let mut all = self.streams.known.iter();
            if all.any(|one| one.track(*kind) == Some(&present)) {
                continue;
            }
            // One in another codec is not for this player.
            let mut others = self.streams.known.iter().filter_map(|one| one.track(*kind));
            let _ = others.find(|track| forward.set_source(track).is_ok());
        }
    }
}
