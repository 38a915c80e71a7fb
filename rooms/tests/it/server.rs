//! A WebSocket server over a desk, whose connections can be cut.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ortc_rooms::desk::{Admission, Desk, Out};
use ortc_rooms::signalling::{ClientMessage, Envelope};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    cut: watch::Sender<u32>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn new(desk: &Desk) -> Self {
        Self::at(desk, ([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn at(desk: &Desk, address: SocketAddr) -> Self {
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        let desk = desk.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (desk, mut cuts) = (desk.clone(), cuts.clone());
                cuts.borrow_and_update();
                tokio::spawn(async move {
                    tokio::select! {
                        () = serve(&desk, stream) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, cut, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// All connections end, without a word.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// Nothing is left of it.
    pub(crate) fn kill(self) {
        self.task.abort();
        self.cut();
    }
}

async fn serve(desk: &Desk, stream: TcpStream) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let Some(Ok(Message::Text(hello))) = socket.next().await else {
        return;
    };
    let hello = Envelope::<ClientMessage>::from_json(hello.as_str()).unwrap();
    let Some(ClientMessage::Hello(hello)) = hello.message else {
        return;
    };
    let admission = Admission::open(&hello);
    let (mut seat, mut outgoing) = match desk.arrive(hello, admission).await {
        Ok(seated) => seated,
        Err(refusal) => {
            let frame = CloseFrame {
                code: 4003.into(),
                reason: refusal.message.into(),
            };
            let _ = socket.close(Some(frame)).await;
            return;
        }
    };
    loop {
        tokio::select! {
            out = outgoing.next() => match out {
                Some(Out::Text(text)) => socket.send(Message::text(text)).await.unwrap_or(()),
                Some(Out::Close(closing)) => {
                    let frame = CloseFrame { code: closing.code.into(), reason: closing.reason.into() };
                    let _ = socket.close(Some(frame)).await;
                    return;
                }
                _ => return,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if seat.said(text.as_str()).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                _ => return seat.lost(),
            }
        }
    }
}
