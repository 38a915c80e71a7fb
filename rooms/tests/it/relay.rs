//! A path between sessions of a process that loses datagrams, or all of them for a while.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::Session;
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{ServerMessage, SignalEvent};
use serde_json::Value;
use tokio::net::UdpSocket;

use crate::support::{Member, options};

/// Stands for each port of loopback with one of its own: who sends there gets through to it, from
/// the port that stands for the sender.
#[derive(Clone)]
pub(crate) struct Relay {
    ports: Arc<Mutex<HashMap<u16, Arc<UdpSocket>>>>,
    cut: Arc<AtomicBool>,
    carried: Arc<AtomicU32>,
    /// Of a thousand datagrams.
    lost: u32,
    random: Arc<AtomicU32>,
}

impl Relay {
    pub(crate) fn new(lost: u32) -> Self {
        Self {
            ports: Arc::default(),
            cut: Arc::default(),
            carried: Arc::default(),
            lost,
            random: Arc::new(AtomicU32::new(7)),
        }
    }

    /// Nothing gets through, or most of it again.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Datagrams that got through.
    pub(crate) fn carried(&self) -> u32 {
        self.carried.load(Ordering::Relaxed)
    }

    /// A user whose peers are told of this path alone.
    pub(crate) async fn member(&self, desk: &Desk, userid: &str) -> Member {
        let options = options(userid);
        let memory = Memory::connect(desk, options.hello()).await.unwrap();
        let relay = self.clone();
        let signaller = memory.map(move |event| match event {
            SignalEvent::Message(message) => SignalEvent::Message(relay.told(&message)),
            event => event,
        });
        let (session, events) = Session::with(signaller, options).await.unwrap();
        Member { session, events }
    }

    fn told(&self, message: &ServerMessage) -> ServerMessage {
        let mut message = serde_json::to_value(message).unwrap();
        self.rewrite(&mut message);
        serde_json::from_value(message).unwrap()
    }

    /// Every candidate, wherever it is in the message.
    fn rewrite(&self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                if let Some(port) = object
                    .get("candidate")
                    .and_then(|c| c["connectionPort"].as_u64())
                {
                    let relayed = self.socket(port.try_into().unwrap());
                    object["candidate"]["connectionPort"] =
                        relayed.local_addr().unwrap().port().into();
                }
                object.values_mut().for_each(|value| self.rewrite(value));
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.rewrite(value)),
            _ => {}
        }
    }

    /// What stands for the port.
    fn socket(&self, port: u16) -> Arc<UdpSocket> {
        let mut ports = self.ports.lock().unwrap();
        if let Some(socket) = ports.get(&port) {
            return socket.clone();
        }
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = Arc::new(UdpSocket::from_std(socket).unwrap());
        ports.insert(port, socket.clone());
        drop(ports);
        tokio::spawn(self.clone().carry(socket.clone(), port));
        socket
    }

    async fn carry(self, socket: Arc<UdpSocket>, port: u16) {
        let mut data = vec![0; 2048];
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        loop {
            let Ok((length, from)) = socket.recv_from(&mut data).await else {
                continue;
            };
            if self.cut.load(Ordering::Relaxed) || self.loses() {
                continue;
            }
            self.carried.fetch_add(1, Ordering::Relaxed);
            let _ = self.socket(from.port()).send_to(&data[..length], to).await;
        }
    }

    fn loses(&self) -> bool {
        let before = self.random.load(Ordering::Relaxed);
        let now = before.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random.store(now, Ordering::Relaxed);
        (now >> 16) % 1000 < self.lost
    }
}
