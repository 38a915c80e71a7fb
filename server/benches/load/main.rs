//! What the server carries: idle clients by their memory, rooms that talk by their delays, beside a
//! server that does nothing but send on what comes.
//!
//! `cargo bench -p ortc-server --bench load`; `ORTC_LOAD_CLIENTS` has fewer than 10,000. Servers are
//! processes of their own, so that memory is theirs; clients share another.
#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod figures;
mod plain;
mod process;

use std::time::Duration;

use client::{Clients, Manner};
use figures::Figures;
use process::{Process, Server};

/// Users of a room.
const ROOM: usize = 100;
/// How long each rate is held.
const HELD: Duration = Duration::from_secs(10);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(process::ROLE).as_deref() {
        Ok("rooms") => runtime.block_on(process::rooms()),
        Ok("plain") => runtime.block_on(plain::serve()),
        _ => runtime.block_on(all()),
    }
}

async fn all() {
    let clients = std::env::var("ORTC_LOAD_CLIENTS")
        .ok()
        .and_then(|text| text.parse().ok());
    let count: usize = clients.unwrap_or(10_000);
    idle(Server::Rooms, count).await;
    idle(Server::Plain, count).await;
    talk(Server::Rooms, count).await;
    talk(Server::Plain, count).await;
}

/// Memory of clients that say nothing.
async fn idle(server: Server, count: usize) {
    let process = Process::new(server).await;
    let before = process.resident();
    let clients = Clients::connect(process.at, server.manner(), count, 0).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let each = (process.resident() - before) as f64 / count as f64;
    println!("{server:>8}  {count} idle: {each:.1} KiB each");
    drop(clients);
}

/// Delays of messages to one and to all of a room.
async fn talk(server: Server, count: usize) {
    let process = Process::new(server).await;
    // Who sends on to all has no other way to reach one than a room of two.
    let room = if server.manner() == Manner::Plain {
        2
    } else {
        ROOM
    };
    let clients = Clients::connect(process.at, server.manner(), count, room).await;
    // What they were told of each other while they came in has been written.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for rate in [1_000, 5_000] {
        show(server, "to one", clients.talk(rate, HELD, true, 1).await);
    }
    println!("{server:>8}  memory {} MiB", process.resident() / 1_024);
    drop((clients, process));
    let process = Process::new(server).await;
    let clients = Clients::connect(process.at, server.manner(), count, ROOM).await;
    for rate in [50, 100, 200, 400] {
        let figures = clients.talk(rate, HELD, false, ROOM - 1).await;
        let slow = figures.p99 > Duration::from_secs(1);
        show(server, "to all", figures);
        if slow {
            break;
        }
    }
}

fn show(server: Server, what: &str, figures: Figures) {
    println!("{server:>8}  {what} {figures}");
}
