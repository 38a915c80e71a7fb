//! `ortc doctor`: what will and will not work from here, and how to mend it.

use std::time::SystemTime;

use clap::Args;
use ortc::RTCIceServer;
use ortc::diagnose::{DiagnoseOptions, diagnose};
use ortc_rooms::signalling::IceServer;

use crate::failed::{Exit, Failed};
use crate::reach::Reach;

/// Calls to others will not work.
const NO_CALLS: u8 = 6;

/// Says what will and will not work from here, and how to mend it
///
/// Asks the STUN and TURN servers that the signalling server names, and those that are named here:
/// whether they answer, over UDP, TCP and TLS, what the NAT does, whether something comes through the
/// relays, whether the clock is right. Takes up to half a minute. Exit code 6: calls will not work.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    reach: Reach,
    /// Another server: stun:HOST, or turn:USER:PASSWORD@HOST, turns: for TLS, and ?transport=tcp for TCP; several times for several
    #[arg(long = "ice", value_name = "URL")]
    ice: Vec<String>,
    /// Authorities that servers over TLS are trusted by, a PEM file, instead of the system's
    #[arg(long, value_name = "FILE")]
    certificates: Option<std::path::PathBuf>,
    /// Asks no signalling server, only those that are named
    #[arg(long, conflicts_with = "server")]
    no_server: bool,
    /// Prints a JSON object
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let mut servers: Vec<RTCIceServer> = self.ice.iter().map(|url| named(url)).collect();
        let mut options = DiagnoseOptions::default();
        if let Some(path) = &self.certificates {
            options = options.certificates(std::fs::read_to_string(path)?);
        }
        if !self.no_server {
            match self.server().await {
                Ok((told, time)) => {
                    servers.extend(told);
                    options = time.map_or(options.clone(), |time| options.server_time(time));
                }
                // Those that are named are worth a look all the same.
                Err(error) if !servers.is_empty() => {
                    eprintln!("ortc: the signalling server is not reached: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        let local = servers.iter().flat_map(|server| &server.urls);
        let local = local
            .clone()
            .any(|url| url.contains(":127.") || url.contains(":localhost"));
        options = options.include_loopback(local);
        let urls: usize = servers.iter().map(|server| server.urls.len()).sum();
        eprintln!("asking {urls} servers, up to half a minute ...");
        let diagnosis = diagnose(servers, options).await?;
        match self.json {
            true => println!("{}", serde_json::to_string(&diagnosis)?),
            false => print!("{diagnosis}"),
        }
        if diagnosis.calls_will_work {
            return Ok(());
        }
        Err(Exit::boxed(NO_CALLS, "calls will not work from here"))
    }

    /// The servers that the signalling server names, and what its clock says.
    async fn server(&self) -> Result<(Vec<RTCIceServer>, Option<SystemTime>), Failed> {
        let (session, _events) = self.reach.connect().await?;
        let servers = session.ice_servers().into_iter().map(told).collect();
        session.end();
        let server = self.reach.server.as_deref().unwrap_or("127.0.0.1:8080");
        let base = crate::reach::base(server);
        // Whose clock cannot be read is not compared.
        let date = self.reach.http(None)?.date(&base).await;
        Ok((
            servers,
            date.and_then(|date| httpdate::parse_http_date(&date).ok()),
        ))
    }
}

fn told(server: IceServer) -> RTCIceServer {
    let mut told = RTCIceServer::new("");
    told.urls = server.urls;
    told.username = server.username;
    told.credential = server.credential;
    told
}

/// "turn:user:password@host" has its credentials in it.
fn named(url: &str) -> RTCIceServer {
    let credentials = url.split_once(':').and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        let (name, password) = user.rsplit_once(':')?;
        Some((format!("{scheme}:{host}"), name, password))
    });
    match credentials {
        Some((url, name, password)) => RTCIceServer::new(url).with_credential(name, password),
        None => RTCIceServer::new(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stand_before_the_host() {
        let server = named("turns:anna:pa:ss@turn.example.org:443?transport=tcp");
        assert_eq!(server.urls, ["turns:turn.example.org:443?transport=tcp"]);
        assert_eq!(server.username.as_deref(), Some("anna:pa"));
        assert_eq!(
            named("stun:stun.example.org").urls,
            ["stun:stun.example.org"]
        );
    }
}
