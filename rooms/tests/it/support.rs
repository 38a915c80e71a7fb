//! A desk, members of a room, media that is counted.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Session, SessionOptions};
use ortc_rooms::signalling::UserId;
use ortc_rooms::signalling::memory::Memory;

/// Nothing in these tests takes so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn limited<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("in time")
}

pub(crate) fn options(userid: &str) -> SessionOptions {
    let mut options = SessionOptions::new().with_userid(userid).unwrap();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    options
}

pub(crate) fn id(userid: &str) -> UserId {
    UserId::new(userid).unwrap()
}

/// A user with its session.
pub(crate) struct Member {
    pub(crate) session: Session,
    pub(crate) events: Events,
}

impl Member {
    pub(crate) async fn new(desk: &Desk, userid: &str) -> Self {
        Self::with(desk, options(userid)).await
    }

    pub(crate) async fn with(desk: &Desk, options: SessionOptions) -> Self {
        let memory = Memory::connect(desk, options.hello()).await.unwrap();
        let (session, events) = Session::with(memory, options).await.unwrap();
        Self { session, events }
    }

    /// The next event that is wanted; others are passed over.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let who = self.session.userid();
        let found = async {
            loop {
                let event = self.events.next().await.expect("no end");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(LIMIT, found).await;
        found.unwrap_or_else(|_| panic!("{who} waits in vain"))
    }

    pub(crate) async fn connected(&mut self, userid: &str) {
        let wanted = id(userid);
        self.until(|event| match event {
            Event::Connected { user, .. } if user.userid == wanted => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn track(&mut self, kind: ortc::Kind) -> MediaStreamTrack {
        self.until(|event| match event {
            Event::Track { track, .. } if track.kind() == kind => Some(track.clone()),
            _ => None,
        })
        .await
    }
}

/// A stream whose tracks are fed for ever.
pub(crate) struct Source {
    pub(crate) stream: MediaStream,
    task: tokio::task::JoinHandle<()>,
}

impl Source {
    pub(crate) fn new(audio: bool, video: bool) -> Self {
        let stream = MediaStream::new();
        let mut tracks = Vec::new();
        if audio {
            tracks.push((stream.add_track(&MediaStreamTrack::audio()), vec![0xf8; 40]));
        }
        if video {
            // A VP8 key frame of nothing: its first byte and start code.
            let mut frame = vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
            frame.resize(400, 0);
            tracks.push((stream.add_track(&MediaStreamTrack::video()), frame));
        }
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(20));
            loop {
                clock.tick().await;
                for (track, frame) in &tracks {
                    let _ = track.write_sample(frame.clone(), Duration::from_millis(20));
                }
            }
        });
        Self { stream, task }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts the packets of a track.
pub(crate) fn count(track: MediaStreamTrack) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while track.recv_rtp().await.is_some() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    count
}

/// Waits until so many more packets came.
pub(crate) async fn more(count: &AtomicU64, packets: u64) {
    let before = count.load(Ordering::Relaxed);
    limited(async {
        while count.load(Ordering::Relaxed) < before + packets {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until nothing more comes.
pub(crate) async fn silent(count: &AtomicU64) {
    limited(async {
        loop {
            let before = count.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(300)).await;
            if count.load(Ordering::Relaxed) == before {
                return;
            }
        }
    })
    .await;
}
