//! The way between two sessions, which can be cut.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The first byte of DTLS's application data (RFC 9147 section 4): data channels.
const DATA: u8 = 23;

/// The way between ports on 127.0.0.1, which each have another address there as their public one:
/// nothing passes while it is cut.
pub(crate) struct Way {
    pub(crate) cut: Arc<AtomicBool>,
    /// What is said within connections of the first two is held up, and nothing else.
    pub(crate) mute: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Way {
    /// Between the ports, which are public at 127.0.0.2, 127.0.0.3 and so on.
    pub(crate) fn between(ports: &[u16]) -> Self {
        let sockets = ports.iter().zip(2..).map(|(port, last)| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), *port)).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            socket
        });
        let sockets: Arc<[UdpSocket]> = sockets.collect();
        let [cut, mute, stop] = [(); 3].map(|()| Arc::<AtomicBool>::default());
        let threads = (0..ports.len()).map(|to| {
            let (sockets, ports) = (sockets.clone(), ports.to_vec());
            let (cut, mute, stop) = (cut.clone(), mute.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, source)) = sockets[to].recv_from(&mut buffer) else {
                        continue;
                    };
                    let from = ports.iter().position(|port| *port == source.port());
                    let muted = mute.load(Ordering::Relaxed) && buffer[0] == DATA;
                    if let Some(from) = from
                        && !cut.load(Ordering::Relaxed)
                        && !(muted && from < 2 && to < 2)
                    {
                        let target = (Ipv4Addr::LOCALHOST, ports[to]);
                        let _ = sockets[from].send_to(&buffer[..length], target);
                    }
                }
            })
        });
        let threads = threads.collect();
        Self {
            cut,
            mute,
            stop,
            threads,
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}
