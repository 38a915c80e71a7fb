//! A client of few words, and a server for it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ortc_server::{Running, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{Request, StatusCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// For whatever has to happen: generous, machines are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration for tests, on free ports.
pub(crate) fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.listen = "127.0.0.1:0".parse().unwrap();
    config
}

/// A server that runs, and is changed before.
pub(crate) async fn server(change: impl FnOnce(&mut ServerConfig)) -> Running {
    let mut config = config();
    change(&mut config);
    Server::bind(config).await.unwrap()
}

/// The request of a WebSocket from a page of the server's own.
pub(crate) fn request(at: SocketAddr, path: &str) -> Request<()> {
    let mut request = format!("ws://{at}{path}").into_client_request().unwrap();
    let origin = format!("http://{at}").parse().unwrap();
    request.headers_mut().insert("origin", origin);
    request
}

/// A client by WebSocket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    sent: u64,
    pub(crate) seen: u64,
    /// What `welcome` or a later `resume` gave.
    pub(crate) resume: String,
    pub(crate) userid: String,
    pub(crate) welcome: Value,
}

/// How a connection ended: the close code and its words, or none.
pub(crate) type End = Option<(u16, String)>;

impl Client {
    /// Connected, nothing said.
    pub(crate) async fn silent(at: SocketAddr) -> Result<Self, StatusCode> {
        match timeout(
            PATIENCE,
            connect_async_with_config(request(at, "/ws"), None, true),
        )
        .await
        .unwrap()
        {
            Ok((socket, _)) => Ok(Self {
                socket,
                sent: 0,
                seen: 0,
                resume: String::new(),
                userid: String::new(),
                welcome: Value::Null,
            }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connected, and welcome.
    pub(crate) async fn new(at: SocketAddr) -> Self {
        Self::hello(at, json!({})).await.unwrap()
    }

    /// Connected, with more in the hello. The error is how the connection ended.
    pub(crate) async fn hello(at: SocketAddr, more: Value) -> Result<Self, End> {
        let mut client = Self::silent(at).await.unwrap();
        let mut hello = json!({ "version": 1 });
        for (name, value) in more.as_object().unwrap() {
            hello[name] = value.clone();
        }
        client.seen = hello["seen"].as_u64().unwrap_or(0);
        client
            .raw(&json!({ "message": { "hello": hello } }).to_string())
            .await;
        loop {
            let message = client.hear().await?;
            if let Some(welcome) = message.get("welcome") {
                client.userid = welcome["userid"].as_str().unwrap().to_owned();
                client.resume = welcome["resume"].as_str().unwrap().to_owned();
                client.welcome = welcome.clone();
                client.sent = welcome["seen"].as_u64().unwrap();
                return Ok(client);
            }
        }
    }

    pub(crate) async fn raw(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text)).await;
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.sent += 1;
        let envelope = json!({ "seq": self.sent, "seen": self.seen, "message": message });
        self.raw(&envelope.to_string()).await;
    }

    /// The next message, or how the connection ended.
    pub(crate) async fn hear(&mut self) -> Result<Value, End> {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("nothing is said")
            {
                Some(Ok(Message::Text(text))) => {
                    let mut envelope: Value = serde_json::from_str(&text).unwrap();
                    if let Some(seq) = envelope["seq"].as_u64() {
                        // A server that was restarted begins anew.
                        if seq == 1 {
                            self.seen = 0;
                        }
                        assert_eq!(seq, self.seen + 1, "{envelope}");
                        self.seen = seq;
                    }
                    if let Some(resume) = envelope["message"]["resume"]["resume"].as_str() {
                        self.resume = resume.to_owned();
                    }
                    if !envelope["message"].is_null() {
                        return Ok(envelope["message"].take());
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|f| (f.code.into(), f.reason.to_string())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next message of this kind; what comes before it is passed over.
    pub(crate) async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let mut message = self.hear().await.unwrap();
            if let Some(found) = message.get_mut(kind) {
                return found.take();
            }
        }
    }

    /// How the connection ends.
    pub(crate) async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.hear().await {
                return end;
            }
        }
    }

    /// Enters a room.
    pub(crate) async fn enter(&mut self, room: &str) -> Value {
        self.say(json!({ "openOrJoin": { "room": room } })).await;
        self.hear_of("room").await
    }
}
