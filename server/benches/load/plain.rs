//! A server that sends what comes in a room on to the others in it, and knows nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

type Rooms = Arc<Mutex<HashMap<String, HashMap<usize, mpsc::Sender<Utf8Bytes>>>>>;

pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let rooms = Rooms::default();
    for number in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let rooms = rooms.clone();
        tokio::spawn(carry(stream, number, rooms));
    }
}

#[allow(clippy::result_large_err)]
async fn carry(stream: TcpStream, number: usize, rooms: Rooms) {
    let _ = stream.set_nodelay(true);
    let mut room = String::new();
    let path = |request: &Request, response: Response| {
        room = request.uri().path().to_owned();
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
    let Ok(socket) = accept_hdr_async_with_config(stream, path, Some(config)).await else {
        return;
    };
    let (to, mut from) = mpsc::channel(1_024);
    rooms
        .lock()
        .unwrap()
        .entry(room.clone())
        .or_default()
        .insert(number, to);
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let rooms = rooms.lock().unwrap();
                    for (other, to) in rooms.get(&room).into_iter().flatten() {
                        if *other != number {
                            let _ = to.try_send(text.clone());
                        }
                    }
                }
                Some(Ok(_)) => {}
                _ => break,
            },
            Some(text) = from.recv() => {
                if sink.feed(Message::Text(text)).await.is_err() {
                    break;
                }
                while let Ok(text) = from.try_recv() {
                    let _ = sink.feed(Message::Text(text)).await;
                }
                let _ = sink.flush().await;
            }
        }
    }
    rooms
        .lock()
        .unwrap()
        .get_mut(&room)
        .unwrap()
        .remove(&number);
}
