//! A real TURN server (coturn) of the test's own, on loopback, and a lossy way to it.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ortc::RTCIceServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::random::Random;

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "pass";
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/turnserver.conf");

/// Lives until it is dropped; it also ends with the thread that made it.
pub(crate) struct Coturn {
    server: Child,
    port: u16,
    tls: u16,
    dir: PathBuf,
    options: Vec<String>,
}

/// A certificate of an authority of the test's own, and its key, in files that live as long.
pub(crate) struct Certificate {
    /// That of the authority.
    pub(crate) authority: String,
    /// The server's own.
    pub(crate) own: String,
    dir: PathBuf,
}

impl Certificate {
    /// For these names and addresses.
    pub(crate) fn of(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "ortc tests");
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let own = params.signed_by(&key, &authority).unwrap();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ortc-tls-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("pem"), own.pem()).unwrap();
        std::fs::write(dir.join("key"), key.serialize_pem()).unwrap();
        Self {
            authority: authority.pem(),
            own: own.pem(),
            dir,
        }
    }

    /// Of the server: its certificate, and its key.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        ["pem", "key"].map(|name| self.dir.join(name))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Coturn {
    /// On both loopback addresses, with these options besides.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_as(options, &["--no-tcp", "--no-tls"])
    }

    /// With the configuration that comes with the server, and these options besides.
    pub(crate) fn start_shipped(options: &[&str]) -> Self {
        Self::start_as(options, &["-c", SHIPPED])
    }

    fn start_as(options: &[&str], without: &[&str]) -> Self {
        let options = [without, options].concat();
        for _ in 0..3 {
            if let Some(started) = Self::try_start(&options) {
                return started;
            }
        }
        panic!("turnserver does not start");
    }

    fn try_start(options: &[&str]) -> Option<Self> {
        let port = free_port();
        let dir = std::env::temp_dir().join(format!("ortc-turn-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let started = Self {
            server: Self::spawn(port, &dir, &options),
            port,
            tls: 0,
            dir,
            options,
        };
        let answers = started.v4_and_v6().into_iter().all(answers);
        answers.then_some(started)
    }

    /// Besides over TCP, on the port of UDP, and over TLS, on another, with this certificate.
    pub(crate) fn start_with_tls(certificate: &Certificate, options: &[&str]) -> Self {
        let tls = free_port();
        let [pem, key] = certificate.files();
        let mut all = vec![
            format!("--tls-listening-port={tls}"),
            format!("--cert={}", pem.display()),
            format!("--pkey={}", key.display()),
        ];
        all.extend(options.iter().map(|option| (*option).to_owned()));
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let mut started = Self::start_as(&all, &[]);
        started.tls = tls;
        started
    }

    /// The server over TLS with the right credentials, under this name.
    pub(crate) fn over_tls(&self, name: &str) -> RTCIceServer {
        let url = format!("turns:{name}:{}", self.tls);
        RTCIceServer::new(url).with_credential(USER, PASSWORD)
    }

    /// The server over TCP with the right credentials.
    pub(crate) fn over_tcp(&self) -> RTCIceServer {
        let url = format!("turn:{}?transport=tcp", self.v4());
        RTCIceServer::new(url).with_credential(USER, PASSWORD)
    }

    /// How often its log has these words.
    pub(crate) fn count_in_log(&self, words: &str) -> usize {
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        log.matches(words).count()
    }

    /// Dies without a word, as of SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Comes back on the same port after `kill`, and remembers nothing.
    pub(crate) fn start_again(&mut self) {
        self.server = Self::spawn(self.port, &self.dir, &self.options);
        assert!(self.v4_and_v6().into_iter().all(answers));
    }

    fn spawn(port: u16, dir: &Path, options: &[String]) -> Child {
        let program = std::env::var("ORTC_TURNSERVER").unwrap_or_else(|_| "turnserver".into());
        let user = format!("--user={USER}:{PASSWORD}");
        let by_itself = [
            "-n",
            "--no-dtls",
            "--no-cli",
            "--no-rfc5780",
            "--lt-cred-mech",
            "--allow-loopback-peers",
            "--relay-threads=1",
            "--realm=example.org",
            &user,
        ];
        let shipped = options.iter().any(|option| option == SHIPPED);
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(by_itself.iter().filter(|_| !shipped))
            .args(["--no-stdout-log", "--simple-log"])
            .args(["--listening-ip=127.0.0.1", "--listening-ip=::1"])
            .args(["--relay-ip=127.0.0.1", "--relay-ip=::1"])
            .arg(format!("--listening-port={port}"))
            .arg(format!("--log-file={}", dir.join("log").display()))
            .arg(format!("--pidfile={}", dir.join("pid").display()))
            .arg(format!("--userdb={}", dir.join("db").display()))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv (util-linux) and turnserver (coturn, or ORTC_TURNSERVER)")
    }

    fn v4_and_v6(&self) -> [SocketAddr; 2] {
        [
            self.v4(),
            SocketAddr::new([0u16, 0, 0, 0, 0, 0, 0, 1].into(), self.port),
        ]
    }

    pub(crate) fn v4(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn v6(&self) -> SocketAddr {
        self.v4_and_v6()[1]
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            eprintln!("the server's log:\n{log}");
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The server there with the right credentials.
pub(crate) fn turn(server: SocketAddr) -> RTCIceServer {
    RTCIceServer::new(format!("turn:{server}")).with_credential(USER, PASSWORD)
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Whether a STUN server answers there before long.
fn answers(server: SocketAddr) -> bool {
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => ([127, 0, 0, 1], 0).into(),
        SocketAddr::V6(_) => ([0u16, 0, 0, 0, 0, 0, 0, 1], 0).into(),
    };
    let socket = UdpSocket::bind(own).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        let sent = socket.send_to(&request, server).is_ok();
        if sent && socket.recv(&mut [0; 512]).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Whether some process has this UDP port open.
pub(crate) fn is_open(port: u16) -> bool {
    let entry = format!(":{port:04X}");
    ["/proc/net/udp", "/proc/net/udp6"].iter().any(|table| {
        let table = std::fs::read_to_string(table).unwrap();
        let mut lines = table.lines().skip(1);
        lines.any(|line| {
            let local = line.split_whitespace().nth(1);
            local.is_some_and(|local| local.ends_with(&entry))
        })
    })
}

/// The way of one client to a server. It loses some of the media in both directions, and counts
/// how it comes.
pub(crate) struct LossyWay {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    cut: AtomicBool,
    lost: AtomicU64,
    in_channels: AtomicU64,
    in_indications: AtomicU64,
    given_back: Mutex<Option<Instant>>,
}

impl LossyWay {
    /// Loses `percent` of the RTP packets.
    pub(crate) fn to(server: SocketAddr, percent: u64, seed: u64) -> Self {
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        far.connect(server).unwrap();
        for socket in [&near, &far] {
            let limit = Some(Duration::from_millis(20));
            socket.set_read_timeout(limit).unwrap();
        }
        let address = near.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let client = Arc::new(Mutex::new(None));

        let there = {
            let (near, far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (seen, client) = (seen.clone(), client.clone());
            let mut random = Random::from_seed(seed);
            move || {
                let mut buffer = [0; 2048];
                while !seen.stop.load(Ordering::Relaxed) {
                    if let Ok((length, from)) = near.recv_from(&mut buffer) {
                        *client.lock().unwrap() = Some(from);
                        if seen.passes(&buffer[..length], percent, &mut random) {
                            let _ = far.send(&buffer[..length]);
                        }
                    }
                }
            }
        };
        let back = {
            let seen = seen.clone();
            let mut random = Random::from_seed(!seed);
            move || {
                let mut buffer = [0; 2048];
                while !seen.stop.load(Ordering::Relaxed) {
                    if let Ok(length) = far.recv(&mut buffer)
                        && let Some(client) = *client.lock().unwrap()
                        && seen.passes(&buffer[..length], percent, &mut random)
                    {
                        let _ = near.send_to(&buffer[..length], client);
                    }
                }
            }
        };
        Self {
            address,
            seen,
            threads: vec![std::thread::spawn(there), std::thread::spawn(back)],
        }
    }

    /// Nothing passes while it is cut.
    pub(crate) fn cut(&self, cut: bool) {
        self.seen.cut.store(cut, Ordering::Relaxed);
    }

    /// RTP packets that were lost here.
    pub(crate) fn lost(&self) -> u64 {
        self.seen.lost.load(Ordering::Relaxed)
    }

    /// RTP packets in ChannelData messages.
    pub(crate) fn in_channels(&self) -> u64 {
        self.seen.in_channels.load(Ordering::Relaxed)
    }

    /// When the server confirmed that the client gave its allocation back.
    pub(crate) fn given_back(&self) -> Option<Instant> {
        *self.seen.given_back.lock().unwrap()
    }

    /// RTP packets in Send and Data indications.
    pub(crate) fn in_indications(&self) -> u64 {
        self.seen.in_indications.load(Ordering::Relaxed)
    }
}

impl Seen {
    fn passes(&self, datagram: &[u8], percent: u64, random: &mut Random) -> bool {
        if self.cut.load(Ordering::Relaxed) {
            return false;
        }
        let counter = match datagram {
            // The success of a Refresh that left no lifetime.
            [1, 4, ..] => {
                let none = [0, 0x0d, 0, 4, 0, 0, 0, 0];
                if datagram.windows(none.len()).any(|part| part == none) {
                    self.given_back
                        .lock()
                        .unwrap()
                        .get_or_insert(Instant::now());
                }
                return true;
            }
            [64..=79, _, _, _, first, second, ..] if is_rtp(*first, *second) => &self.in_channels,
            // Send and Data indications over IPv4: the payload comes after two attributes.
            [0, 0x16 | 0x17, ..] => match datagram.get(36..38) {
                Some(&[first, second]) if is_rtp(first, second) => &self.in_indications,
                _ => return true,
            },
            _ => return true,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let passes = random.below(100) >= percent;
        if !passes {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }
}

/// RTP, not RTCP (RFC 5761 section 4).
fn is_rtp(first: u8, second: u8) -> bool {
    (128..=191).contains(&first) && !(192..=223).contains(&second)
}

impl Drop for LossyWay {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
