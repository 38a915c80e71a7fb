//! Every pair of networks (row F1): open, behind NATs of four kinds, and where no UDP gets through;
//! without TURN, and with it over UDP, TCP and TLS. Each end is a process in a network namespace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::coturn::Certificate;
use common::full_size;
use common::network::{Inside, Namespace, Setup, introduce};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const SEC: Duration = Duration::from_secs(1);
const SERVER: &str = "192.0.2.1";
/// Where a search in vain must have ended.
const IN_VAIN: Duration = Duration::from_secs(45);
/// Connections at once.
const AT_ONCE: usize = 6;

/// The process inside; by itself it is no test.
#[tokio::test]
async fn the_end_inside() {
    common::network::inside().await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Net {
    Open,
    /// Endpoint-independent mapping and filtering (RFC 4787).
    Cone,
    AddressRestricted,
    PortRestricted,
    /// Address and port-dependent mapping.
    Symmetric,
    /// No UDP gets through at all.
    Blocked,
}

const NETS: [Net; 6] = [
    Net::Open,
    Net::Cone,
    Net::AddressRestricted,
    Net::PortRestricted,
    Net::Symmetric,
    Net::Blocked,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    None,
    Udp,
    Tcp,
    Tls,
}

const TURNS: [Turn; 4] = [Turn::None, Turn::Udp, Turn::Tcp, Turn::Tls];

impl Turn {
    fn servers(self) -> Vec<String> {
        let turn = match self {
            Self::None => None,
            Self::Udp => Some(format!("turn:{SERVER}:3478")),
            Self::Tcp => Some(format!("turn:{SERVER}:3478?transport=tcp")),
            Self::Tls => Some(format!("turns:{SERVER}:5349")),
        };
        let stun = format!("stun:{SERVER}:3478");
        std::iter::once(stun).chain(turn).collect()
    }
}

/// Whether there is any way at all.
fn possible(a: Net, b: Net, turn: Turn) -> bool {
    let (a, b) = (a.min(b), a.max(b));
    match (turn, a, b) {
        (Turn::Tcp | Turn::Tls, ..) => true,
        // It connects to the other's TCP port.
        (_, Net::Open, Net::Blocked) => true,
        (_, _, Net::Blocked) => false,
        (Turn::Udp, ..) => true,
        (Turn::None, Net::PortRestricted | Net::Symmetric, Net::Symmetric) => false,
        (Turn::None, ..) => true,
    }
}

/// A host and its router, which is connected to the server's network.
struct Side {
    host: Namespace,
    _router: Namespace,
}

impl Side {
    async fn new(net: Net, n: usize, server: &Namespace) -> Self {
        let [host, router] = [Namespace::new().await, Namespace::new().await];
        let inside = match net {
            Net::Open => format!("198.19.{n}"),
            _ => format!("10.{n}.0"),
        };
        let [here, gateway] = [2, 1].map(|last| format!("{inside}.{last}"));
        let [out, up] = [2, 1].map(|last| format!("198.18.{n}.{last}"));
        host.cable(
            ("eth0", &format!("{here}/24")),
            &router,
            ("in", &format!("{gateway}/24")),
        )
        .await;
        router
            .cable(
                ("out", &format!("{out}/30")),
                server,
                (&format!("to{n}"), &format!("{up}/30")),
            )
            .await;
        host.ip(&format!("route add default via {gateway}\n")).await;
        router.ip(&format!("route add default via {up}\n")).await;
        router.forward().await;
        if net == Net::Open {
            server
                .ip(&format!("route add {inside}.0/24 via {out}\n"))
                .await;
        } else {
            router.nft(&rules(net, &here)).await;
        }
        Self {
            host,
            _router: router,
        }
    }
}

/// What a router does with what goes out and comes in.
fn rules(net: Net, inside: &str) -> String {
    let port = if net == Net::Symmetric {
        " fully-random"
    } else {
        ""
    };
    let mut rules = format!(
        "add table ip n
        add set ip n known {{ type ipv4_addr; flags dynamic,timeout; timeout 5m; }}
        add chain ip n post {{ type nat hook postrouting priority 100; }}
        add rule ip n post oifname \"out\" masquerade{port}
        add chain ip n in {{ type filter hook input priority 0; }}
        add rule ip n in iifname \"out\" meta l4proto {{ tcp, udp }} drop
        add chain ip n through {{ type filter hook forward priority 0; }}
        add rule ip n through iifname \"in\" meta l4proto udp update @known {{ ip daddr }}
        add chain ip n pre {{ type nat hook prerouting priority -100; }}\n"
    );
    let _ = match net {
        Net::Cone => writeln!(
            rules,
            "add rule ip n pre iifname \"out\" udp dport > 1024 dnat to {inside}"
        ),
        Net::AddressRestricted => writeln!(
            rules,
            "add rule ip n pre iifname \"out\" ip saddr @known udp dport > 1024 dnat to {inside}"
        ),
        Net::Blocked => writeln!(rules, "add rule ip n through meta l4proto udp drop"),
        _ => Ok(()),
    };
    rules
}

struct World {
    /// Of each kind of network that is asked for, one for each of the two ends.
    sides: Vec<(Net, [Side; 2])>,
    certificate: Certificate,
    _server: Arc<Namespace>,
    _turn: tokio::process::Child,
}

impl World {
    async fn new(nets: &[Net]) -> Self {
        let server = Arc::new(Namespace::new().await);
        // Private addresses are a cable to nobody: where there is no route, coturn gives up.
        server
            .ip(&format!(
                "addr add {SERVER}/32 dev lo\n\
                 link add dead type veth peer name gone\n\
                 link set dead arp off up\nlink set gone up\n\
                 route add 10.0.0.0/8 dev dead\n"
            ))
            .await;
        server.forward().await;
        let mut making = JoinSet::new();
        for (at, net) in nets.iter().copied().enumerate() {
            let server = server.clone();
            making.spawn(async move {
                let a = Side::new(net, 2 * at, &server).await;
                (net, [a, Side::new(net, 2 * at + 1, &server).await])
            });
        }
        let sides = making.join_all().await;
        let certificate = Certificate::of(&[SERVER]);
        let turn = start_turn(&server, &certificate);
        Self {
            sides,
            certificate,
            _server: server,
            _turn: turn,
        }
    }

    fn side(&self, net: Net, end: usize) -> &Namespace {
        let side = self.sides.iter().find(|(of, _)| *of == net);
        &side.unwrap().1[end].host
    }

    fn start(&self, net: Net, end: usize, turn: Turn) -> Inside {
        let setup = Setup {
            servers: turn.servers(),
            tcp: true,
            certificates: (turn == Turn::Tls).then(|| self.certificate.authority.clone()),
            ..Setup::default()
        };
        Inside::start_with(self.side(net, end), &setup)
    }

    /// How long it took until both were connected and heard each other; or why not.
    async fn connect(&self, a: Net, b: Net, turn: Turn) -> Result<Duration, String> {
        let begin = Instant::now();
        let ends = [self.start(a, 0, turn), self.start(b, 1, turn)];
        introduce(&ends[0], &ends[1]);
        let mut latest = begin;
        for end in &ends {
            tokio::select! {
                at = end.hears("GOT", begin, IN_VAIN + 15 * SEC) => {
                    latest = latest.max(at.ok_or("neither connected nor failed")?);
                }
                at = end.hears("disconnected", begin, IN_VAIN + 15 * SEC) => {
                    let said = end.said("disconnected", begin);
                    let took = at.map(|at| at - begin).unwrap_or_default();
                    let reason = said.first().map(|(_, what)| what.clone());
                    return Err(format!("{} after {took:.0?}", reason.unwrap_or_default()));
                }
            }
        }
        Ok(latest - begin)
    }
}

fn start_turn(server: &Namespace, certificate: &Certificate) -> tokio::process::Child {
    let program = std::env::var("ORTC_TURNSERVER").unwrap_or_else(|_| "turnserver".into());
    let [pem, key] = certificate.files();
    let mut command = server.command(program);
    let null = || std::process::Stdio::null();
    command
        .args(["-n", "--no-dtls", "--no-cli", "--no-rfc5780"])
        .args(["--lt-cred-mech", "--realm=example.org", "--user=user:pass"])
        .args(["--listening-port=3478", "--tls-listening-port=5349"])
        .arg(format!("--listening-ip={SERVER}"))
        .arg(format!("--relay-ip={SERVER}"))
        .arg(format!("--cert={}", pem.display()))
        .arg(format!("--pkey={}", key.display()))
        .args([
            "--log-file=/dev/null",
            "--no-stdout-log",
            "--pidfile=/dev/null",
            "--userdb=/dev/null",
        ])
        .stdin(null())
        .stdout(null())
        .stderr(null());
    command.spawn().expect("coturn, or ORTC_TURNSERVER")
}

/// Connects all of them, some at once, and prints what came of it.
async fn matrix(cells: Vec<(Net, Net, Turn)>) -> Vec<Duration> {
    let mut nets: Vec<Net> = cells.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
    nets.sort_unstable();
    nets.dedup();
    let world = Arc::new(World::new(&nets).await);
    tokio::time::sleep(SEC / 2).await;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (a, b, turn) in cells {
        let (world, turns) = (world.clone(), turns.clone());
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            ((a, b, turn), world.connect(a, b, turn).await)
        });
    }
    let mut all = running.join_all().await;
    all.sort_by_key(|((a, b, turn), _)| (*turn as u8, *a, *b));
    let (mut times, mut wrong) = (Vec::new(), Vec::new());
    for ((a, b, turn), came) in all {
        let name = format!("{a:?} to {b:?}, TURN {turn:?}");
        match &came {
            Ok(took) => println!("{name}: {:.1} s", took.as_secs_f64()),
            Err(why) => println!("{name}: {why}"),
        }
        match came {
            Ok(took) if possible(a, b, turn) => times.push(took),
            Err(why) if !possible(a, b, turn) && why.contains("IceFailed") => {
                let within = why.rsplit("after ").next().unwrap_or_default();
                let seconds: u64 = within.trim_end_matches('s').parse().unwrap_or(u64::MAX);
                if seconds > IN_VAIN.as_secs() {
                    wrong.push(format!("{name}: only {within}"));
                }
            }
            Ok(_) => wrong.push(format!("{name}: that is not possible")),
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    times.sort_unstable();
    times
}

/// In its full size all pairs, each with and without TURN, over each transport.
#[tokio::test]
async fn r_f01_every_pair_of_networks_that_can_connect_does() {
    let cells = if full_size() {
        let pairs = NETS
            .iter()
            .flat_map(|a| NETS.iter().filter(move |b| a <= b).map(move |b| (*a, *b)));
        pairs
            .flat_map(|(a, b)| TURNS.iter().map(move |turn| (a, b, *turn)))
            .collect()
    } else {
        vec![
            (Net::AddressRestricted, Net::Symmetric, Turn::None),
            (Net::Open, Net::Blocked, Turn::None),
            (Net::Symmetric, Net::Symmetric, Turn::Udp),
            (Net::AddressRestricted, Net::Blocked, Turn::Tcp),
            (Net::Blocked, Net::Blocked, Turn::Tls),
        ]
    };
    let times = matrix(cells).await;
    let p95 = times[(times.len() * 95 / 100).min(times.len() - 1)];
    println!("{} connected, 95 of 100 within {p95:.1?}", times.len());
    // Alone, without others that want the processors.
    let limit = if full_size() { 5 * SEC } else { 20 * SEC };
    assert!(p95 < limit, "{p95:?}");
}
