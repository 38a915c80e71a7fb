//! A NATS server with JetStream of the test's own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Nats {
    child: Option<Child>,
    port: u16,
    directory: PathBuf,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        let name = format!("ortc-nats-{:032x}", u128::from_le_bytes(random()));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut nats = Self {
            child: None,
            port: 0,
            directory,
        };
        nats.run().await;
        nats
    }

    /// Runs it, the first time on a port that is free.
    pub(crate) async fn run(&mut self) {
        let port = if self.port == 0 {
            -1
        } else {
            i32::from(self.port)
        };
        let mut command = Command::new("nats-server");
        command
            .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
            .arg(&self.directory)
            .arg("--ports_file_dir")
            .arg(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .expect("nats-server is not installed: apt-get install nats-server");
        let ports = format!("nats-server_{}.ports", child.id());
        self.child = Some(child);
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Ok(text) = std::fs::read_to_string(self.directory.join(&ports)) else {
                continue;
            };
            let port = text.split("127.0.0.1:").nth(1);
            let port = port.and_then(|text| text.split('"').next()?.parse().ok());
            if let Some(port) = port {
                self.port = port;
                return;
            }
        }
        panic!("nats-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What was on disk is lost, too.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.directory.join("jetstream"));
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn random() -> [u8; 16] {
    let key = ortc_rooms::desk::SealKey::random();
    *key.as_bytes().first_chunk().unwrap()
}
