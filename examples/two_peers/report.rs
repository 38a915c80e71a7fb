//! Compares what was sent with what arrived, and shows it.

use std::path::Path;

use serde_json::Value;

use crate::support::{Result, ivf::Ivf, ogg_opus};

/// What the two peers report.
#[derive(Default)]
pub(crate) struct Reports {
    caller: Option<Value>,
    callee: Option<Value>,
}

impl Reports {
    pub(crate) fn add(&mut self, from: &str, report: Value) {
        match from {
            "caller" => self.caller = Some(report),
            _ => self.callee = Some(report),
        }
    }

    pub(crate) fn complete(&self) -> bool {
        self.caller.is_some() && self.callee.is_some()
    }

    /// Prints the table and `OK`, or says what failed.
    pub(crate) fn compare(&self, media: &Path, out: &Path) -> Result<()> {
        let caller = self.caller.as_ref().ok_or("the caller did not report")?;
        let callee = self.callee.as_ref().ok_or("the callee did not report")?;
        let sent_video = Ivf::read(&media.join("video.ivf"))?;
        let got_video = Ivf::read(&out.join("video.ivf"))?;
        let sent_audio = ogg_opus::read(&media.join("audio.ogg"))?;
        let got_audio = ogg_opus::read(&out.join("audio.ogg"))?;

        let address = |report: &Value, side: &str| {
            let candidate = &report["path"][side];
            format!(
                "{}:{} ({})",
                text(&candidate["connectionAddress"]),
                candidate["connectionPort"],
                text(&candidate["type"]),
            )
        };
        let transport = |report: &Value, name: &str| text(&report["stats"]["transport"][name]);
        println!();
        row("", "caller", "callee");
        let both = |name: &str, of: &dyn Fn(&Value) -> String| row(name, &of(caller), &of(callee));
        both("set-up", &|r| {
            format!("{:.1} ms", r["setup_ms"].as_f64().unwrap_or(f64::NAN))
        });
        both("local candidate", &|r| address(r, "local"));
        both("remote candidate", &|r| address(r, "remote"));
        both("ICE role", &|r| transport(r, "iceRole"));
        both("DTLS cipher", &|r| transport(r, "dtlsCipher"));
        both("SRTP cipher", &|r| transport(r, "srtpCipher"));
        both("own fingerprint", &|r| {
            shorten(&transport(r, "localFingerprint"))
        });
        both("peer's fingerprint", &|r| {
            shorten(&transport(r, "remoteFingerprint"))
        });
        row(
            "packets",
            &format!("{} sent", sum(caller, "outboundRtp", "packetsSent")),
            &format!("{} received", sum(callee, "inboundRtp", "packetsReceived")),
        );
        row(
            "lost",
            "",
            &format!("{}", sum(callee, "inboundRtp", "packetsLost")),
        );
        row(
            "video frames",
            &sent_video.frames.len().to_string(),
            &got_video.frames.len().to_string(),
        );
        row(
            "audio packets",
            &sent_audio.len().to_string(),
            &got_audio.len().to_string(),
        );
        let seconds = sent_video.frame_duration().as_secs_f64() * sent_video.frames.len() as f64;
        let bytes = sum(callee, "inboundRtp", "bytesReceived");
        row(
            "media bitrate",
            "",
            &format!("{:.0} kbit/s", bytes as f64 * 8e-3 / seconds),
        );
        println!();

        let same_video = sent_video.frames.len() == got_video.frames.len()
            && std::iter::zip(&sent_video.frames, &got_video.frames)
                .all(|(sent, got)| sent.data == got.data);
        if !same_video {
            return Err("the video that arrived is not the video that was sent".into());
        }
        if sent_audio != got_audio {
            return Err("the audio that arrived is not the audio that was sent".into());
        }
        if (sent_video.width, sent_video.height) != (got_video.width, got_video.height) {
            return Err("the size of the video differs".into());
        }
        if transport(caller, "localFingerprint") != transport(callee, "remoteFingerprint")
            || transport(callee, "localFingerprint") != transport(caller, "remoteFingerprint")
        {
            return Err("the peers do not agree on their fingerprints".into());
        }
        println!("every frame arrived, bit for bit, in {}", out.display());
        println!("OK");
        Ok(())
    }
}

fn row(name: &str, caller: &str, callee: &str) {
    println!(
        "{}",
        format!("  {name:<20} {caller:<40} {callee}").trim_end()
    );
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

fn shorten(fingerprint: &str) -> String {
    fingerprint.get(..23).map_or_else(
        || fingerprint.to_owned(),
        |beginning| format!("{beginning}..."),
    )
}

fn sum(report: &Value, list: &str, field: &str) -> i64 {
    report["stats"][list]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry[field].as_i64())
        .sum()
}
