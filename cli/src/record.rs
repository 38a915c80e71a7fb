//! `ortc record`: a room into files.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use ortc_rooms::record::{RecordEvent, RecordEvents, RecordOptions, Recorded};
use ortc_rooms::session::{Event, Events, Room, RoomRecording, RoomRequest};
use ortc_rooms::signalling::SessionKind;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::failed::{Exit, Failed, INTERRUPTED};
use crate::http::encoded;
use crate::reach::{Reach, base};
use crate::report::{Form, Report, plain};
use crate::room::over;

/// Records a room: a WebM file for each participant's stream, and session.json, which says what is
/// when and of whom. All who are in the room are told
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// Room that is entered, and opened if it is not there
    room: String,
    /// Folder that is written into; nothing in it is overwritten
    #[arg(long, value_name = "FOLDER", default_value = "recordings")]
    dir: PathBuf,
    /// Writes each audio track into an Ogg file, too
    #[arg(long)]
    ogg: bool,
    /// Writes each video track into an IVF file, too
    #[arg(long)]
    ivf: bool,
    /// Records audio alone
    #[arg(long)]
    audio_only: bool,
    /// Writes the last key frame of each stream as a picture at the end (VP8 as WebP)
    #[arg(long)]
    snapshot: bool,
    /// Ends after this time: `10s`, `5m`, `1h`
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Ends once all others have left
    #[arg(long)]
    until_alone: bool,
    /// Posts what was recorded to a server that takes recordings (`ortc serve --recordings`): its address, or a URL
    #[arg(long, value_name = "URL")]
    post: Option<String>,
    /// Token to post with, in place of that of `--token`
    #[arg(
        long,
        env = "ORTC_POST_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    post_token: Option<String>,
    /// Password of the room
    #[arg(long, env = "ORTC_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// Prints a JSON object a line
    #[arg(long)]
    json: bool,
}

impl Record {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let form = Form::of(self.json);
        let mut report = Report::new(form);
        let (session, mut events) = self.reach.connect().await?;
        let mut request =
            RoomRequest::from(self.room.as_str()).session(SessionKind::audio_video().and_data());
        if let Some(password) = &self.password {
            request = request.password(password);
        }
        let room = session.open_or_join(request).await?;
        let mut options = RecordOptions::default();
        options.ogg = self.ogg;
        options.ivf = self.ivf;
        options.video = !self.audio_only;
        let (recording, mut files) = room.record(&self.dir, options)?;
        let timeline = recording.recorder().timeline().to_owned();
        let place = self.dir.display().to_string();
        form.say(
            "recording",
            &format!("recording into {place}; Ctrl-C ends it"),
            json!({ "dir": self.dir, "timeline": recording.recorder().timeline() }),
        );
        let done = self
            .wait(form, &mut report, &room, &mut events, &mut files)
            .await;
        if self.snapshot {
            self.snapshots(form, &recording).await?;
        }
        let recorded = recording.stop().await?;
        while let Some(event) = files.try_next() {
            tell(form, &event);
        }
        session.leave().await.ok();
        session.end();
        summary(form, &recorded);
        done?;
        if let Some(post) = &self.post {
            self.post(form, post, &recorded, &timeline).await?;
        }
        match recorded.iter().find_map(|one| one.error.as_ref()) {
            Some(error) => Err(format!("not all was recorded: {error}").into()),
            None => Ok(()),
        }
    }

    async fn wait(
        &self,
        form: Form,
        report: &mut Report,
        room: &Room,
        events: &mut Events,
        files: &mut RecordEvents,
    ) -> Result<(), Failed> {
        let end = self.time.map(|time| Instant::now() + time);
        let mut company = false;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { return Ok(()) };
                    report.event(&event);
                    if let Some(result) = over(&event) {
                        return result;
                    }
                    if let Event::Track { track, .. } = event {
                        // Nobody reads it but the recording.
                        tokio::spawn(async move { while track.recv_rtp().await.is_some() {} });
                    }
                    let users = room.users().len();
                    company |= users > 1;
                    if self.until_alone && company && users <= 1 {
                        return Ok(());
                    }
                }
                Some(event) = files.next() => tell(form, &event),
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(()),
                signal = &mut interrupted => return Ok(signal?),
            }
        }
    }

    /// One after the other; what is not taken stays where it is.
    async fn post(
        &self,
        form: Form,
        to: &str,
        recorded: &[Recorded],
        timeline: &Path,
    ) -> Result<(), Failed> {
        let http = self.reach.http(self.post_token.as_deref())?;
        let url = post_url(to);
        let files = recorded.iter().flat_map(|one| &one.files);
        let files = files.map(|file| (file.path.as_path(), file.recording_type.as_str()));
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        for (path, kind) in files.chain([(timeline, "application/json")]) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let (room, name) = (encoded(&self.room), encoded(&name));
            let to = format!("{url}?room={room}&name={name}");
            let told = tokio::select! {
                told = http.post(&to, kind, path) => told,
                signal = &mut interrupted => {
                    signal?;
                    let words = "interrupted; what was not posted is in the folder";
                    return Err(Exit::boxed(INTERRUPTED, words));
                }
            };
            let told = told.map_err(|error| {
                format!(
                    "{} was not posted, and stays there: {error}",
                    path.display()
                )
            })?;
            let id = plain(told["id"].as_str().unwrap_or_default());
            let words = format!("{} posted to {url}/{id}", path.display());
            let object = json!({ "path": path, "url": format!("{url}/{id}"), "about": told });
            form.say("posted", &words, object);
        }
        Ok(())
    }

    async fn snapshots(&self, form: Form, recording: &RoomRecording) -> Result<(), Failed> {
        for (number, (userid, stream)) in (1..).zip(recording.streams()) {
            let Some(stream) = recording.stream(&userid, &stream) else {
                continue;
            };
            let Some(snapshot) = stream.snapshot().await else {
                continue;
            };
            let name = format!("snapshot-{number}.{}", snapshot.extension());
            let path = self.dir.join(name);
            tokio::task::block_in_place(|| std::fs::write(&path, &snapshot.data))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let object = json!({
                "userid": userid, "path": path, "width": snapshot.width, "height": snapshot.height,
            });
            form.say(
                "snapshot",
                &format!("picture in {}", path.display()),
                object,
            );
        }
        Ok(())
    }
}

/// A server's address means its `/recordings`.
fn post_url(to: &str) -> String {
    let path = to.split_once("://").map_or(to, |(_, rest)| rest);
    match path.split_once('/') {
        None | Some((_, "")) => format!("{}/recordings", base(to)),
        Some(_) if to.contains("://") => to.trim_end_matches('/').to_owned(),
        Some((_, path)) => format!("{}/{path}", base(to)),
    }
}

fn tell(form: Form, event: &RecordEvent) {
    match event {
        RecordEvent::File { userid, file, .. } => {
            let words = format!("{} into {}", plain(userid), file.path.display());
            form.say("file", &words, json!({ "userid": userid, "file": file }));
        }
        RecordEvent::NotRecorded { userid, codec, .. } => {
            let words = format!("a track of {} in {codec} is not recorded", plain(userid));
            form.say(
                "notRecorded",
                &words,
                json!({ "userid": userid, "codec": codec }),
            );
        }
        RecordEvent::Failed { userid, error, .. } => {
            let words = format!("{} is recorded no longer: {error}", plain(userid));
            form.say(
                "recordFailed",
                &words,
                json!({ "userid": userid, "error": error }),
            );
        }
        _ => {}
    }
}

fn summary(form: Form, recorded: &[Recorded]) {
    for file in recorded.iter().flat_map(|one| &one.files) {
        let words = format!(
            "{}: {:.1} s, {}",
            file.path.display(),
            file.duration,
            file.recording_type
        );
        form.say("recorded", &words, json!({ "file": file }));
    }
    if recorded.iter().all(|one| one.files.is_empty()) {
        form.say(
            "recorded",
            "nothing was there to record",
            json!({ "file": null }),
        );
    }
}

/// `10s`, `5m`, `1h`, or seconds.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no time: 10s, 5m and 1h are");
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3_600.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
    match seconds.as_secs() < 86_400 * 366 {
        true => Ok(seconds),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c34_a_server_means_its_recordings() {
        for (said, meant) in [
            ("127.0.0.1:1", "http://127.0.0.1:1/recordings"),
            ("https://example.org/", "https://example.org/recordings"),
            ("https://example.org/a/b", "https://example.org/a/b"),
            ("example.org/a", "https://example.org/a"),
        ] {
            assert_eq!(post_url(said), meant);
        }
    }

    #[test]
    fn c35_ten_seconds_are_ten_seconds() {
        assert_eq!(time("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(time("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1h"), Ok(Duration::from_secs(3_600)));
        for wrong in ["", "s", "-1s", "1d", "1e99h", "ü"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
