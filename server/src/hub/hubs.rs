//! The hubs of a server: one for each room that needs one, as far as there is place.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortc_rooms::desk::{Desk, DeskEvent};
use ortc_rooms::room::RoomRecord;
use ortc_rooms::session::{Hub, HubFiles, HubStats, RoomRecording, SessionOptions};
use ortc_rooms::signalling::RoomName;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::need::{Need, need};
use super::recorder::ServerRecorder;
use crate::config::ServerConfig;
use crate::metrics::HubMetrics;
use crate::site::Site;

/// A room that has shrunk keeps its hub for so long: it may grow again.
const SHRUNK: Duration = Duration::from_secs(10);
/// A hub that is about to leave waits for those who use it no longer than this.
const LEAVING: Duration = Duration::from_secs(40);
/// After a failure the next attempt is made after this time.
const AGAIN: Duration = Duration::from_secs(5);
/// Entering a room takes no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at all rooms.
const LOOK: Duration = Duration::from_secs(1);

/// The hubs of a server.
pub(crate) struct Hubs {
    desk: Desk,
    options: SessionOptions,
    most_rooms: usize,
    most_people: usize,
    metrics: HubMetrics,
    recorder: Option<Arc<ServerRecorder>>,
    files: Option<Arc<HubFiles>>,
    kept: HashMap<RoomName, Kept>,
    /// Rooms that got none, and when to try again.
    refused: HashMap<RoomName, Instant>,
}

/// A hub, and whether it is needed.
struct Kept {
    hub: Hub,
    /// Where the room is recorded.
    recording: Option<RoomRecording>,
    /// When it may be tried (again).
    record_after: Instant,
    /// Since when it is not needed.
    shrunk: Option<Instant>,
    /// Since when it is about to leave.
    leaving: Option<Instant>,
    /// What was counted of it.
    counted: HubStats,
}

impl Hubs {
    /// Those of a server that is to have some.
    pub(crate) fn of(site: &Site) -> Option<Self> {
        let (desk, metrics) = (site.desk.clone(), site.metrics.hubs.clone());
        let wanted = site.config.hub;
        let recorder = site.recorder.clone();
        wanted.then(|| Self {
            files: site.files.clone(),
            ..Self::new(&site.config, desk, metrics, recorder)
        })
    }

    fn new(
        config: &ServerConfig,
        desk: Desk,
        metrics: HubMetrics,
        recorder: Option<Arc<ServerRecorder>>,
    ) -> Self {
        let mut options = SessionOptions::new();
        let ip = config.listen.ip();
        // Behind a proxy the page comes from this machine, and media do not.
        options.include_loopback = ip.is_loopback();
        let port = config.hub_port.unwrap_or(0);
        if !ip.is_loopback() || port != 0 {
            let ip = match ip.is_loopback() {
                true if ip.is_ipv4() => [0, 0, 0, 0].into(),
                true => std::net::Ipv6Addr::UNSPECIFIED.into(),
                false => ip,
            };
            options.bind = Some(SocketAddr::new(ip, port));
        }
        options.external_addresses = config.outside().into_iter().collect();
        Self {
            desk,
            options,
            most_rooms: config.hub_rooms,
            most_people: config.hub_people,
            metrics,
            recorder,
            files: None,
            kept: HashMap::new(),
            refused: HashMap::new(),
        }
    }

    /// Until the server ends; what is recorded is complete then.
    pub(crate) async fn run(
        mut self,
        events: broadcast::Receiver<DeskEvent>,
        shutdown: watch::Receiver<bool>,
    ) {
        self.watch(events, shutdown).await;
        let kept = self.kept.values_mut();
        let mut ends: JoinSet<()> = kept
            .filter_map(|kept| Some(ended(kept.recording.take()?)))
            .collect();
        while ends.join_next().await.is_some() {}
    }

    async fn watch(
        &mut self,
        mut events: broadcast::Receiver<DeskEvent>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(DeskEvent::Joined { room, .. } | DeskEvent::Left { room, .. }
                        | DeskEvent::RoomClosed { room }) => self.look(&room).await,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = looks.tick() => self.look_at_all().await,
                () = ends(&mut shutdown) => return,
            }
        }
    }

    /// Rules change without a word, and so do rooms of other servers.
    async fn look_at_all(&mut self) {
        let records = self.desk.records();
        let kept: Vec<RoomName> = self.kept.keys().cloned().collect();
        for room in kept {
            self.look(&room).await;
        }
        for record in records {
            if self.need(&record) == Need::Hub && record.hub().is_none() {
                self.look(&record.room).await;
            }
        }
        let now = Instant::now();
        self.refused.retain(|_, until| *until > now);
        self.count();
    }

    async fn look(&mut self, room: &RoomName) {
        let Some(record) = self.desk.room(room) else {
            self.kept.remove(room);
            self.recorder
                .iter()
                .for_each(|recorder| recorder.forget(room));
            return;
        };
        let is = |kept: &Kept| {
            let there = record.hub();
            there.is_some_and(|there| there.user.userid == kept.hub.userid())
        };
        // Lost, or put out with its connection to the desk.
        if self.kept.get(room).is_some_and(|kept| !is(kept)) {
            self.kept.remove(room);
        }
        let needed = self.need(&record);
        let now = Instant::now();
        let over = self
            .kept
            .get_mut(room)
            .map(|kept| kept.is_over(needed, now));
        match over {
            Some(true) => drop(self.kept.remove(room)),
            Some(false) => {}
            None if needed == Need::Hub && record.hub().is_none() => self.begin(&record).await,
            None => {}
        }
        self.record(&record);
    }

    /// A room that is recorded goes by the hub, however few are in it.
    fn need(&self, record: &RoomRecord) -> Need {
        let recorder = self.recorder.as_ref();
        need(
            record,
            recorder.is_some_and(|recorder| recorder.wants(record)),
        )
    }

    /// Begins to record, or ends that.
    fn record(&mut self, record: &RoomRecord) {
        let (Some(recorder), Some(kept)) = (&self.recorder, self.kept.get_mut(&record.room)) else {
            return;
        };
        let wanted = recorder.wants(record) && kept.leaving.is_none();
        match (&kept.recording, wanted) {
            (None, true) if kept.record_after <= Instant::now() => {
                kept.recording = recorder.begin(&kept.hub, &record.room, &self.metrics);
                kept.record_after = Instant::now() + AGAIN;
            }
            (Some(recording), false) => {
                tokio::spawn(ended(recording.clone()));
                kept.recording = None;
            }
            _ => {}
        }
    }

    /// A room gets a hub, if there is place.
    async fn begin(&mut self, record: &RoomRecord) {
        let (room, now) = (&record.room, Instant::now());
        if self.refused.get(room).is_some_and(|until| *until > now) {
            return;
        }
        let people: usize = self.kept.values().map(|kept| kept.counted.connected).sum();
        let full = match () {
            () if self.kept.len() >= self.most_rooms => Some("rooms"),
            () if people.saturating_add(record.persons().count()) > self.most_people => {
                Some("people")
            }
            () => None,
        };
        if let Some(reason) = full {
            return self.refuse(room, reason, "as many as may be go by this server");
        }
        let entering = Hub::enter(&self.desk, room, self.options.clone());
        match timeout(PATIENCE, entering).await {
            Ok(Ok(hub)) => {
                if let Some(files) = &self.files {
                    hub.keep_files(files.clone());
                }
                let kept = Kept {
                    hub,
                    recording: None,
                    record_after: Instant::now(),
                    shrunk: None,
                    leaving: None,
                    counted: HubStats::default(),
                };
                self.kept.insert(room.clone(), kept);
            }
            Ok(Err(error)) => self.refuse(room, "failed", &error.to_string()),
            Err(_) => self.refuse(room, "failed", "the room is not entered in time"),
        }
    }

    fn refuse(&mut self, room: &RoomName, reason: &str, words: &str) {
        tracing::warn!(reason, words, "a room stays without a hub");
        self.metrics.refused.with_label_values(&[reason]).inc();
        self.refused.insert(room.clone(), Instant::now() + AGAIN);
    }

    fn count(&mut self) {
        let mut all = HubStats::default();
        for kept in self.kept.values_mut() {
            let stats = kept.hub.stats();
            let messages = stats.messages.saturating_sub(kept.counted.messages);
            let dropped = stats.dropped.saturating_sub(kept.counted.dropped);
            self.metrics.messages.inc_by(messages);
            self.metrics.dropped.inc_by(dropped);
            all.connected = all.connected.saturating_add(stats.connected);
            all.tracks_in = all.tracks_in.saturating_add(stats.tracks_in);
            all.tracks_out = all.tracks_out.saturating_add(stats.tracks_out);
            kept.counted = stats;
        }
        let set = |gauge: &prometheus::IntGauge, count: usize| {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        let recorded = self.kept.values().filter(|kept| kept.recording.is_some());
        set(&self.metrics.recordings, recorded.count());
        if let Some(stats) = self.files.as_ref().map(|files| files.stats()) {
            let refused = stats
                .refused
                .saturating_sub(self.metrics.files_refused.get());
            self.metrics.files_refused.inc_by(refused);
            set(&self.metrics.files, stats.transfers);
            set(&self.metrics.files_stalled, stats.stalled);
            let bytes = i64::try_from(stats.bytes).unwrap_or(i64::MAX);
            self.metrics.files_bytes.set(bytes);
        }
        set(&self.metrics.rooms, self.kept.len());
        set(&self.metrics.people, all.connected);
        set(&self.metrics.tracks_in, all.tracks_in);
        set(&self.metrics.tracks_out, all.tracks_out);
    }
}

/// Completes the files and the time line, and has all told.
async fn ended(recording: RoomRecording) {
    if let Err(error) = recording.stop().await {
        tracing::warn!(%error, "the time line of a recording");
    }
}

async fn ends(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|ends| *ends).await;
}

impl Drop for Kept {
    /// The room may end, and the hub be lost, while it is recorded.
    fn drop(&mut self) {
        if let Some(recording) = self.recording.take() {
            tokio::spawn(ended(recording));
        }
    }
}

impl Kept {
    /// Goes on with it; true once it is to leave the room.
    fn is_over(&mut self, needed: Need, now: Instant) -> bool {
        if needed != Need::None {
            self.shrunk = None;
            if self.leaving.take().is_some() {
                self.hub.set_leaving(false);
            }
            return false;
        }
        let shrunk = *self.shrunk.get_or_insert(now);
        let Some(leaving) = self.leaving else {
            if now.duration_since(shrunk) >= SHRUNK {
                self.leaving = Some(now);
                self.hub.set_leaving(true);
            }
            return false;
        };
        let waited = now.duration_since(leaving);
        // Who has not heard of it yet has said nothing.
        waited >= LEAVING || (waited >= LOOK && self.hub.is_free())
    }
}
