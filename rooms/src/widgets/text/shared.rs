//! A text in a room.

use super::message::Text;
use super::pad::{MAX_TEXT, Pad, TextChange, To};
use crate::session::{Error, Event, Result, Room};
use crate::signalling::Role;

/// The text of a room, which all edit at once: Yjs in pages, `yrs` here. It is kept by those who
/// are there: who comes gets it of them.
///
/// Give it all events of the session; it answers what concerns it.
///
/// ```no_run
/// # async fn run(room: ortc_rooms::session::Room, mut events: ortc_rooms::session::Events) -> ortc_rooms::session::Result<()> {
/// use ortc_rooms::widgets::SharedText;
///
/// let mut text = SharedText::new(room);
/// text.insert(0, "Agenda\n")?;
/// while let Some(event) = events.next().await {
///     if let Some(change) = text.follow(&event)? {
///         println!("{} at {}: {}", change.inserted, change.at, text.text());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SharedText {
    room: Room,
    pad: Pad,
}

impl SharedText {
    /// Of a room that this user is in. Those who are connected already are asked what they have.
    pub fn new(room: Room) -> Self {
        let pad = Pad::new();
        if let Err(error) = room.act(&pad.have()) {
            tracing::debug!(target: "ortc_rooms::widgets", %error, "nobody is asked for the text");
        }
        Self { room, pad }
    }

    /// As it is now.
    pub fn text(&self) -> String {
        self.pad.text()
    }

    /// Messages that were not as they have to be, and were passed over.
    pub fn refused(&self) -> u64 {
        self.pad.refused
    }

    /// Writes before the character of this number.
    ///
    /// # Errors
    ///
    /// [`Error::Form`] if the text is shorter; [`Error::TooLarge`] if it would be longer than
    /// [`MAX_TEXT`]; as [`Room::act`].
    pub fn insert(&mut self, at: usize, text: &str) -> Result<()> {
        self.edit(at, 0, text)
    }

    /// Deletes so many characters, from the one of this number on.
    ///
    /// # Errors
    ///
    /// [`Error::Form`] if the text is shorter; as [`Room::act`].
    pub fn delete(&mut self, at: usize, characters: usize) -> Result<()> {
        self.edit(at, characters, "")
    }

    fn edit(&mut self, at: usize, deleted: usize, inserted: &str) -> Result<()> {
        let length = self.text().chars().count();
        if at.saturating_add(deleted) > length {
            return Err(Error::Form(format!("the text has {length} characters")));
        }
        let size = length.saturating_add(inserted.len());
        let told = self.pad.edit(at, deleted, inserted);
        let told = told.ok_or(Error::TooLarge(size, MAX_TEXT))?;
        told.iter().try_for_each(|text| self.room.act(text))
    }

    /// Takes part in what others write: what has changed, if the text is another. Events of other
    /// rooms and of other things are passed over.
    ///
    /// # Errors
    ///
    /// As [`Room::act`], of answers; the text is right all the same.
    pub fn follow(&mut self, event: &Event) -> Result<Option<TextChange>> {
        let (say, change): (Vec<(To, Text)>, _) = match event {
            Event::Open { room, user } if room == self.room.name() => {
                let told = match user.role {
                    // Who looks on says nothing, so it cannot ask.
                    Role::Inspector => self.pad.all(),
                    _ => vec![self.pad.have()],
                };
                let to = Some(user.userid.clone());
                (
                    told.into_iter().map(|text| (to.clone(), text)).collect(),
                    None,
                )
            }
            Event::Left { room, user, .. } if room == self.room.name() => {
                self.pad.left(&user.userid);
                // The others may have heard more of what it wrote last.
                let told = self.pad.is_touched().then(|| (None, self.pad.have()));
                (told.into_iter().collect(), None)
            }
            Event::Action(action) if action.room == *self.room.name() => {
                let text = match action.read::<Text>() {
                    Ok(Some(text)) => text,
                    Ok(None) => return Ok(None),
                    Err(_) => {
                        self.pad.refused = self.pad.refused.saturating_add(1);
                        return Ok(None);
                    }
                };
                if action.from.role == Role::Inspector {
                    // Looks on, and writes nothing.
                    self.pad.refused = self.pad.refused.saturating_add(1);
                    return Ok(None);
                }
                let now = crate::session::now_ms();
                let heard = self.pad.hear(&action.from.userid, text, now);
                (heard.say, heard.change)
            }
            _ => return Ok(None),
        };
        for (to, text) in say {
            let said = match to {
                None => self.room.act(&text),
                Some(to) => self.room.peer(&to).and_then(|peer| peer.act(&text)),
            };
            match said {
                // Gone meanwhile, or one who looks on.
                Err(Error::NoSuchPeer(_) | Error::Inspector) => {}
                said => said?,
            }
        }
        Ok(change)
    }
}
