//! Many clients in one process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::figures::Figures;

/// So many connect at a time.
const AT_ONCE: usize = 100;
/// A message that has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    Rooms,
    Plain,
}

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;

struct Client {
    sink: tokio::sync::Mutex<(Sink, u64)>,
    heard: Mutex<Vec<u64>>,
    inside: AtomicBool,
    /// What the server says when the client is where it is to be.
    sign: &'static str,
}

pub(crate) struct Clients {
    clients: Vec<Arc<Client>>,
    manner: Manner,
    room: usize,
    begin: Instant,
    _readers: JoinSet<()>,
}

impl Clients {
    /// So many clients, so many of them in a room; 0: in none.
    pub(crate) async fn connect(at: SocketAddr, manner: Manner, count: usize, room: usize) -> Self {
        let begin = Instant::now();
        let mut readers = JoinSet::new();
        let mut clients = Vec::new();
        for first in (0..count).step_by(AT_ONCE) {
            let some =
                (first..count.min(first + AT_ONCE)).map(|number| one(at, manner, number, room));
            for (client, stream) in futures_util::future::join_all(some).await {
                clients.push(client.clone());
                readers.spawn(read(client, stream, begin));
            }
            // They have come in before the next do.
            for client in &clients[first..] {
                let inside = async {
                    while !client.inside.load(Ordering::Relaxed) {
                        sleep(Duration::from_millis(1)).await;
                    }
                };
                timeout(PATIENCE, inside).await.unwrap();
            }
        }
        Self {
            clients,
            manner,
            room,
            begin,
            _readers: readers,
        }
    }

    /// Says so many messages a second, each client in its turn, to its neighbour or to its room.
    pub(crate) async fn talk(
        &self,
        rate: usize,
        held: Duration,
        to_one: bool,
        receivers: usize,
    ) -> Figures {
        for client in &self.clients {
            client.heard.lock().unwrap().clear();
        }
        let begin = Instant::now();
        let said = rate * usize::try_from(held.as_millis()).unwrap() / 1_000;
        let mut senders = JoinSet::new();
        for number in 0..said {
            let due = begin + Duration::from_micros((number * 1_000_000 / rate) as u64);
            if due > Instant::now() + Duration::from_millis(1) {
                sleep_until(due).await;
            }
            // A large step, so that rooms take turns.
            let from = number * 101 % self.clients.len();
            let client = self.clients[from].clone();
            let (manner, since) = (self.manner, self.begin);
            let (room, to) = (from / self.room, self.neighbour(from));
            senders.spawn(async move {
                // From when it was due: who is late with sending is late.
                let at = due.duration_since(since).as_micros();
                let mut sink = client.sink.lock().await;
                sink.1 += 1;
                let to = if to_one { format!("\"to\":\"u{to}\",") } else { String::new() };
                let text = match manner {
                    Manner::Rooms => format!(
                        "{{\"seq\":{},\"message\":{{\"say\":{{\"room\":\"r{room}\",{to}\"body\":{{\"at\":{at}}}}}}}}}",
                        sink.1
                    ),
                    Manner::Plain => format!("{{\"body\":{{\"at\":{at}}}}}"),
                };
                let _ = sink.0.send(Message::text(text)).await;
            });
            while senders.try_join_next().is_some() {}
        }
        while senders.join_next().await.is_some() {}
        let heard = || {
            self.clients
                .iter()
                .map(|client| client.heard.lock().unwrap().len())
                .sum::<usize>()
        };
        let end = Instant::now() + PATIENCE;
        while heard() < said * receivers && Instant::now() < end {
            sleep(Duration::from_millis(50)).await;
        }
        let mut delays = Vec::new();
        for client in &self.clients {
            delays.extend_from_slice(&client.heard.lock().unwrap());
        }
        Figures::new(rate, said, receivers, delays)
    }

    /// The next in the same room.
    fn neighbour(&self, number: usize) -> usize {
        let first = number / self.room * self.room;
        let members = self.room.min(self.clients.len() - first);
        first + (number - first + 1) % members
    }
}

type Reading = futures_util::stream::SplitStream<WebSocketStream<TcpStream>>;

async fn one(at: SocketAddr, manner: Manner, number: usize, room: usize) -> (Arc<Client>, Reading) {
    let in_room = number.checked_div(room);
    let path = match (manner, in_room) {
        (Manner::Rooms, _) => "ws".to_owned(),
        (Manner::Plain, Some(room)) => format!("r{room}"),
        (Manner::Plain, None) => format!("alone{number}"),
    };
    let mut request = format!("ws://{at}/{path}").into_client_request().unwrap();
    request
        .headers_mut()
        .insert("origin", format!("http://{at}").parse().unwrap());
    let stream = TcpStream::connect(at).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
    let (socket, _) = client_async_with_config(request, stream, Some(config))
        .await
        .unwrap();
    let (mut sink, stream) = socket.split();
    let mut said = 0;
    if manner == Manner::Rooms {
        let hello = format!(r#"{{"message":{{"hello":{{"version":1,"userid":"u{number}"}}}}}}"#);
        sink.send(Message::text(hello)).await.unwrap();
        if let Some(room) = in_room {
            let enter = format!(r#"{{"seq":1,"message":{{"openOrJoin":{{"room":"r{room}"}}}}}}"#);
            sink.send(Message::text(enter)).await.unwrap();
            said = 1;
        }
    }
    let client = Client {
        sink: tokio::sync::Mutex::new((sink, said)),
        heard: Mutex::default(),
        inside: AtomicBool::new(manner == Manner::Plain),
        sign: if in_room.is_some() {
            "\"room\":{"
        } else {
            "\"welcome\""
        },
    };
    (Arc::new(client), stream)
}

async fn read(client: Arc<Client>, mut stream: Reading, begin: Instant) {
    let mut told = 0_u64;
    while let Some(Ok(message)) = stream.next().await {
        let text = match message {
            Message::Text(text) => text,
            // Pongs wait until something is said.
            Message::Ping(_) => {
                let _ = client.sink.lock().await.0.flush().await;
                continue;
            }
            Message::Close(frame) => {
                eprintln!("a client was closed: {frame:?}");
                return;
            }
            _ => continue,
        };
        let number = |after: &str| -> Option<u64> {
            let rest = &text[text.find(after)? + after.len()..];
            rest[..rest.find(|c: char| !c.is_ascii_digit())?]
                .parse()
                .ok()
        };
        if let Some(at) = number("\"at\":") {
            let now = u64::try_from(begin.elapsed().as_micros()).unwrap();
            client.heard.lock().unwrap().push(now.saturating_sub(at));
        } else if text.contains(client.sign) {
            client.inside.store(true, Ordering::Relaxed);
        }
        if let Some(seq) = number("\"seq\":")
            && seq >= told + 16
        {
            told = seq;
            let seen = format!("{{\"seen\":{seq}}}");
            let _ = client.sink.lock().await.0.send(Message::text(seen)).await;
        }
    }
}
