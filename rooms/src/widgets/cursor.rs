//! Cursors that others see: `x.cursor` in `spec/rooms.md`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Point;
use crate::session::{Action, Event, Result, Room};
use crate::signalling::UserId;

/// One that nothing is heard of for so long is shown no more.
const SHOWN: Duration = Duration::from_secs(3);
/// What a cursor may be over has a name of so many bytes.
const MAX_OVER: usize = 128;

/// The action `x.cursor`, which goes over the channel where messages may be lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Milliseconds since 1970, or one more than the last: what comes late is passed over.
    pub n: u64,
    /// Where; absent once it is nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<CursorPlace>,
}

impl Action for Cursor {
    const NAME: &'static str = "x.cursor";
}

/// Where a cursor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorPlace {
    /// `draw` for the drawing, else the id of a stream, whose picture it is over.
    pub over: String,
    /// 0 is left, 65535 right.
    pub x: u16,
    /// 0 is top, 65535 bottom.
    pub y: u16,
}

/// The cursors of a room, and this user's own, which nobody sees until it is put somewhere.
///
/// Give it all events of the session.
#[derive(Debug)]
pub struct Cursors {
    room: Room,
    last: u64,
    others: BTreeMap<UserId, (Cursor, Instant)>,
}

impl Cursors {
    /// Of a room that this user is in.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            last: 0,
            others: BTreeMap::new(),
        }
    }

    /// Shows this user's cursor; what others see of it goes after 3 s unless it is shown again.
    /// Twenty times in a second are enough.
    ///
    /// # Errors
    ///
    /// As [`Room::act_lossy`].
    pub fn show(&mut self, over: impl Into<String>, point: Point) -> Result<()> {
        let over = over.into();
        let Point { x, y } = point;
        self.tell(Some(CursorPlace { over, x, y }))
    }

    /// Shows it no longer.
    ///
    /// # Errors
    ///
    /// As [`Room::act_lossy`].
    pub fn hide(&mut self) -> Result<()> {
        self.tell(None)
    }

    fn tell(&mut self, at: Option<CursorPlace>) -> Result<()> {
        self.last = self.last.saturating_add(1).max(crate::session::now_ms());
        self.room.act_lossy(&Cursor { n: self.last, at })
    }

    /// Whose cursor is where.
    pub fn shown(&self) -> impl Iterator<Item = (&UserId, &CursorPlace)> {
        let fresh = |(_, (_, came)): &(&UserId, &(Cursor, Instant))| came.elapsed() < SHOWN;
        let others = self.others.iter().filter(fresh);
        others.filter_map(|(userid, (cursor, _))| Some((userid, cursor.at.as_ref()?)))
    }

    /// Takes in what others show: true if a cursor is elsewhere. Other events are passed over.
    pub fn follow(&mut self, event: &Event) -> bool {
        match event {
            Event::Left { room, user, .. } if room == self.room.name() => {
                self.others.remove(&user.userid).is_some()
            }
            Event::Action(action) if action.room == *self.room.name() => {
                match action.read::<Cursor>() {
                    Ok(Some(cursor)) => self.hear(&action.from.userid, cursor),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    fn hear(&mut self, from: &UserId, cursor: Cursor) -> bool {
        let late = |(known, _): &(Cursor, Instant)| known.n >= cursor.n;
        let long = |at: &CursorPlace| at.over.len() > MAX_OVER;
        if self.others.get(from).is_some_and(late) || cursor.at.as_ref().is_some_and(long) {
            return false;
        }
        self.others.insert(from.clone(), (cursor, Instant::now()));
        true
    }
}
