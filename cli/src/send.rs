//! `ortc send`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanBytes;
use ortc_rooms::files::{Code as Fault, FileDone, SendOptions, Source, Transfer, shown};
use ortc_rooms::session::{Error, Event, Path, Peer};
use ortc_rooms::signalling::{ErrorCode, User, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::code::Code;
use crate::failed::{Exit, Failed, INTERRUPTED, REFUSED, WRONG_CODE};
use crate::meeting::{Meeting, Met, Way, again, common, way};
use crate::pipe::Spool;
use crate::progress::{Show, Sum};
use crate::qr::{Qr, drawn};

/// Wrong codes until the offer is gone.
const GUESSES: u32 = 3;
/// Codes that are tried until one is free.
const CODES: u32 = 20;

/// Sends files, folders or text to who types the code, or to a room
///
/// Both machines in one network need no server and no setting: they find each other, and the code
/// proves them to each other. Else --server names one that both reach.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  ortc send photo.jpg\n  ortc send album/ --limit 2M\n  tar c . | ortc send -\n  ortc send --text 'see you at eight'\n  ortc send slides.pdf --room team --server example.org\n\nExit codes: 0 sent, 1 failed, 3 refused, 4 no server, 5 three wrong codes, 130 interrupted."
)]
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
    /// Shows the code as a picture, too
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    qr: Qr,
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
struct Ended {
    peer: Peer,
    outcome: Result<Vec<FileDone>, ortc_rooms::files::Error>,
    path: Option<Path>,
    sum: Sum,
}

struct Sending {
    show: Show,
    source: Option<Arc<Source>>,
    text: Option<String>,
    options: SendOptions,
    running: JoinSet<Ended>,
    transfers: BTreeMap<UserId, Transfer>,
    /// Whom text goes to.
    told: BTreeSet<UserId>,
    /// Who has got it, or did not want it.
    done: BTreeMap<UserId, bool>,
    wrong: u32,
}

impl Send {
    /// Sends.
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let show = Show::new(self.meeting.json);
        let (files, _spooled) = spool(self.files.clone())?;
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
            transfers: BTreeMap::new(),
            told: BTreeSet::new(),
            done: BTreeMap::new(),
            wrong: 0,
        };
        let mut met = met;
        let ended = tokio::select! {
            ended = sending.serve(&mut met, code.is_some()) => ended,
            _ = tokio::signal::ctrl_c() => Err(interrupted(code.as_ref())),
        };
        met.end().await;
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
        let command = match self.meeting.server() {
            Some(server) => format!("ortc recv {code} --server {server}"),
            None => format!("ortc recv {code}"),
        };
        let picture = match self.qr.is_shown(show.is_terminal()) && !show.is_json() {
            true => format!("{}\n", drawn(&command)),
            false => String::new(),
        };
        let object = json!({ "event": "code", "code": code.to_string() });
        show.tell(
            &format!("{what}. On the other machine:\n\n    {command}\n{picture}"),
            &object,
        );
    }
}

fn interrupted(code: Option<&Code>) -> Failed {
    let code = code.map(ToString::to_string);
    let more: Vec<&str> = match &code {
        Some(code) => vec!["--code", code],
        None => Vec::new(),
    };
    let text = format!(
        "interrupted; it goes on where it was with\n\n    {}\n",
        again(&more)
    );
    Exit::boxed(INTERRUPTED, text)
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

/// Standard input as a file, which goes with what is returned.
fn spool(mut files: Vec<PathBuf>) -> Result<(Vec<PathBuf>, Option<Spool>), Failed> {
    let Some(dash) = files.iter_mut().find(|file| file.as_os_str() == "-") else {
        return Ok((files, None));
    };
    let spool = Spool::new()?;
    *dash = spool.read_input()?;
    Ok((files, Some(spool)))
}

impl Sending {
    /// Until who has the code got it, or all who were in the room.
    async fn serve(mut self, met: &mut Met, by_code: bool) -> Result<(), Failed> {
        loop {
            tokio::select! {
                event = met.events.next() => {
                    let event = event.ok_or("the session has ended")?;
                    common(&event, &self.show)?;
                    self.happened(met, event).await?;
                }
                Some(ended) = self.running.join_next() => self.ended(ended?),
            }
            if by_code && self.done.values().any(|got| *got) {
                return Ok(());
            }
            let idle = self.running.is_empty() && !self.done.is_empty();
            // Those who got it may have left.
            let all = |peers: &[Peer]| {
                let done = |peer: &Peer| self.done.contains_key(peer.userid());
                peers.iter().all(done)
            };
            if idle && (by_code || all(&met.room.peers())) {
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
                let peer = met.room.peer(&user.userid)?;
                match &self.text {
                    Some(text) if self.told.insert(user.userid.clone()) => {
                        peer.send(text.clone())?;
                        // It has gone out once the channel has nothing left.
                        while peer.waiting() > 0 {
                            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                        }
                        self.done.insert(user.userid, true);
                    }
                    Some(_) => {}
                    None => self.offer(&user, peer)?,
                }
            }
            Event::Left { user, .. } => {
                // Who comes back has another name, and gets what is missing under that.
                if let Some(transfer) = self.transfers.remove(&user.userid) {
                    transfer.stop();
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

    fn offer(&mut self, user: &User, peer: Peer) -> Result<(), Failed> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        // One whose connection was lost goes on by itself.
        let before = self.transfers.get(&user.userid);
        if before.is_some_and(|transfer| !transfer.progress().state.is_over()) {
            return Ok(());
        }
        let transfer = peer.send_source(source.clone(), self.options.clone())?;
        self.transfers.insert(user.userid.clone(), transfer.clone());
        let (show, name) = (self.show.clone(), name(user));
        let object = json!({ "event": "connected", "with": user.userid });
        show.tell(&format!("connected with {name}"), &object);
        let path = peer.path();
        self.running.spawn(async move {
            let shown = show.watch(transfer.clone(), &name);
            let (sum, outcome) = tokio::join!(shown, transfer.finished());
            // Who has it all may be gone already.
            let path = peer.path().or(path);
            Ended {
                peer,
                outcome,
                path,
                sum,
            }
        });
        Ok(())
    }

    fn ended(&mut self, ended: Ended) {
        let Ended {
            peer,
            outcome,
            path,
            sum,
        } = ended;
        let userid = peer.userid().clone();
        self.transfers.remove(&userid);
        let (sentence, object, got) = match outcome {
            Ok(files) => {
                let failed = files.iter().filter(|file| file.hash.is_err());
                let failed: Vec<&str> = failed.map(|file| file.name.as_str()).collect();
                let mut object = json!({
                    "event": "sent",
                    "with": userid,
                    "files": files.len(),
                    "failed": failed,
                });
                let what = match failed.is_empty() {
                    true => "sent, and checked at the other end".to_owned(),
                    false => format!("sent, but not {}", failed.join(", ")),
                };
                sum.into_event(&mut object, path.as_ref());
                let sentence = format!("{what}: {}", sum.line(&way(path.as_ref())));
                (sentence, object, failed.is_empty())
            }
            Err(error) if error.code() == Fault::Lost => {
                let object = json!({ "event": "gone", "with": userid });
                self.show
                    .tell("it is gone; waiting for it to come back", &object);
                return;
            }
            Err(error) => {
                let object =
                    json!({ "event": "failed", "with": userid, "reason": error.message() });
                (format!("not sent: {error}"), object, false)
            }
        };
        self.show.tell(&sentence, &object);
        self.done.insert(userid, got);
    }
}

/// How a user is called, safe to show.
pub(crate) fn name(user: &User) -> String {
    let name = user.extra.get("name").and_then(|name| name.as_str());
    match name {
        Some(name) => shown(name),
        None => {
            let id: String = user.userid.as_str().chars().take(6).collect();
            format!("user {}", shown(&id))
        }
    }
}
