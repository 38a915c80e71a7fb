//! A drawing in a room.

use super::canvas::{Canvas, To};
use super::message::Draw;
use super::stroke::{Colour, Point, Stroke, StrokeId, is_width};
use crate::session::{Error, Event, Result, Room};
use crate::signalling::{Role, UserId};

/// The drawing of a room, as this user sees it and draws at it. It is kept by those who are there:
/// who comes gets it of them, who draws it last takes it along.
///
/// Give it all events of the session; it answers what concerns it.
///
/// ```no_run
/// # async fn run(room: ortc_rooms::session::Room, mut events: ortc_rooms::session::Events) -> ortc_rooms::session::Result<()> {
/// use ortc_rooms::widgets::{Colour, Drawing, Point};
///
/// let mut drawing = Drawing::new(room);
/// let red = Colour { red: 200, green: 0, blue: 0 };
/// drawing.draw(red, 400, &[Point { x: 0, y: 0 }, Point { x: 65535, y: 65535 }])?;
/// while let Some(event) = events.next().await {
///     if drawing.follow(&event)? {
///         println!("{} strokes", drawing.strokes().count());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Drawing {
    room: Room,
    canvas: Canvas,
}

impl Drawing {
    /// Of a room that this user is in. Those who are connected already are asked what they have.
    pub fn new(room: Room) -> Self {
        let me = room.session().userid();
        let canvas = Canvas::new(me);
        let drawing = Self { room, canvas };
        let greeted = drawing.room.act(&Draw::Have(drawing.canvas.have()));
        if let Err(error) = greeted {
            tracing::debug!(target: "ortc_rooms::widgets", %error, "nobody is asked for the drawing");
        }
        drawing
    }

    /// What is to be shown, from the lowest to the topmost.
    pub fn strokes(&self) -> impl Iterator<Item = Stroke> + '_ {
        self.canvas.strokes()
    }

    /// Messages, and strokes within them, that were not as they have to be and were passed over.
    pub fn refused(&self) -> u64 {
        self.canvas.refused
    }

    /// Draws a line; one of more than [`MAX_POINTS`](super::MAX_POINTS) becomes several strokes.
    /// `width` is 1 to 6553, 65535 being the canvas's width.
    ///
    /// # Errors
    ///
    /// [`Error::Form`] for a width that is none; as [`Room::act`].
    pub fn draw(&mut self, colour: Colour, width: u16, points: &[Point]) -> Result<()> {
        if !is_width(width) {
            return Err(Error::Form(format!("a pen is not {width} wide")));
        }
        let now = crate::session::now_ms();
        let told = self.canvas.draw(now, colour, width, points);
        told.iter().try_for_each(|draw| self.room.act(draw))
    }

    /// Takes back the latest of this user's strokes that is there; false if there is none.
    ///
    /// # Errors
    ///
    /// As [`Room::act`].
    pub fn undo(&mut self) -> Result<bool> {
        let told = self.canvas.undo();
        told.map_or(Ok(false), |draw| self.room.act(&draw).map(|()| true))
    }

    /// Takes back one of this user's strokes; false if it is not there, or another's.
    ///
    /// # Errors
    ///
    /// As [`Room::act`].
    pub fn erase(&mut self, id: &StrokeId) -> Result<bool> {
        let told = self.canvas.erase(id);
        told.map_or(Ok(false), |draw| self.room.act(&draw).map(|()| true))
    }

    /// Takes all away, whosever it is.
    ///
    /// # Errors
    ///
    /// As [`Room::act`].
    pub fn clear(&mut self) -> Result<()> {
        let now = crate::session::now_ms();
        let draw = self.canvas.clear(now);
        self.room.act(&draw)
    }

    /// Takes part in what others draw: true if the picture is another. Events of other rooms and
    /// of other things are passed over.
    ///
    /// # Errors
    ///
    /// As [`Room::act`], of answers; the drawing is right all the same.
    pub fn follow(&mut self, event: &Event) -> Result<bool> {
        let (say, changed): (Vec<(To, Draw)>, bool) = match event {
            Event::Open { room, user } if room == self.room.name() => {
                let present = self.present();
                let say = match user.role {
                    // Who looks on says nothing, so it cannot ask.
                    Role::Inspector => self.canvas.all_for(&user.userid, &present),
                    _ => vec![(Some(user.userid.clone()), Draw::Have(self.canvas.have()))],
                };
                (say, false)
            }
            Event::Left { room, user, .. } if room == self.room.name() => {
                let say = self.canvas.left(&user.userid).map(|draw| (None, draw));
                (say.into_iter().collect(), false)
            }
            Event::Action(action) if action.room == *self.room.name() => {
                let draw = match action.read::<Draw>() {
                    Ok(Some(draw)) => draw,
                    Ok(None) => return Ok(false),
                    Err(_) => {
                        self.canvas.refused = self.canvas.refused.saturating_add(1);
                        return Ok(false);
                    }
                };
                if action.from.role == Role::Inspector {
                    // Looks on, and draws nothing.
                    self.canvas.refused = self.canvas.refused.saturating_add(1);
                    return Ok(false);
                }
                let present = self.present();
                let now = crate::session::now_ms();
                let heard = self.canvas.hear(&action.from.userid, draw, now, &present);
                (heard.say, heard.changed)
            }
            _ => return Ok(false),
        };
        for (to, draw) in say {
            let said = match to {
                None => self.room.act(&draw),
                Some(to) => self.room.peer(&to).and_then(|peer| peer.act(&draw)),
            };
            match said {
                // Gone meanwhile, or one who looks on.
                Err(Error::NoSuchPeer(_) | Error::Inspector) => {}
                said => said?,
            }
        }
        Ok(changed)
    }

    fn present(&self) -> impl Fn(&UserId) -> bool + use<> {
        let here: Vec<UserId> = self
            .room
            .users()
            .into_iter()
            .map(|user| user.userid)
            .collect();
        move |userid| here.contains(userid)
    }
}
