//! Signalling of one JSON object a line on standard input and output: `iceInfo` and `candidate`.

use ortc::RTCConnection;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Says one thing to the other side.
pub(crate) fn signal(message: Value) {
    println!("{message}");
}

/// Does what the other side says, until it hangs up.
pub(crate) async fn hear(connection: RTCConnection) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let message: Value = serde_json::from_str(&line)?;
        if let Some(side) = message.get("iceInfo") {
            connection.set_remote(serde_json::from_value(side.clone())?)?;
            connection.connect()?;
        }
        if let Some(candidate) = message.get("candidate") {
            connection.set_remote_candidate(&serde_json::from_value(candidate.clone())?)?;
        }
    }
    Ok(())
}
