//! Draws and writes in a room together with pages and other programs.
//!
//! ```text
//! ortc serve
//! cargo run -p ortc-rooms --all-features --example board -- ws://127.0.0.1:8080/ws board
//! ```
//!
//! Lines of standard input say what to do: `write AT TEXT`, `delete AT COUNT`, `line X Y X Y …` in
//! percent of the canvas, `undo`, `clear`, `png FILE`, and `show`, which prints both as JSON. What
//! others write and draw is told as it happens.

use std::error::Error;

use ortc_rooms::session::{Event, Events, Room, Session, SessionOptions};
use ortc_rooms::widgets::{Colour, Drawing, Point, SharedText};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(room)) = (arguments.next(), arguments.next()) else {
        return Err("board URL ROOM".into());
    };
    let mut options = SessionOptions::new();
    options.extra = json!({ "name": "Rust" });
    options.include_loopback = true;
    let (session, events) = Session::connect(url, options).await?;
    let room = session.open_or_join(room.as_str()).await?;
    run(&room, events).await?;
    session.leave().await?;
    Ok(())
}

async fn run(room: &Room, mut events: Events) -> Result<()> {
    let mut text = SharedText::new(room.clone());
    let mut drawing = Drawing::new(room.clone());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    println!("ready");
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { return Ok(()) };
                if let Event::Open { user, .. } = &event {
                    println!("{} is there", user.userid);
                }
                if let Some(change) = text.follow(&event)? {
                    println!("at {}, {} gone, written: {:?}", change.at, change.deleted, change.inserted);
                }
                if drawing.follow(&event)? {
                    println!("{} strokes", drawing.strokes().count());
                }
            }
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                if let Err(error) = act(&line, &mut text, &mut drawing) {
                    println!("not done: {error}");
                }
            }
        }
    }
}

fn act(line: &str, text: &mut SharedText, drawing: &mut Drawing) -> Result<()> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "write" => {
            let (at, what) = rest.split_once(' ').ok_or("write AT TEXT")?;
            text.insert(at.parse()?, what)?;
        }
        "delete" => {
            let (at, count) = rest.split_once(' ').ok_or("delete AT COUNT")?;
            text.delete(at.parse()?, count.parse()?)?;
        }
        "line" => {
            let places: Vec<u16> = rest.split(' ').map(percent).collect::<Result<_>>()?;
            let points: Vec<Point> = places
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&[x, y]| Point { x, y })
                .collect();
            let green = Colour {
                red: 27,
                green: 127,
                blue: 75,
            };
            drawing.draw(green, 520, &points)?;
        }
        "undo" => println!("{}", drawing.undo()?),
        "clear" => drawing.clear()?,
        "png" => std::fs::write(rest, drawing.to_png(1600, 1200)?)?,
        "show" => {
            let strokes: Vec<_> = drawing
                .strokes()
                .map(|stroke| {
                    let points: Vec<u16> = stroke
                        .points
                        .iter()
                        .flat_map(|point| [point.x, point.y])
                        .collect();
                    json!({ "by": stroke.id.by, "n": stroke.id.n, "colour": stroke.colour,
                        "width": stroke.width, "points": points })
                })
                .collect();
            println!("{}", json!({ "text": text.text(), "strokes": strokes }));
        }
        _ => return Err(format!("nobody knows how to {word}").into()),
    }
    Ok(())
}

fn percent(text: &str) -> Result<u16> {
    let part: u32 = text.parse()?;
    Ok(u16::try_from(part.min(100) * 65_535 / 100)?)
}
