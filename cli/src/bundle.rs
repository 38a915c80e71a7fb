//! `ortc call --report`: what somebody needs who is to find out what went wrong, in one archive.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ortc_rooms::session::Room;
use serde_json::{Value, json};

use crate::failed::Failed;
use crate::log;
use crate::scrub::{scrub, scrubbed};
use crate::zip::archive;

/// The most peers whose figures are kept.
const PEERS: usize = 64;

/// A report that is being gathered.
pub(crate) struct Bundle {
    file: File,
    path: PathBuf,
    begun: Instant,
    peers: BTreeMap<String, Value>,
}

impl Bundle {
    /// Makes the file at once: what cannot be written is said before the call.
    pub(crate) fn begin(path: &Path) -> Result<Self, Failed> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            begun: Instant::now(),
            peers: BTreeMap::new(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the figures of now; of those who have gone, the last stay.
    pub(crate) fn note(&mut self, room: &Room) {
        for peer in room.peers() {
            let userid = peer.userid().to_string();
            if self.peers.len() >= PEERS && !self.peers.contains_key(&userid) {
                continue;
            }
            let Some(stats) = peer.stats() else { continue };
            let mut figures = json!({
                "after": self.begun.elapsed().as_secs_f64(),
                "stats": stats,
                "explained": peer.explain(),
            });
            scrub(&mut figures);
            self.peers.insert(userid, figures);
        }
    }

    /// Writes it. `failed` is why the command fails, if it does.
    pub(crate) fn finish(mut self, failed: Option<&Failed>) -> Result<(), Failed> {
        let about = json!({
            "program": concat!("ortc ", env!("CARGO_PKG_VERSION")),
            "system": std::env::consts::OS,
            "machine": std::env::consts::ARCH,
            "seconds": self.begun.elapsed().as_secs_f64(),
            "failed": failed.map(|error| scrubbed(&error.to_string())),
        });
        let pretty = |value: &Value| serde_json::to_vec_pretty(value);
        let entries = [
            ("report.json", pretty(&about)?),
            ("stats.json", pretty(&json!({ "peers": self.peers }))?),
            ("log.txt", log::kept().into_bytes()),
        ];
        let archive = archive(&entries).ok_or("the report is too large")?;
        let written = self.file.write_all(&archive);
        written.map_err(|error| format!("{}: {error}", self.path.display()).into())
    }
}
