//! Meeting in one network without a server anywhere: the sender is the server, for as long as it
//! sends, and says by multicast DNS where it is and which first word its code has.
//!
//! Whoever answers for a word is no more trusted than any other server: the code proves both ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mdns_sd::{ServiceDaemon, ServiceEvent, ServiceInfo};
use ortc_server::{Running, Server, ServerConfig};
use ring::rand::{SecureRandom, SystemRandom};

use crate::failed::Failed;

/// The service that is looked for.
const SERVICE: &str = "_ortc-files._tcp.local.";
/// The property that has the first word of the code.
const WORD: &str = "word";

/// A server of this process for others in the network.
pub(crate) struct Hub {
    running: Option<Running>,
    daemon: ServiceDaemon,
    /// Where this process reaches it.
    pub(crate) address: String,
}

impl Hub {
    /// Serves, and says so.
    pub(crate) async fn open(word: &str) -> Result<Self, Failed> {
        let running = Server::bind(small(ServerConfig::default())).await?;
        let port = running.address().port();
        let daemon = ServiceDaemon::new()?;
        let name = instance()?;
        let host = format!("{name}.local.");
        let properties = [(WORD, word)];
        let service = ServiceInfo::new(SERVICE, &name, &host, "", port, &properties[..])?;
        let mut service = service.enable_addr_auto();
        // Nobody else has that name.
        service.set_requires_probe(false);
        daemon.register(service)?;
        Ok(Self {
            running: Some(running),
            daemon,
            address: format!("http://127.0.0.1:{port}"),
        })
    }

    /// Tells those who are there that it ends.
    pub(crate) async fn close(mut self) {
        let goodbye = self.daemon.shutdown();
        if let Some(running) = self.running.take() {
            let patience = Duration::from_secs(1);
            let _ = tokio::time::timeout(patience, running.shut_down()).await;
        }
        drop(goodbye);
    }
}

/// For the few of one transfer.
fn small(mut config: ServerConfig) -> ServerConfig {
    config.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    // What is said here is proven by the code, and so are the keys of what is sent.
    config.insecure_http = true;
    config.max_rooms = 1;
    config.connections_per_address = 16;
    config.max_connections = 64;
    config.grace_seconds = 10;
    config
}

fn instance() -> Result<String, Failed> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| "the system gives no random numbers")?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("ortc-{digits}"))
}

/// Where one is whose code has that first word: addresses to try, those of IPv4 first.
///
/// Looks until there is one, or the time is over.
pub(crate) async fn find(word: &str, patience: Duration) -> Result<Vec<String>, Failed> {
    let word = word.to_owned();
    tokio::task::spawn_blocking(move || look(&word, patience)).await?
}

fn look(word: &str, patience: Duration) -> Result<Vec<String>, Failed> {
    let daemon = ServiceDaemon::new()?;
    let heard = daemon.browse(SERVICE)?;
    let end = Instant::now() + patience;
    let mut found = Vec::new();
    while found.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        match heard.recv_timeout(left) {
            Ok(ServiceEvent::ServiceResolved(service))
                if service.get_property_val_str(WORD) == Some(word) =>
            {
                let port = service.get_port();
                let mut addresses: Vec<_> = service.get_addresses_v4().into_iter().collect();
                // This machine's own first: nothing is quicker.
                addresses.sort_by_key(|address| !address.is_loopback());
                found = addresses
                    .into_iter()
                    .map(|address| format!("http://{address}:{port}"))
                    .collect();
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let _ = daemon.shutdown();
    match found.is_empty() {
        false => Ok(found),
        true => Err("nobody in this network sends under this code: look at its first word, or name the server of both with --server".into()),
    }
}
