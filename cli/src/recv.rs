//! `ortc recv`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use ortc::RTCDataChannel;
use ortc_rooms::files::{
    Code as Fault, FileDone, FileOffer, NameTaken, Quota, ReceiveOptions, shown,
};
use ortc_rooms::session::{Error, Event, Path, Payload, Peer};
use ortc_rooms::signalling::ErrorCode;
use serde_json::json;

use crate::code::Code;
use crate::failed::{Exit, Failed, INTERRUPTED, REFUSED};
use crate::meeting::{Meeting, Met, Way, again, common, way, wrong_code};
use crate::pipe::{Spool, pour};
use crate::progress::{Show, Sum};
use crate::send::{bytes, name};

/// How long the sender may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Files of an offer that are listed.
const LISTED: usize = 20;

/// Receives what is sent under a code, or in a room
///
/// Asks before it writes anything, and overwrites nothing unless it is told to.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  ortc recv above-ladder-zebra\n  ortc recv abov ladd zebr --to downloads\n  ortc recv above-ladder-zebra --yes --to - | tar x\n  ortc recv --room team --server example.org --yes\n\nExit codes: 0 received, 1 failed, 3 refused, 4 no server, 5 a wrong code, 130 interrupted."
)]
pub(crate) struct Recv {
    /// The code that `ortc send` shows
    #[arg(
        required_unless_present = "room",
        conflicts_with = "room",
        value_name = "CODE"
    )]
    code: Vec<String>,
    /// The folder to write to; `-` is standard output
    #[arg(long, visible_alias = "dir", default_value = ".", value_name = "DIR")]
    to: PathBuf,
    /// Takes what comes without asking
    #[arg(long, short)]
    yes: bool,
    /// Replaces files that are there; else new ones get another name
    #[arg(long)]
    overwrite: bool,
    /// Bytes at most; k, M and G are understood
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    quota: Option<u64>,
    /// Bytes a second at most, but for the first MiB; k, M and G are understood
    #[arg(long, value_parser = bytes, value_name = "RATE")]
    limit: Option<u64>,
    #[command(flatten)]
    meeting: Meeting,
}

struct Receiving<'a> {
    recv: &'a Recv,
    show: Show,
    /// Taken already: gone on with, without another question.
    taken: Option<(String, u64)>,
    /// In the place of a folder, for standard output.
    spool: Option<Spool>,
}

type Offer = FileOffer<RTCDataChannel>;

/// What is lost of a sender that is the server as well.
#[derive(Debug, Default)]
struct Lost {
    server: bool,
    peer: bool,
    /// How it was reached.
    path: Option<Path>,
}

impl Lost {
    fn note(&mut self, event: &Event) {
        match event {
            Event::SignallingLost { .. } => self.server = true,
            Event::LocalConnected { .. } => self.server = false,
            Event::Disconnected { .. } => self.peer = true,
            Event::Connected { .. } => self.peer = false,
            Event::Path { path, .. } => self.path = Some(path.clone()),
            _ => {}
        }
    }
}

/// What became of an offer.
enum Taken {
    All,
    /// The sender has to make it again.
    Lost,
    /// The sender is not there any more.
    Away,
    /// It has done so already.
    Again(String, Offer),
}

impl Recv {
    /// Receives.
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let code = self.code.join("-");
        let code = match self.meeting.room {
            Some(_) => None,
            None => Some(code.parse::<Code>()?),
        };
        if self.pipes() && self.meeting.json {
            return Err("standard output is for the files or for --json, not for both".into());
        }
        self.go(code.as_ref()).await
    }

    fn pipes(&self) -> bool {
        self.to.as_os_str() == "-"
    }

    async fn go(&self, code: Option<&Code>) -> Result<(), Failed> {
        let show = Show::new(self.meeting.json);
        let way = match code {
            Some(_) => Way::Join(PATIENCE),
            None => Way::Either,
        };
        let mut receiving = Receiving {
            recv: self,
            show,
            taken: None,
            spool: self.pipes().then(Spool::new).transpose()?,
        };
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            let met = tokio::select! {
                met = self.meeting.go(code, way) => met,
                _ = &mut interrupted => return Err(self.interrupted()),
            };
            let mut met = met.map_err(|error| match error.downcast_ref::<Error>() {
                Some(Error::Refused {
                    code: ErrorCode::NoSuchRoom,
                    ..
                }) => "nobody sends under this code: look at its first word".into(),
                _ => error,
            })?;
            let ended = tokio::select! {
                ended = receiving.serve(&mut met) => ended,
                _ = &mut interrupted => Err(self.interrupted()),
            };
            met.end().await;
            match ended {
                Ok(Served::Done) => return Ok(()),
                // The sender was the server; with the same code it may be another one.
                Ok(Served::Away) => {
                    let object = json!({ "event": "gone" });
                    let sentence = "the sender is gone; looking for it again";
                    receiving.show.tell(sentence, &object);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn interrupted(&self) -> Failed {
        let text = match self.pipes() {
            true => "interrupted".to_owned(),
            false => format!(
                "interrupted; what came is kept, and it goes on where it was with\n\n    {}\n",
                again(&[])
            ),
        };
        Exit::boxed(INTERRUPTED, text)
    }
}

/// How it ended.
enum Served {
    Done,
    /// The sender is not there any more.
    Away,
}

impl Receiving<'_> {
    async fn serve(&mut self, met: &mut Met) -> Result<Served, Failed> {
        loop {
            let event = met.events.next().await.ok_or("the session has ended")?;
            common(&event, &self.show)?;
            match event {
                Event::FileOffer { user, offer, .. } => {
                    let mut next = Some((name(&user), offer));
                    while let Some((from, offer)) = next {
                        match self.take(met, &from, offer).await? {
                            Taken::All => return Ok(Served::Done),
                            Taken::Away => return Ok(Served::Away),
                            Taken::Lost => next = None,
                            Taken::Again(from, offer) => next = Some((from, offer)),
                        }
                    }
                }
                Event::Message(message) => {
                    if let Payload::Text(text) = message.data {
                        let object = json!({ "event": "text", "text": text });
                        match self.show.is_json() {
                            true => self.show.tell("", &object),
                            false => print_text(&text),
                        }
                        return Ok(Served::Done);
                    }
                }
                Event::Impostor { .. } => return Err(wrong_code()),
                Event::SignallingLost { .. } if self.recv.meeting.is_local() => {
                    return Ok(Served::Away);
                }
                Event::Closed { .. } => return Err("the sender has ended it".into()),
                _ => {}
            }
        }
    }

    /// Takes an offer.
    async fn take(&mut self, met: &mut Met, from: &str, offer: Offer) -> Result<Taken, Failed> {
        let local = self.recv.meeting.is_local();
        let this = (offer.title(), offer.bytes());
        if self.taken.as_ref() != Some(&this) {
            self.list(from, &offer);
            if !self.wanted().await {
                offer.reject("not wanted").await;
                return Err(Exit::boxed(REFUSED, "refused"));
            }
        }
        self.taken = Some(this.clone());
        let to = match &self.spool {
            Some(spool) => spool.path(),
            None => {
                std::fs::create_dir_all(&self.recv.to)?;
                &self.recv.to
            }
        };
        let transfer = offer.accept(to, self.options());
        let watched = self.show.watch(transfer.clone(), from);
        let done = async { tokio::join!(watched, transfer.finished()) };
        let mut lost = Lost {
            path: met.room.peers().first().and_then(Peer::path),
            ..Lost::default()
        };
        let again = async {
            loop {
                match met.events.next().await {
                    Some(Event::FileOffer { user, offer, .. })
                        if (offer.title(), offer.bytes()) == this =>
                    {
                        return Some((name(&user), offer));
                    }
                    Some(event) => {
                        // A sender that is the server as well goes with its last byte.
                        if !(local && matches!(event, Event::SignallingLost { .. })) {
                            let _ = common(&event, &self.show);
                        }
                        lost.note(&event);
                        if local && lost.server && lost.peer {
                            return None;
                        }
                    }
                    None => std::future::pending().await,
                }
            }
        };
        tokio::pin!(done);
        let next = tokio::select! {
            biased;
            (sum, ended) = &mut done => {
                return match self.ended(ended, sum, lost.path.take()) {
                    Ok(Taken::Lost) if local && lost.server => Ok(Taken::Away),
                    ended => ended,
                };
            }
            next = again => next,
        };
        // The sender was killed and may be back before anybody noticed, or all is there and it left.
        transfer.stop();
        let (sum, ended) = done.await;
        match (ended, next) {
            (Err(error), Some((from, offer))) if error.code() == Fault::Lost => {
                Ok(Taken::Again(from, offer))
            }
            (Err(error), None) if error.code() == Fault::Lost => Ok(Taken::Away),
            (ended, _) => self.ended(ended, sum, lost.path.take()),
        }
    }

    fn options(&self) -> ReceiveOptions {
        let mut options = ReceiveOptions::default();
        if self.recv.overwrite {
            options = options.name_taken(NameTaken::Overwrite);
        }
        if let Some(bytes) = self.recv.quota {
            options = options.quota(Quota::new(bytes));
        }
        if let Some(rate) = self.recv.limit {
            options = options.limit(rate);
        }
        options
    }

    fn ended(
        &self,
        ended: Result<Vec<FileDone>, ortc_rooms::files::Error>,
        sum: Sum,
        path: Option<Path>,
    ) -> Result<Taken, Failed> {
        match ended {
            Ok(files) => {
                let mut failed = 0_usize;
                if self.spool.is_some() {
                    let good = files.iter().filter(|file| file.hash.is_ok());
                    pour(good.map(|file| file.path.as_path()))?;
                }
                let here = std::env::current_dir().and_then(std::fs::canonicalize);
                for file in files {
                    let path = shown(&file.path.to_string_lossy());
                    let near = here.as_ref().ok();
                    let near = near.and_then(|here| file.path.strip_prefix(here).ok());
                    let near =
                        near.map_or_else(|| path.clone(), |near| shown(&near.to_string_lossy()));
                    let (sentence, object) = match file.hash {
                        Ok(hash) => (
                            near,
                            json!({
                                "event": "received",
                                "path": path,
                                "size": file.size,
                                "blake3": hash.to_string(),
                            }),
                        ),
                        Err(error) => {
                            failed = failed.saturating_add(1);
                            let reason = error.message();
                            let object =
                                json!({ "event": "failed", "file": file.name, "reason": reason });
                            (format!("not received: {error}"), object)
                        }
                    };
                    let sentence = if self.spool.is_some() && failed == 0 {
                        ""
                    } else {
                        &sentence
                    };
                    self.show.tell(sentence, &object);
                }
                let mut object = json!({ "event": "done" });
                sum.into_event(&mut object, path.as_ref());
                self.show.tell(&sum.line(&way(path.as_ref())), &object);
                match failed {
                    0 => Ok(Taken::All),
                    _ => Err(format!("{failed} of the files did not arrive").into()),
                }
            }
            Err(error) if error.code() == Fault::Lost => {
                let object = json!({ "event": "lost" });
                self.show.tell(
                    "the connection is lost; waiting for it to come back",
                    &object,
                );
                Ok(Taken::Lost)
            }
            Err(error) if error.code() == Fault::Cancelled => {
                Err(Exit::boxed(REFUSED, error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, from: &str, offer: &Offer) {
        let files: Vec<_> = offer.files().collect();
        let object = json!({
            "event": "offer",
            "from": from,
            "title": offer.title(),
            "files": files.len(),
            "bytes": offer.bytes(),
        });
        let mut text = format!(
            "{from} sends {} ({})",
            offer.title(),
            HumanBytes(offer.bytes())
        );
        if files.len() > 1 {
            for file in files.iter().take(LISTED) {
                text.push_str(&format!("\n  {} ({})", file.name, HumanBytes(file.size)));
            }
            if files.len() > LISTED {
                text.push_str(&format!(
                    "\n  and {} more",
                    files.len().saturating_sub(LISTED)
                ));
            }
        }
        self.show.tell(&text, &object);
    }

    async fn wanted(&self) -> bool {
        if self.recv.yes {
            return true;
        }
        if !std::io::stdin().is_terminal() {
            eprintln!("ortc: nobody to ask; --yes takes it");
            return false;
        }
        let asked = tokio::task::spawn_blocking(|| {
            eprint!("Take it? [y/N] ");
            let _ = std::io::stderr().flush();
            let mut answer = String::new();
            let _ = std::io::stdin().lock().read_line(&mut answer);
            matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
        });
        asked.await.unwrap_or(false)
    }
}

/// Text as it came, but for what could steer the terminal if that is where it goes.
fn print_text(text: &str) {
    let mut out = std::io::stdout().lock();
    let text = match out.is_terminal() {
        true => text.lines().map(shown).collect::<Vec<_>>().join("\n"),
        false => text.to_owned(),
    };
    let _ = writeln!(out, "{text}");
}
