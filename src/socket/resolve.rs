//! Host names to addresses: of the application's ICE servers, and of mDNS candidates.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::mdns;
use crate::tasks::{self, Task};

const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer's name waits for its turn: as long as ICE has patience (RFC 8863).
const TURN: Duration = Duration::from_millis(39_500);
/// Look-ups of one kind that run at once in the process.
const CONCURRENT: usize = 8;
/// Addresses taken of one name.
const MAX_ADDRESSES: usize = 16;

/// Two pools: names that peers supply must not hold up those that the application supplied.
struct Lookups {
    servers: Arc<Semaphore>,
    peers: Arc<Semaphore>,
}

static LOOKUPS: std::sync::LazyLock<Lookups> = std::sync::LazyLock::new(|| Lookups {
    servers: Arc::new(Semaphore::new(CONCURRENT)),
    peers: Arc::new(Semaphore::new(CONCURRENT)),
});

/// The addresses of an ICE server that the application named, within 5 s. Cancel-safe.
///
/// # Errors
/// Why there is none, in words.
pub(crate) async fn resolve_server(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![(ip.to_canonical(), port).into()]);
    }
    lookup(&LOOKUPS.servers, bare, port, TIMEOUT, TIMEOUT).await
}

/// The address behind the `.local` name of a remote candidate, by the system's resolver or by
/// multicast, within 5 s once it is its turn, or `None`: such a candidate is skipped, never fatal. Any other name is refused without asking anybody, since a
/// peer could learn from a DNS query what signalling does not tell it. Cancel-safe.
pub(crate) async fn resolve_mdns(name: &str) -> Option<IpAddr> {
    if !is_mdns_name(name) {
        return None;
    }
    let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    let system = async {
        let found = lookup(&LOOKUPS.peers, name, 0, TURN, TIMEOUT).await.ok()?;
        found.iter().map(SocketAddr::ip).find(usable)
    };
    let multicast = async { mdns::find(name).await.filter(usable) };
    tokio::select! {
        Some(ip) = system => Some(ip),
        Some(ip) = multicast => Some(ip),
        else => None,
    }
}

/// Exactly one label before `.local`, as mDNS candidates have.
pub(crate) fn is_mdns_name(name: &str) -> bool {
    let Some((label, domain)) = name.split_once('.') else {
        return false;
    };
    domain.eq_ignore_ascii_case("local")
        && (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

async fn lookup(
    pool: &Arc<Semaphore>,
    host: &str,
    port: u16,
    turn: Duration,
    patience: Duration,
) -> Result<Vec<SocketAddr>, String> {
    // Names that lead nowhere must not use up the time of those behind them.
    let permit = timeout(turn, Arc::clone(pool).acquire_owned())
        .await
        .map_err(|_| format!("not looked up within {turn:?}"))?
        .map_err(|e| e.to_string())?;
    let found = timeout(patience, async {
        let query = (host.to_owned(), port);
        // The system's resolver cannot be interrupted: its thread outlives our patience. The task
        // keeps the permit until it is really over, so threads are capped too.
        let asking = async move {
            let _permit = permit;
            let addresses = lookup_host(query).await.map_err(|e| e.to_string())?;
            let mut unique: Vec<SocketAddr> = Vec::new();
            for addr in addresses {
                let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
                if unique.len() < MAX_ADDRESSES && !unique.contains(&addr) {
                    unique.push(addr);
                }
            }
            Ok(unique)
        };
        let asked = tasks::spawn(Task::Resolver, &Handle::current(), asking).await;
        asked.map_err(|e| e.to_string())?
    })
    .await
    .map_err(|_| format!("no answer within {patience:?}"))?;
    match found {
        Ok(addresses) if addresses.is_empty() => Err("the name has no address".into()),
        found => found,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn literals_need_no_lookup_and_localhost_resolves() {
        let addrs = resolve_server("192.0.2.1", 3478).await.unwrap();
        assert_eq!(addrs, ["192.0.2.1:3478".parse::<SocketAddr>().unwrap()]);
        let addrs = resolve_server("[2001:db8::1]", 1).await.unwrap();
        assert_eq!(addrs, ["[2001:db8::1]:1".parse::<SocketAddr>().unwrap()]);
        let addrs = resolve_server("localhost", 9).await.unwrap();
        assert!(addrs.iter().all(|a| a.ip().is_loopback() && a.port() == 9));
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_in_time() {
        let start = Instant::now();
        assert!(resolve_server("does-not-exist.invalid", 1).await.is_err());
        assert!(start.elapsed() < TIMEOUT + Duration::from_secs(1));
    }

    #[test]
    fn only_single_label_local_names_are_asked_for() {
        assert!(is_mdns_name("1f4712db-ea17-4bcf-a596-105139dfd8bf.local"));
        let long = format!("{}.local", "a".repeat(64));
        for name in [
            "",
            ".local",
            "local",
            "a.b.local",
            "example.com",
            "a.local.",
            "a.local.com",
            "a b.local",
            "10.0.0.1",
            "ä.local",
            "a_b.local",
            &long,
        ] {
            assert!(!is_mdns_name(name), "{name}");
        }
    }

    #[tokio::test]
    async fn names_of_peers_other_than_mdns_are_refused_without_lookup() {
        assert_eq!(resolve_mdns("localhost").await, None);
        assert_eq!(resolve_mdns("example.com").await, None);
    }

    /// Own pool, so that parallel tests do not disturb it.
    #[tokio::test]
    async fn a_thousand_stuck_lookups_end_in_time_without_tasks() {
        let pool = Arc::new(Semaphore::new(0));
        let patience = Duration::from_millis(200);
        let start = Instant::now();
        let waiting: Vec<_> = (0..1_000)
            .map(|i| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    lookup(&pool, &format!("{i}.local"), 0, patience, patience).await
                })
            })
            .collect();
        for one in waiting {
            assert!(one.await.unwrap().is_err());
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(pool.available_permits(), 0);
    }
}
