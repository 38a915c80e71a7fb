//! The session's handle.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::error::{Error, Result};
use super::event::Event;
use super::options::SessionOptions;
use super::pace::Pace;
use super::queue::{EventQueue, Events};
use super::signal::grace;
use super::speakers::LOOK;
use super::state::{PATIENCE, Shared, State};
use crate::signalling::websocket::WebSocket;
use crate::signalling::{
    ClientMessage, Extra, IceServer, Role, ServerMessage, SignalError, SignalEvent, Signaller,
    UserId, Welcome,
};

/// One user's part in rooms: its connections to all who are there. Cloning gives another handle;
/// when the last one, of a [`Room`](super::room::Room) or [`Peer`](super::peer::Peer) too, is dropped, the session ends.
#[derive(Clone)]
pub struct Session {
    handle: Arc<Handle>,
}

/// What all handles of a session hold.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shut();
    }
}

impl Session {
    /// Connects to a signalling server, e.g. `wss://example.org/ws`.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if it is not reached or refuses; errors of the options:
    /// [`Error::InsecureNotSupported`], [`Error::RtpDataNotSupported`], [`Error::NoCandidates`].
    pub async fn connect(
        url: impl Into<String>,
        options: SessionOptions,
    ) -> Result<(Self, Events)> {
        options.check()?;
        let websocket = options.websocket.clone();
        let signaller = WebSocket::connect(url, options.hello(), websocket).await?;
        Self::with(signaller, options).await
    }

    /// Goes by any signaller, which was made with [`SessionOptions::hello`].
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if the signaller ends before its `welcome`; errors of the options.
    pub async fn with(
        signaller: impl Signaller + 'static,
        options: SessionOptions,
    ) -> Result<(Self, Events)> {
        options.check()?;
        let mut signaller = signaller;
        let patience = options.patience.unwrap_or(PATIENCE);
        let welcome = timeout(patience, first(&mut signaller));
        let welcome = welcome.await.map_err(|_| Error::Timeout)??;
        let (out, outgoing) = mpsc::unbounded_channel();
        let events = Arc::new(EventQueue::default());
        let channel = options.channel.clone().filter(|_| options.auto_join);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                me: welcome.userid.clone(),
                role: welcome.role,
                extra: options.extra.clone(),
                grace: grace(&welcome),
                ice_servers: welcome.ice_servers,
                rooms: BTreeMap::new(),
                streams: Vec::new(),
                pending: Vec::new(),
                calls: HashMap::new(),
                calls_asked: 0,
                lobby: watch::channel(Vec::new()).0,
                watching: None,
                searching: None,
                ports: None,
                home: 0,
                over: false,
                away: false,
            }),
            out,
            events: events.clone(),
            options,
            runtime: tokio::runtime::Handle::current(),
            offers: Arc::default(),
            accepted: Arc::default(),
            recordings: Default::default(),
            hub: welcome.role == Role::Hub,
            house: std::sync::OnceLock::new(),
            passed: Default::default(),
            end: Notify::new(),
        });
        shared.event(Event::LocalConnected {
            userid: welcome.userid,
            role: welcome.role,
            resumed: false,
        });
        // The server's own hub speaks for all of a room.
        let rate = match welcome.role {
            Role::Hub => u32::MAX,
            _ => welcome.limits.messages_per_second,
        };
        tokio::spawn(run(shared.clone(), signaller, outgoing, rate));
        let handle = Arc::new(Handle { shared });
        let session = Self { handle };
        if let Some(channel) = channel {
            let channel = Some(channel).filter(|channel| !channel.is_empty());
            let state = &mut *session.shared().lock();
            state.searching = Some(channel.clone());
            state.watching = Some(channel.clone());
            let watch = true;
            session
                .shared()
                .tell(ClientMessage::Rooms { watch, channel });
        }
        Ok((session, Events { queue: events }))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Who this user is.
    pub fn userid(&self) -> UserId {
        self.shared().lock().me.clone()
    }

    /// What this user may do where no room says otherwise.
    pub fn role(&self) -> Role {
        self.shared().lock().role
    }

    /// What this user tells of itself.
    pub fn extra(&self) -> Extra {
        self.shared().lock().extra.clone()
    }

    /// Tells something else of this user, in all rooms.
    pub fn set_extra(&self, extra: Extra) {
        self.shared().lock().extra = extra.clone();
        self.shared().tell(ClientMessage::Extra { extra });
    }

    /// The STUN and TURN servers that the signalling server named last; the application's own are not
    /// among them.
    pub fn ice_servers(&self) -> Vec<IceServer> {
        self.shared().lock().ice_servers.clone()
    }

    /// How many UDP ports this session's connections go over.
    pub fn ports(&self) -> usize {
        let state = self.shared().lock();
        state.ports.as_ref().map_or(0, |ports| ports.count())
    }

    /// Ends the session: rooms are left, connections closed, the server told. Dropping the last
    /// handle does the same.
    pub fn end(&self) {
        self.shared().shut();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("userid", &self.userid())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The session ends, because the application wants it.
    fn shut(&self) {
        let mut state = self.lock();
        if !state.over {
            self.tell(ClientMessage::Bye {});
        }
        self.finish(&mut state);
        drop(state);
        self.end.notify_one();
    }

    /// Connections are closed, and who waits is told.
    fn finish(&self, state: &mut State) {
        state.over = true;
        for (name, mut entry) in std::mem::take(&mut state.rooms) {
            let peers: Vec<UserId> = entry.peers.keys().cloned().collect();
            for peer in peers {
                self.end_link(&mut entry, &name, &peer, false);
            }
        }
        for pending in state.pending.drain(..) {
            let _ = pending.answer.send(Err(Error::Ended));
        }
        state.calls.clear();
        state.streams.clear();
        state.ports = None;
        state.lobby = watch::channel(Vec::new()).0;
    }
}

async fn first(signaller: &mut (impl Signaller + 'static)) -> Result<Welcome> {
    loop {
        match signaller.next().await {
            Some(SignalEvent::Message(ServerMessage::Welcome(welcome))) => return Ok(welcome),
            Some(SignalEvent::Message(ServerMessage::Error { code, message, .. })) => {
                return Err(Error::Refused { code, message });
            }
            Some(_) => {}
            None => return Err(SignalError::Ended.into()),
        }
    }
}

/// Between the server and the session, until either ends.
async fn run(
    shared: Arc<Shared>,
    mut signaller: impl Signaller,
    mut outgoing: mpsc::UnboundedReceiver<ClientMessage>,
    rate: u32,
) {
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pace = Pace::new(rate, Instant::now());
    let reason = loop {
        let wait = pace.wait(Instant::now());
        tokio::select! {
            () = sleep(wait), if !wait.is_zero() => {}
            event = signaller.next() => match event {
                Some(SignalEvent::Message(ServerMessage::Goodbye { message, .. })) => break message,
                Some(SignalEvent::Message(message)) => shared.signalled(message),
                Some(SignalEvent::Lost { reason }) => {
                    shared.lock().away = true;
                    shared.event(Event::SignallingLost { reason });
                }
                None => break "the signalling server is gone".to_owned(),
            },
            message = outgoing.recv(), if wait.is_zero() => {
                pace.sent();
                let Some(message) = message else {
                    break "ended".to_owned();
                };
                let last = matches!(message, ClientMessage::Bye {});
                match signaller.send(message).await {
                    Ok(()) if last => break "ended".to_owned(),
                    Ok(()) => {}
                    Err(error @ SignalError::TooLong(..)) => {
                        tracing::warn!(target: "ortc_rooms::session", %error, "not said");
                    }
                    Err(error) => break error.to_string(),
                }
            }
            _ = second.tick() => shared.tick(),
            _ = looks.tick(), if shared.hub => shared.listen(),
            () = shared.end.notified() => {
                while let Ok(message) = outgoing.try_recv() {
                    if signaller.send(message).await.is_err() {
                        break;
                    }
                }
                break "ended".to_owned();
            }
        }
    };
    shared.finish(&mut shared.lock());
    shared.event(Event::Ended { reason });
    shared.events.end();
}
