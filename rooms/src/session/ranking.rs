//! What a hub tells of who speaks, and what others make of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ortc::{AudioLevel, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::clock;
use super::event::Event;
use super::frame::{self, Frame};
use super::speakers::Ranking;
use super::state::{RoomEntry, Shared};
use crate::signalling::{RoomName, UserId};

/// What a hub says when others speak than before.
pub(super) const SPEAKERS: &str = "hub.speakers";
/// Users of a ranking that are believed.
const MOST_NAMED: usize = 64;

/// Its body.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    order: Vec<UserId>,
    #[serde(default)]
    speaking: Vec<UserId>,
}

impl Shared {
    /// A hub looks at how loud each is, and tells all who speaks.
    pub(super) fn listen(self: &Arc<Self>) {
        let state = &mut *self.lock();
        for entry in state.rooms.values_mut() {
            let levels = levels(entry);
            if let Some(ranking) = entry.speakers.hear(Instant::now(), levels) {
                for peer in entry.persons() {
                    tell(entry, &peer, &ranking);
                }
            }
        }
    }

    /// A hub tells one who came later.
    pub(super) fn tell_speakers(&self, entry: &RoomEntry, peer: &UserId) {
        let ranking = entry.speakers.told();
        if !ranking.order.is_empty() {
            tell(entry, peer, ranking);
        }
    }
}

/// How loud each person is, by the loudest of its microphones. What a screen sounds like is no
/// speech of its user's.
fn levels(entry: &RoomEntry) -> BTreeMap<UserId, Option<AudioLevel>> {
    let mut levels = BTreeMap::new();
    for peer in entry.persons() {
        let tracks = entry.peers.get(&peer).map(|link| &link.received);
        let heard = tracks
            .into_iter()
            .flatten()
            .filter(|one| one.track.kind() == Kind::Audio && !one.session.screen)
            .filter_map(|one| one.track.audio_level());
        levels.insert(peer, heard.min_by_key(|level| level.level));
    }
    levels
}

/// Nobody is told of one that it does not hear.
fn tell(entry: &RoomEntry, peer: &UserId, ranking: &Ranking) {
    let Some(link) = entry.peers.get(peer).filter(|link| link.is_open()) else {
        return;
    };
    let ranking = ranking.of(|one| one == peer || entry.sends(one, peer));
    let frame = Frame::Action(frame::Action {
        name: SPEAKERS.to_owned(),
        body: json!(Told {
            order: ranking.order,
            speaking: ranking.speaking,
        }),
        id: None,
    });
    if let Ok(written) = frame.write(clock()) {
        link.outbox.push(written);
    }
}

/// What a hub has told, for the application; `None` if that has not the form.
pub(super) fn heard(room: &RoomName, body: Value) -> Option<Event> {
    let Told { order, speaking } = serde_json::from_value(body).ok()?;
    let few = |all: Vec<UserId>| all.into_iter().take(MOST_NAMED).collect();
    Some(Event::Speakers {
        room: room.clone(),
        order: few(order),
        speaking: few(speaking),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hub_tells_is_read_with_care() {
        let room = RoomName::new("hall").unwrap();
        let many: Vec<String> = (0..1_000).map(|at| format!("user{at}")).collect();
        let event = heard(&room, json!({ "order": many }));
        let Some(Event::Speakers {
            order, speaking, ..
        }) = event
        else {
            panic!("{event:?}");
        };
        assert_eq!((order.len(), speaking.len()), (MOST_NAMED, 0));
        for wrong in [json!(null), json!({}), json!({ "order": [1] }), json!([])] {
            assert!(heard(&room, wrong).is_none());
        }
    }
}
