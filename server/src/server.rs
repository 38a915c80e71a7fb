//! A server: bound, running, ended.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::HubFiles;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tracing::{info, warn};

use crate::accept::{Door, accept};
use crate::cluster::{Cluster, ClusterError};
use crate::config::{ConfigError, ServerConfig};
use crate::counts::Counts;
use crate::hooks::{Hooks, NoHooks};
use crate::hub::{Hubs, ServerRecorder};
use crate::kept::helpdesk::Helpdesk;
use crate::kept::shelf::Shelf;
use crate::metrics::Metrics;
use crate::page::Pages;
use crate::polls::Polls;
use crate::reports::Reports;
use crate::site::Site;
use crate::tls::{self, Tls, TlsError};
use crate::tokens::Tokens;
use crate::{cluster, desk, listener, poll, routes, stun};

/// How long clients have to hear the goodbye.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often what is no longer needed is forgotten.
const TIDY: Duration = Duration::from_secs(30);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be had: the first is the setting that names it.
    #[error("{setting}: {address}: {words}", words = bind_words(*.address, .error))]
    Bind {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The folder `state_dir` cannot be used.
    #[error("state_dir: {0}")]
    State(io::Error),
    /// The other servers cannot be joined.
    #[error("cluster: {0}")]
    Cluster(#[from] ClusterError),
    /// Something of the machine is missing.
    #[error("{0}")]
    Other(String),
}

fn bind_words(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => match listener::of_port(address.port()) {
            Some((process, name)) => {
                format!("the port is in use, by {name} (process {process}); take another")
            }
            None => "the port is in use (`ss -lntup` names who has it); take another".to_owned(),
        },
        io::ErrorKind::PermissionDenied => {
            "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has the address; behind a NAT listen on the inner one, \
             or on 0.0.0.0, and name the outer one in `external_ip`"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// A signalling server.
#[derive(Debug)]
pub struct Server;

/// A server that runs. Dropped, it ends at once, without a goodbye.
#[derive(Debug)]
pub struct Running {
    page: SocketAddr,
    rest: Option<SocketAddr>,
    stun: Option<SocketAddr>,
    fingerprint: Option<String>,
    url: String,
    desk: Desk,
    cluster: Option<Arc<Cluster>>,
    return_after_ms: u32,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Binds the addresses and starts. Within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ServerError`] with what is wrong and what to do.
    pub async fn bind(config: ServerConfig) -> Result<Running, ServerError> {
        Self::bind_with(config, Arc::new(NoHooks)).await
    }

    /// The same with hooks.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub async fn bind_with(
        config: ServerConfig,
        hooks: Arc<dyn Hooks>,
    ) -> Result<Running, ServerError> {
        config.check()?;
        let tls = config.tls().then(|| tls::of(&config)).transpose()?;
        let tokens = Tokens::new(&config)?;
        let (listener, page) = tcp(page_setting(&config), config.address()).await?;
        let rest = match config.rest_port {
            Some(port) => Some(tcp("rest_port", SocketAddr::new(config.listen.ip(), port)).await?),
            None => None,
        };
        let udp = stun_socket(&config, page).await?;
        let own_stun = udp.as_ref().map(|(_, address)| address.port());
        let metrics = Metrics::new().map_err(|error| ServerError::Other(error.to_string()))?;
        let metrics = Arc::new(metrics);
        let reports = Reports::new(&config, hooks.clone(), metrics.clone());
        let reports = reports.map_err(ServerError::Other)?;
        let (recordings, help) = shelves(&config)?;
        let recorder = recorder(&config)?;
        let (desk, cluster) = desks(&config, own_stun).await?;
        let (shutdown, ends) = watch::channel(false);
        let site = Arc::new(Site {
            desk,
            cluster: cluster.clone(),
            tokens,
            counts: Counts::new(&config),
            hooks,
            polls: Polls::default(),
            recordings,
            recorder,
            files: hub_files(&config)?,
            help,
            metrics,
            #[cfg(feature = "whip")]
            bridges: crate::whip::Bridges::new(&config),
            url: url(&config, page, tls.is_some()),
            pages: Pages::new(config.web_dir.clone()),
            trusted_proxies: config.trusted_proxies.clone().into(),
            shutdown: ends.clone(),
            stun_port: own_stun,
            config,
        });
        let mut tasks = JoinSet::new();
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let door = |router| Door {
            router,
            tls: acceptor.clone(),
            counts: site.counts.clone(),
            trusted_proxies: site.trusted_proxies.clone(),
        };
        tasks.spawn(accept(listener, door(routes::page(&site)), ends.clone()));
        let rest = rest.map(|(listener, address)| {
            tasks.spawn(accept(listener, door(routes::aside(&site)), ends.clone()));
            address
        });
        let stun = udp.map(|(socket, address)| {
            tasks.spawn(stun::answer(socket, site.metrics.clone(), ends.clone()));
            address
        });
        tasks.spawn(reports.run(site.desk.events(), ends.clone()));
        tasks.spawn(poll::watch(site.clone()));
        if let Some(hubs) = Hubs::of(&site) {
            tasks.spawn(hubs.run(site.desk.events(), ends.clone()));
        }
        tasks.spawn(tidy(site.counts.clone(), ends));
        info!(port = page.port(), tls = tls.is_some(), "serving");
        Ok(Running {
            url: site.url.clone(),
            page,
            rest,
            stun,
            fingerprint: tls.map(|tls: Tls| tls.fingerprint),
            desk: site.desk.clone(),
            cluster,
            return_after_ms: site.config.return_after_seconds.saturating_mul(1_000),
            shutdown,
            tasks,
        })
    }
}

/// What hubs are to record.
fn recorder(config: &ServerConfig) -> Result<Option<Arc<ServerRecorder>>, ServerError> {
    let recorder = ServerRecorder::of(config).map_err(|error| {
        let folder = config.record.clone().unwrap_or_default();
        ServerError::Other(format!("record: {}: {error}", folder.display()))
    })?;
    Ok(recorder.map(Arc::new))
}

/// What hubs are to keep.
fn hub_files(config: &ServerConfig) -> Result<Option<Arc<HubFiles>>, ServerError> {
    let Some(folder) = &config.keep_files else {
        return Ok(None);
    };
    let bytes = u64::from(config.keep_files_mb).saturating_mul(1_000_000);
    let files = HubFiles::open(folder, bytes).map_err(|error| {
        ServerError::Other(format!("keep_files: {}: {error}", folder.display()))
    })?;
    let minutes = config.keep_files_minutes.map(u64::from);
    let files = match minutes {
        Some(minutes) => files.lasting(Duration::from_secs(minutes.saturating_mul(60))),
        None => files,
    };
    Ok(Some(Arc::new(files)))
}

/// What clients leave here, where a folder is named for it.
fn shelves(config: &ServerConfig) -> Result<(Option<Shelf>, Option<Helpdesk>), ServerError> {
    let mb = |count: u32| u64::from(count).saturating_mul(1_000_000);
    let of = |setting: &'static str, path: &std::path::Path| {
        let path = path.display().to_string();
        move |error: io::Error| ServerError::Other(format!("{setting}: {path}: {error}"))
    };
    let (most, all) = (mb(config.recording_mb), mb(config.recordings_mb));
    let open =
        |path: &std::path::PathBuf| Shelf::open(path, most, all).map_err(of("recordings", path));
    let recordings = config.recordings.as_ref().map(open).transpose()?;
    let open = |path: &std::path::PathBuf| {
        Helpdesk::open(path, mb(config.reports_mb)).map_err(of("reports", path))
    };
    Ok((recordings, config.reports.as_ref().map(open).transpose()?))
}

/// The setting that names the port of the page.
fn page_setting(config: &ServerConfig) -> &'static str {
    match config.https_port {
        Some(_) => "https_port",
        None => "listen",
    }
}

/// The desk, and the cluster that it is in.
async fn desks(
    config: &ServerConfig,
    own_stun: Option<u16>,
) -> Result<(Desk, Option<Arc<Cluster>>), ServerError> {
    let options = desk::options(config, own_stun).map_err(ServerError::State)?;
    match &config.cluster {
        Some(url) => {
            let cluster = cluster::connect(url, desk::cluster(config)).await?;
            Ok((Desk::with_store(options, cluster.clone()), Some(cluster)))
        }
        None => Ok((Desk::new(options), None)),
    }
}

async fn tcp(
    setting: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let wrong = |error| ServerError::Bind {
        setting,
        address,
        error,
    };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    Ok((listener, bound))
}

/// The socket of the STUN answers. Where no port is named it takes the number of the page's, if it
/// can be had.
async fn stun_socket(
    config: &ServerConfig,
    page: SocketAddr,
) -> Result<Option<(UdpSocket, SocketAddr)>, ServerError> {
    let port = config.stun_port.unwrap_or(page.port());
    if config.stun_port == Some(0) {
        return Ok(None);
    }
    let address = SocketAddr::new(page.ip(), port);
    let bound = async {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    match bound.await {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if config.stun_port.is_none() => {
            warn!(%error, port, "STUN is not answered: the UDP port cannot be had");
            Ok(None)
        }
        Err(error) => Err(ServerError::Bind {
            setting: "stun_port",
            address,
            error,
        }),
    }
}

/// What a browser of this machine opens.
fn url(config: &ServerConfig, page: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let host = match config.host() {
        Some(host) if !page.ip().is_loopback() => host,
        _ => "localhost".to_owned(),
    };
    let port = page.port();
    let usual = if tls { 443 } else { 80 };
    if port == usual {
        format!("{scheme}://{host}/")
    } else {
        format!("{scheme}://{host}:{port}/")
    }
}

async fn tidy(counts: Arc<Counts>, mut shutdown: watch::Receiver<bool>) {
    let mut times = interval(TIDY);
    loop {
        tokio::select! {
            _ = times.tick() => counts.tidy(std::time::Instant::now()),
            _ = shutdown.wait_for(|ends| *ends) => return,
        }
    }
}

impl Running {
    /// Where the page is, as a browser is told it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of page and WebSocket.
    pub fn address(&self) -> SocketAddr {
        self.page
    }

    /// The address of REST, where it has its own.
    pub fn rest_address(&self) -> Option<SocketAddr> {
        self.rest
    }

    /// The address that answers STUN.
    pub fn stun_address(&self) -> Option<SocketAddr> {
        self.stun
    }

    /// SHA-256 of the certificate, with TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The server's logic.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Tells the clients to come back later, and ends. Takes at most some seconds.
    pub async fn shut_down(mut self) {
        self.desk.say_goodbye(Some(self.return_after_ms));
        let heard = async {
            while self.desk.connected() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = timeout(GOODBYE, heard).await;
        if let Some(cluster) = &self.cluster {
            let _ = timeout(GOODBYE, cluster.leave()).await;
        }
        let _ = self.shutdown.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(GOODBYE, ended).await;
    }
}
