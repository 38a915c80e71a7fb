//! `ortc call`: media into a room, and from it into files.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use ortc::Kind;
use ortc_rooms::session::{Event, RoomRequest, StreamOptions};
use ortc_rooms::signalling::SessionKind;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

use crate::bundle::Bundle;
use crate::failed::Failed;
use crate::media::{Player, Recorded, Source, record};
use crate::reach::Reach;
use crate::report::{Form, Report};
use crate::room::over;

/// How often figures are looked at for a report.
const LOOKS: Duration = Duration::from_secs(2);

/// Takes part in a room: sends a test picture with a tone, or files, and writes what arrives
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Room that is entered, and opened if it is not there
    room: String,
    /// Sends these in place of the test picture: IVF with VP8, VP9 or AV1, Ogg with Opus
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "silent")]
    send: Vec<PathBuf>,
    /// Sends nothing
    #[arg(long)]
    silent: bool,
    /// Folder that what arrives is written into, a file a track; nothing is overwritten
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Ends after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Ends once all others have left
    #[arg(long)]
    until_alone: bool,
    /// Writes an archive for who is to find out what went wrong: the log and the figures of each connection, without addresses
    #[arg(long, value_name = "OUT.ZIP")]
    report: Option<PathBuf>,
    /// Password of the room
    #[arg(long, env = "ORTC_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// Prints a JSON object a line
    #[arg(long)]
    json: bool,
}

impl Call {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let form = Form::of(self.json);
        let mut bundle = self.report.as_deref().map(Bundle::begin).transpose()?;
        let done = self.talk(form, bundle.as_mut()).await;
        if let Some(bundle) = bundle {
            let path = bundle.path().to_owned();
            bundle.finish(done.as_ref().err())?;
            let words = format!("report in {}", path.display());
            form.say("report", &words, json!({ "path": path }));
        }
        done
    }

    async fn talk(&self, form: Form, mut bundle: Option<&mut Bundle>) -> Result<(), Failed> {
        let mut report = Report::new(form);
        if let Some(folder) = &self.out {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let player = self.player()?;
        let (session, mut events) = self.reach.connect().await?;
        let mut request =
            RoomRequest::from(self.room.as_str()).session(SessionKind::audio_video().and_data());
        if let Some(password) = &self.password {
            request = request.password(password);
        }
        let room = session.open_or_join(request).await?;
        if let Some(player) = &player {
            let options = StreamOptions::codecs(player.codecs().to_vec());
            room.add_stream_with(player.stream(), options)?;
        }
        let end = self
            .seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut recordings = JoinSet::new();
        let mut company = false;
        let mut looks = interval(LOOKS);
        // One for all turns: what comes between two of them is not lost.
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let done = loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { break Ok(()) };
                    report.event(&event);
                    if let Some(result) = over(&event) {
                        break result;
                    }
                    if let Event::Track { userid, track, .. } = event {
                        recordings.spawn(self.receive(track, report.name(&userid)));
                    }
                    let users = room.users().len();
                    company |= users > 1;
                    if self.until_alone && company && users <= 1 {
                        break Ok(());
                    }
                }
                _ = looks.tick(), if bundle.is_some() => {
                    bundle.iter_mut().for_each(|bundle| bundle.note(&room));
                }
                Some(recorded) = recordings.join_next() => written(form, recorded)?,
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => break Ok(()),
                signal = &mut interrupted => {
                    signal?;
                    break Ok(());
                }
            }
        };
        bundle.iter_mut().for_each(|bundle| bundle.note(&room));
        // Tracks end with the session; their files are then complete.
        session.leave().await.ok();
        session.end();
        while let Some(recorded) = recordings.join_next().await {
            written(form, recorded)?;
        }
        done
    }

    fn player(&self) -> Result<Option<Player>, String> {
        let source = match (self.silent, self.send.is_empty()) {
            (true, _) => return Ok(None),
            (false, true) => Source::TestPicture,
            (false, false) => Source::Files(self.send.clone()),
        };
        Player::start(&source).map(Some)
    }

    /// Into a file, or only counted.
    fn receive(
        &self,
        track: ortc::MediaStreamTrack,
        who: String,
    ) -> impl Future<Output = Result<(String, Recorded), String>> + Send + use<> {
        let folder = self.out.clone();
        async move {
            let recorded = record(track, folder.clone(), who.clone()).await;
            let place = folder.unwrap_or_default();
            let recorded = recorded.map_err(|error| format!("{}: {error}", place.display()))?;
            Ok((who, recorded))
        }
    }
}

type Ended = Result<Result<(String, Recorded), String>, tokio::task::JoinError>;

fn written(form: Form, ended: Ended) -> Result<(), Failed> {
    let (who, recorded) = ended??;
    let kind = if recorded.kind == Kind::Video {
        "video"
    } else {
        "audio"
    };
    let unit = if recorded.kind == Kind::Video {
        "frames"
    } else {
        "packets"
    };
    let into = match &recorded.path {
        Some(path) => format!(" in {}", path.display()),
        None => String::new(),
    };
    let words = format!("{kind} of {}: {} {unit}{into}", who, recorded.samples);
    let object = json!({
        "from": who, "kind": kind, "samples": recorded.samples,
        "path": recorded.path, "width": recorded.size.0, "height": recorded.size.1,
        "longestPauseMs": u64::try_from(recorded.pause.as_millis()).unwrap_or(u64::MAX),
    });
    form.say("received", &words, object);
    Ok(())
}
