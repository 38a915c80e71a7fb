//! What will work from here, and what to ask of whom.
//!
//! ```sh
//! cargo run --release --example doctor -- stun:stun.example.org turn:user:password@turn.example.org
//! ```
//! Each argument is the URL of a STUN or TURN server; user name and password of a TURN server stand
//! before its host. With `--json` the answer is for machines. It exits with 1 if calls will not work.

use std::process::ExitCode;

use ortc::RTCIceServer;
use ortc::diagnose::{DiagnoseOptions, diagnose};

#[tokio::main]
async fn main() -> ortc::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let urls = arguments.iter().filter(|argument| *argument != "--json");
    let servers: Vec<RTCIceServer> = urls.map(|url| server(url)).collect();
    // Servers on this machine count as well.
    let local = arguments.iter().any(|url| url.contains("127.0.0.1"));
    let options = DiagnoseOptions::default().include_loopback(local);
    if !json {
        eprintln!("asking {} servers, up to 20 s ...", servers.len());
    }
    let diagnosis = diagnose(servers, options).await?;
    match json {
        true => println!(
            "{}",
            serde_json::to_string_pretty(&diagnosis).unwrap_or_default()
        ),
        false => print!("{diagnosis}"),
    }
    Ok(ExitCode::from(u8::from(!diagnosis.calls_will_work)))
}

/// "turn:user:password@host" has its credentials in it.
fn server(url: &str) -> RTCIceServer {
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
