//! `ortc recv`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use ortc::RTCDataChannel;
use ortc_rooms::files::{
    Code as Fault, FileDone, FileOffer, NameTaken, Quota, ReceiveOptions, shown,
};
use ortc_rooms::session::{Error, Event, Payload};
use ortc_rooms::signalling::ErrorCode;
use serde_json::json;

use crate::code::Code;
use crate::failed::{Exit, Failed, INTERRUPTED, REFUSED};
use crate::meeting::{Meeting, Met, Way, common, wrong_code};
use crate::progress::Show;
use crate::send::{bytes, name};

/// How long the sender may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Files of an offer that are listed.
const LISTED: usize = 20;

/// Receives files, folders or text.
#[derive(Debug, Clone, Args)]
pub(crate) struct Recv {
    /// The code that `ortc send` shows
    #[arg(
        required_unless_present = "room",
        conflicts_with = "room",
        value_name = "CODE"
    )]
    code: Vec<String>,
    /// The folder to write to
    #[arg(long, default_value = ".", value_name = "DIR")]
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
    #[command(flatten)]
    meeting: Meeting,
}

struct Receiving<'a> {
    recv: &'a Recv,
    show: Show,
    /// Taken already: gone on with, without another question.
    taken: Option<(String, u64)>,
}

type Offer = FileOffer<RTCDataChannel>;

/// What became of an offer.
enum Taken {
    All,
    /// The sender has to make it again.
    Lost,
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
        self.go(code.as_ref()).await
    }

    async fn go(&self, code: Option<&Code>) -> Result<(), Failed> {
        let show = Show::new(self.meeting.json);
        let way = match code {
            Some(_) => Way::Join(PATIENCE),
            None => Way::Either,
        };
        let met = tokio::select! {
            met = self.meeting.go(code, way) => met,
            _ = tokio::signal::ctrl_c() => return Err(self.interrupted()),
        };
        let met = met.map_err(|error| match error.downcast_ref::<Error>() {
            Some(Error::Refused {
                code: ErrorCode::NoSuchRoom,
                ..
            }) => "nobody sends under this code: look at its first word".into(),
            _ => error,
        })?;
        let (room, session) = (met.room.clone(), met.session.clone());
        let mut receiving = Receiving {
            recv: self,
            show,
            taken: None,
        };
        let ended = tokio::select! {
            ended = receiving.serve(met) => ended,
            _ = tokio::signal::ctrl_c() => Err(self.interrupted()),
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), room.leave()).await;
        session.end();
        ended
    }

    fn interrupted(&self) -> Failed {
        let text = "interrupted; what came is kept, and the same command goes on where it was";
        Exit::boxed(INTERRUPTED, text)
    }
}

impl Receiving<'_> {
    async fn serve(&mut self, mut met: Met) -> Result<(), Failed> {
        loop {
            let event = met.events.next().await.ok_or("the session has ended")?;
            common(&event, &self.show)?;
            match event {
                Event::FileOffer { user, offer, .. } => {
                    let mut next = Some((name(&user), offer));
                    while let Some((from, offer)) = next {
                        match self.take(&mut met, &from, offer).await? {
                            Taken::All => return Ok(()),
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
                        return Ok(());
                    }
                }
                Event::Impostor { .. } => return Err(wrong_code()),
                Event::Closed { .. } => return Err("the sender has ended it".into()),
                _ => {}
            }
        }
    }

    /// Takes an offer.
    async fn take(&mut self, met: &mut Met, from: &str, offer: Offer) -> Result<Taken, Failed> {
        let this = (offer.title(), offer.bytes());
        if self.taken.as_ref() != Some(&this) {
            self.list(from, &offer);
            if !self.wanted().await {
                offer.reject("not wanted").await;
                return Err(Exit::boxed(REFUSED, "refused"));
            }
        }
        self.taken = Some(this.clone());
        std::fs::create_dir_all(&self.recv.to)?;
        let transfer = offer.accept(&self.recv.to, self.options());
        let watched = self.show.watch(transfer.clone(), from);
        let done = async { tokio::join!(watched, transfer.finished()).1 };
        let again = async {
            loop {
                match met.events.next().await {
                    Some(Event::FileOffer { user, offer, .. })
                        if (offer.title(), offer.bytes()) == this =>
                    {
                        return (name(&user), offer);
                    }
                    Some(event) => drop(common(&event, &self.show)),
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            ended = done => self.ended(ended),
            (from, offer) = again => {
                // The sender was killed and is back, before anybody noticed.
                transfer.stop();
                match transfer.finished().await {
                    Err(error) if error.code() == Fault::Lost => Ok(Taken::Again(from, offer)),
                    ended => self.ended(ended),
                }
            }
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
        options
    }

    fn ended(
        &self,
        ended: Result<Vec<FileDone>, ortc_rooms::files::Error>,
    ) -> Result<Taken, Failed> {
        match ended {
            Ok(files) => {
                let mut failed = 0_usize;
                for file in files {
                    let path = shown(&file.path.to_string_lossy());
                    let (sentence, object) = match file.hash {
                        Ok(hash) => (
                            path.clone(),
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
                    self.show.tell(&sentence, &object);
                }
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
