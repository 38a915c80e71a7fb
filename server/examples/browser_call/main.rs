//! Call this program from a browser: it serves the page in `web/`, and answers as a peer.
//!
//! ```text
//! cargo run --release -p ortc-server --example browser_call [-- --listen ADDR] [--calls N]
//! ```
//!
//! Open the address that it prints. The caller sees a picture with a clock, hears a tone, gets its
//! own camera and microphone back on a second stream, and can chat and dial. `/room/NAME` carries
//! the signalling of two pages that call each other; their media does not come here.
//!
//! `call.rs` is the peer, the code to copy. With `--calls N` the program ends after N calls, with
//! `OK` if media came from each caller.

#[path = "../../../examples/support/arguments.rs"]
mod arguments;
mod call;
mod media;
mod page;
mod rooms;
#[path = "../../../examples/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arguments::Arguments;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use rooms::Rooms;
use support::Result;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A signalling message is a few hundred bytes.
const MAX_MESSAGE: usize = 64 * 1024;

#[derive(Clone)]
struct Server {
    rooms: Arc<Rooms>,
    ended: mpsc::Sender<Result<call::Report>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    support::log::install();
    let usage = "browser_call [--listen ADDR:PORT] [--calls N]";
    let arguments = Arguments::read(usage, &["--listen", "--calls"]);
    let listen = arguments.value("--listen");
    let listen: SocketAddr = listen.unwrap_or(([127, 0, 0, 1], 8787).into());
    let calls: Option<usize> = arguments.value("--calls");

    let (ended, mut reports) = mpsc::channel(16);
    let server = Server {
        rooms: Arc::default(),
        ended,
    };
    let router = Router::new()
        .route("/call", get(answer))
        .route("/room/{name}", get(join))
        .fallback(page::serve);
    let bound = TcpListener::bind(listen).await;
    let listener = bound.map_err(|error| format!("{listen}: {error}; --listen takes another"))?;
    println!("open http://{}/", listener.local_addr()?);
    let serving = axum::serve(listener, router.with_state(server));
    tokio::spawn(async move { serving.await });

    let mut count = 0;
    while let Some(report) = reports.recv().await {
        count += 1;
        match report {
            Ok(report) => {
                println!("call {count}: {report}");
                if calls.is_some() {
                    report.check()?;
                }
            }
            Err(error) if calls.is_some() => return Err(error),
            // The other callers have nothing to do with it.
            Err(error) => println!("call {count}: {error}"),
        }
        if calls == Some(count) {
            println!("OK");
            break;
        }
    }
    Ok(())
}

/// A browser calls.
async fn answer(
    upgrade: WebSocketUpgrade,
    Query(wishes): Query<HashMap<String, String>>,
    State(server): State<Server>,
) -> Response {
    let upgrade = upgrade.max_message_size(MAX_MESSAGE);
    upgrade.on_upgrade(async move |socket| {
        let report = call::answer(socket, &wishes).await;
        let _ = server.ended.send(report).await;
    })
}

/// Two browsers meet.
async fn join(
    upgrade: WebSocketUpgrade,
    Path(name): Path<String>,
    State(server): State<Server>,
) -> Response {
    let upgrade = upgrade.max_message_size(MAX_MESSAGE);
    upgrade.on_upgrade(async move |socket| server.rooms.join(name, socket).await)
}
