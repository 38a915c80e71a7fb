//! A path with delay, loss and flipped bits between two ports of 127.0.0.1: a process of its own, whose CPU is
//! not counted.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Arguments, Result};

/// The relay's process; killed when dropped.
pub(crate) struct Relay {
    child: Child,
    /// Where each side finds the other.
    pub(crate) ports: [u16; 2],
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    pub(crate) fn start(arguments: &Arguments) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([
                "relay".to_owned(),
                arguments.delay_ms.to_string(),
                (arguments.loss / 100.0).to_string(),
                (arguments.corrupt / 100.0).to_string(),
            ])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let mut ports = line.split_whitespace().map(str::parse);
        let mut port = || ports.next().ok_or("no port");
        Ok(Self {
            ports: [port()??, port()??],
            child,
        })
    }
}

/// From 0 to 1 (xorshift).
fn chance(random: &mut u64) -> f64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 11) as f64 / (1u64 << 53) as f64
}

/// The relay itself: `relay DELAY_MS LOSS CORRUPT`, the latter two parts of one. Ends by being killed.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    let mut word = || words.next().ok_or("relay DELAY_MS LOSS CORRUPT");
    let delay = Duration::from_millis(word()?.parse()?);
    let loss: f64 = word()?.parse()?;
    let corrupt: f64 = word()?.parse()?;
    let sockets = [
        UdpSocket::bind("127.0.0.1:0")?,
        UdpSocket::bind("127.0.0.1:0")?,
    ];
    for socket in &sockets {
        let socket = socket2::SockRef::from(socket);
        socket.set_recv_buffer_size(4 << 20)?;
        socket.set_send_buffer_size(4 << 20)?;
        socket.set_nonblocking(true)?;
    }
    println!(
        "{} {}",
        sockets[0].local_addr()?.port(),
        sockets[1].local_addr()?.port()
    );
    let mut peers: [Option<SocketAddr>; 2] = [None, None];
    let mut waiting: VecDeque<(Instant, usize, Vec<u8>)> = VecDeque::new();
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut buffer = vec![0; 65_536];
    loop {
        let mut idle = true;
        for (side, socket) in sockets.iter().enumerate() {
            for _ in 0..64 {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    break;
                };
                idle = false;
                peers[side] = Some(from);
                if chance(&mut random) < loss {
                    continue;
                }
                let mut data = buffer[..length].to_vec();
                if chance(&mut random) < corrupt {
                    let at = random as usize % (length * 8).max(1);
                    if let Some(byte) = data.get_mut(at / 8) {
                        *byte ^= 1 << (at % 8);
                    }
                }
                waiting.push_back((Instant::now() + delay, 1 - side, data));
            }
        }
        let now = Instant::now();
        while waiting.front().is_some_and(|(due, _, _)| *due <= now) {
            if let Some((_, side, data)) = waiting.pop_front()
                && let Some(peer) = peers[side]
            {
                let _ = sockets[side].send_to(&data, peer);
            }
        }
        if idle {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
