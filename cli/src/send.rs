//! `ortc send`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use ortc_rooms::files::{Code as Fault, FileDone, SendOptions, Source, shown};
use ortc_rooms::session::{Error, Event};
use ortc_rooms::signalling::{ErrorCode, User, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::code::Code;
use crate::failed::{Exit, Failed, INTERRUPTED, REFUSED, WRONG_CODE};
use crate::meeting::{Meeting, Met, Way, common, way};
use crate::progress::Show;

/// Wrong codes until the offer is gone.
const GUESSES: u32 = 3;
/// Codes that are tried until one is free.
const CODES: u32 = 20;

/// Sends files, folders or text.
#[derive(Debug, Clone, Args)]
pub(crate) struct Send {
    /// Files and folders; `-` is standard input
    #[arg(required_unless_present = "text", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Sends this text instead
    #[arg(long, conflicts_with = "files", value_name = "TEXT")]
    text: Option<String>,
    /// Goes on under a code of before, instead of a new one
    #[arg(long, conflicts_with = "room", value_name = "CODE")]
    code: Option<Code>,
    /// Bytes a second at most; k, M and G are understood
    #[arg(long, value_parser = bytes, value_name = "RATE")]
    limit: Option<u64>,
    #[command(flatten)]
    meeting: Meeting,
}

/// Bytes, with k, M or G for thousands of them.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1_000),
        Some((at, 'm' | 'M')) => (text.get(..at), 1_000_000),
        Some((at, 'g' | 'G')) => (text.get(..at), 1_000_000_000),
        _ => (Some(text), 1_u64),
    };
    let number = digits.and_then(|digits| digits.parse::<u64>().ok());
    let bytes = number.and_then(|number| number.checked_mul(unit));
    let bytes = bytes.filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "a number of bytes, like 500k or 2M".to_owned())
}

/// What became of one receiver.
type Ended = (UserId, Result<Vec<FileDone>, ortc_rooms::files::Error>);

struct Sending {
    show: Show,
    source: Option<Arc<Source>>,
    text: Option<String>,
    options: SendOptions,
    running: JoinSet<Ended>,
    /// Who has got it, or did not want it.
    done: BTreeMap<UserId, bool>,
    wrong: u32,
}

impl Send {
    /// Sends.
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let show = Show::new(self.meeting.json);
        let (files, spooled) = spool(self.files.clone())?;
        let source = match &self.text {
            Some(_) => None,
            None => Some(Source::open(files).await?),
        };
        let (met, code) = self.meet().await?;
        let source = source.map(|source| match &code {
            Some(code) => source.key(code.to_string()),
            None => source,
        });
        self.announce(&show, source.as_ref(), code.as_ref());
        let mut options = SendOptions::default();
        if let Some(limit) = self.limit {
            options = options.limit(limit);
        }
        let sending = Sending {
            show,
            source: source.map(Arc::new),
            text: self.text.clone(),
            options,
            running: JoinSet::new(),
            done: BTreeMap::new(),
            wrong: 0,
        };
        let (room, session) = (met.room.clone(), met.session.clone());
        let ended = tokio::select! {
            ended = sending.serve(met, code.is_some()) => ended,
            _ = tokio::signal::ctrl_c() => Err(self.interrupted(code.as_ref())),
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), room.leave()).await;
        session.end();
        if let Some(spooled) = spooled {
            let _ = std::fs::remove_file(spooled);
        }
        ended
    }

    async fn meet(&self) -> Result<(Met, Option<Code>), Failed> {
        if self.meeting.room.is_some() {
            return Ok((self.meeting.go(None, Way::Either).await?, None));
        }
        if let Some(code) = &self.code {
            let met = self.meeting.go(Some(code), Way::Either).await?;
            return Ok((met, Some(code.clone())));
        }
        for _ in 0..CODES {
            let code = Code::random()?;
            match self.meeting.go(Some(&code), Way::Open).await {
                Ok(met) => return Ok((met, Some(code))),
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err("no code is free on this server".into())
    }

    fn announce(&self, show: &Show, source: Option<&Source>, code: Option<&Code>) {
        let what = match source {
            Some(source) => match source.files() {
                1 => HumanBytes(source.bytes()).to_string(),
                files => format!("{files} files, {}", HumanBytes(source.bytes())),
            },
            None => "text".to_owned(),
        };
        for (path, error) in source.map(Source::skipped).unwrap_or_default() {
            let path = shown(&path.to_string_lossy());
            let object = json!({ "event": "skipped", "file": path, "reason": error.message() });
            show.tell(&format!("left out: {}", error.message()), &object);
        }
        let Some(code) = code else {
            let object = json!({ "event": "waiting", "room": self.meeting.room });
            show.tell(&format!("{what}: waiting for others in the room"), &object);
            return;
        };
        let code = code.to_string();
        let object = json!({ "event": "code", "code": code });
        show.tell(
            &format!("{what}. On the other machine:\n\n    ortc recv {code}\n"),
            &object,
        );
    }

    fn interrupted(&self, code: Option<&Code>) -> Failed {
        let how = match code {
            Some(code) => format!("ortc send --code {code} FILE… goes on where it was"),
            None => "the same command goes on where it was".to_owned(),
        };
        Exit::boxed(INTERRUPTED, format!("interrupted; {how}"))
    }
}

/// Whether somebody has a room of that name.
fn is_taken(error: &Failed) -> bool {
    matches!(
        error.downcast_ref::<Error>(),
        Some(Error::Refused {
            code: ErrorCode::RoomExists,
            ..
        })
    )
}

/// Standard input as a file, which is to be removed.
fn spool(mut files: Vec<PathBuf>) -> Result<(Vec<PathBuf>, Option<PathBuf>), Failed> {
    let Some(dash) = files.iter_mut().find(|file| file.as_os_str() == "-") else {
        return Ok((files, None));
    };
    let path = std::env::temp_dir().join(format!("stdin-{}", std::process::id()));
    let mut file = std::fs::File::create_new(&path)?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
    dash.clone_from(&path);
    Ok((files, Some(path)))
}

impl Sending {
    /// Until who has the code got it, or all who were in the room.
    async fn serve(mut self, mut met: Met, by_code: bool) -> Result<(), Failed> {
        loop {
            tokio::select! {
                event = met.events.next() => {
                    let event = event.ok_or("the session has ended")?;
                    common(&event, &self.show)?;
                    self.happened(&met, event).await?;
                }
                Some(ended) = self.running.join_next() => self.ended(ended?)?,
            }
            let idle = self.running.is_empty() && !self.done.is_empty();
            if idle && (by_code || met.room.peers().len() <= self.done.len()) {
                return match self.done.values().any(|got| *got) {
                    true => Ok(()),
                    false => Err(Exit::boxed(REFUSED, "nobody wanted it")),
                };
            }
        }
    }

    async fn happened(&mut self, met: &Met, event: Event) -> Result<(), Failed> {
        match event {
            Event::Open { user, .. } if !self.done.contains_key(&user.userid) => {
                let peer = met.session.peer(&user.userid)?;
                if let Some(source) = &self.source {
                    let transfer = peer.send_source(source.clone(), self.options.clone())?;
                    let (show, name) = (self.show.clone(), name(&user));
                    let way = way(peer.path().as_ref());
                    let object = json!({ "event": "connected", "with": name });
                    show.tell(&format!("connected with {name} ({way})"), &object);
                    self.running.spawn(async move {
                        let shown = show.watch(transfer.clone(), &name);
                        let (_, ended) = tokio::join!(shown, transfer.finished());
                        (user.userid, ended)
                    });
                } else if let Some(text) = &self.text {
                    peer.send(text.clone())?;
                    // It has gone out once the channel has nothing left.
                    while peer.waiting() > 0 {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    self.done.insert(user.userid, true);
                }
            }
            Event::Impostor { user, .. } => {
                self.wrong = self.wrong.saturating_add(1);
                let left = GUESSES.saturating_sub(self.wrong);
                let object = json!({ "event": "wrongCode", "left": left });
                self.show.tell("somebody tried a wrong code", &object);
                if left == 0 {
                    let text = "three wrong codes: this one is not valid any more";
                    return Err(Exit::boxed(WRONG_CODE, text));
                }
                // Or the one who knows it finds no place.
                let _ = met.room.eject(&user.userid, false).await;
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, (userid, ended): Ended) -> Result<(), Failed> {
        let (sentence, object, got) = match ended {
            Ok(files) => {
                let failed = files.iter().filter(|file| file.hash.is_err());
                let failed: Vec<&str> = failed.map(|file| file.name.as_str()).collect();
                let object = json!({
                    "event": "sent",
                    "with": userid,
                    "files": files.len(),
                    "failed": failed,
                });
                let sentence = match failed.is_empty() {
                    true => "sent, and checked at the other end".to_owned(),
                    false => format!("sent, but not {}", failed.join(", ")),
                };
                (sentence, object, failed.is_empty())
            }
            Err(error) if error.code() == Fault::Lost => {
                let object = json!({ "event": "lost", "with": userid });
                self.show.tell(
                    "the connection is lost; waiting for it to come back",
                    &object,
                );
                return Ok(());
            }
            Err(error) => {
                let object =
                    json!({ "event": "failed", "with": userid, "reason": error.message() });
                (format!("not sent: {error}"), object, false)
            }
        };
        self.show.tell(&sentence, &object);
        self.done.insert(userid, got);
        Ok(())
    }
}

/// How a user is called, safe to show.
pub(crate) fn name(user: &User) -> String {
    let name = user.extra.get("name").and_then(|name| name.as_str());
    shown(name.unwrap_or(user.userid.as_str()))
}
