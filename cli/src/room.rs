//! `ortc room`: what is done with rooms without media.

use clap::{Args, Subcommand};
use ortc_rooms::session::{Chat, Event, Events, Room, RoomRequest, Session};
use ortc_rooms::signalling::{SessionKind, UserId};
use serde_json::json;
use std::pin::pin;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::failed::Failed;
use crate::reach::Reach;
use crate::report::{self, Form, Report};

/// Lists, watches and governs rooms, and talks in them
#[derive(Debug, Args)]
pub(crate) struct RoomCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the rooms that are there
    List {
        /// Only those of this channel: `team` has `team/monday`
        #[arg(long)]
        channel: Option<String>,
        /// Goes on, and lists them again after each change
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Enters a room and says what happens there, until Ctrl-C
    Join(Enter),
    /// Enters a room and chats: lines of standard input are said, what others say is printed
    Chat(Enter),
    /// Puts somebody out of a room: for its owner and admins
    Eject {
        #[command(flatten)]
        enter: Enter,
        /// User id of who is put out
        #[arg(value_name = "USERID")]
        whom: String,
        /// For as long as the room is there
        #[arg(long)]
        ban: bool,
    },
    /// Ends a room for all: for its owner and admins
    Close(Enter),
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    reach: Reach,
    /// Prints a JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Enter {
    /// Room that is entered; one that is not there is opened by `join` and `chat`
    room: String,
    /// Password of the room
    #[arg(long, env = "ORTC_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl RoomCommand {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        match self.what {
            What::List {
                channel,
                watch,
                common,
            } => list(channel, watch, &common).await,
            What::Join(enter) => talk(enter, false).await,
            What::Chat(enter) => talk(enter, true).await,
            What::Eject { enter, whom, ban } => {
                let (session, _events, room) = enter.govern().await?;
                let userid = UserId::new(whom)?;
                room.eject(&userid, ban).await?;
                let what = json!({ "userid": userid, "ban": ban });
                enter
                    .form()
                    .say("ejected", &format!("{userid} was put out"), what);
                Ok(session.leave().await?)
            }
            What::Close(enter) => {
                let (_session, _events, room) = enter.govern().await?;
                room.close().await?;
                let what = json!({ "room": enter.room });
                enter.form().say(
                    "closed",
                    &format!("{} is closed", report::plain(&enter.room)),
                    what,
                );
                Ok(())
            }
        }
    }
}

impl Enter {
    fn form(&self) -> Form {
        Form::of(self.common.json)
    }

    fn request(&self) -> RoomRequest {
        let request =
            RoomRequest::from(self.room.as_str()).session(SessionKind::audio_video().and_data());
        match &self.password {
            Some(password) => request.password(password),
            None => request,
        }
    }

    /// Into a room that is there, to govern it.
    async fn govern(&self) -> Result<(Session, Events, Room), Failed> {
        let (session, events) = self.common.reach.connect().await?;
        let room = session.join(self.request()).await?;
        Ok((session, events, room))
    }
}

async fn list(channel: Option<String>, watch: bool, common: &Common) -> Result<(), Failed> {
    let (session, _events) = common.reach.connect().await?;
    let mut lobby = session.watch_rooms(channel);
    let form = Form::of(common.json);
    while let Some(rooms) = lobby.next().await {
        if form == Form::Json {
            form.say("rooms", "", json!({ "rooms": rooms }));
        } else if rooms.is_empty() {
            println!("no rooms");
        } else {
            for info in &rooms {
                println!("{}", report::room(info));
            }
        }
        if !watch {
            return Ok(());
        }
        if form == Form::Words {
            println!();
        }
    }
    Err("the server is gone".into())
}

async fn talk(enter: Enter, chat: bool) -> Result<(), Failed> {
    let mut report = Report::new(enter.form());
    let (session, mut events) = enter.common.reach.connect().await?;
    let room = session.open_or_join(enter.request()).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut reading = chat;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => {
                    report.event(&event);
                    if let Some(result) = over(&event) {
                        return result;
                    }
                }
                None => return Ok(()),
            },
            line = lines.next_line(), if reading => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(text) => room.act(&Chat { text })?,
                // Nothing more to say; who is there goes on to be heard.
                None => reading = false,
            },
            signal = &mut interrupted => {
                signal?;
                return Ok(session.leave().await?);
            }
        }
    }
}

/// How a session ends, once it does.
pub(crate) fn over(event: &Event) -> Option<Result<(), Failed>> {
    match event {
        Event::Closed { reason, .. } => {
            let reason = serde_json::to_value(reason).unwrap_or_default();
            let word = reason.as_str().unwrap_or("closed");
            Some(match word {
                "left" | "closed" | "ownerLeft" | "timeUp" => Ok(()),
                word => Err(format!("out of the room: {word}").into()),
            })
        }
        Event::Ended { reason } => Some(Err(report::plain(reason).into())),
        _ => None,
    }
}
