//! `ortc serve --keep-files`: files of a room that goes by the server.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::process::{Folder, PATIENCE, Running, Serve, run};

/// The value of a figure of `/metrics`.
async fn figure(serve: &Serve, name: &str) -> u64 {
    let mut stream = tokio::net::TcpStream::connect(&serve.address)
        .await
        .unwrap();
    let ask = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        serve.address
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

async fn until(serve: &Serve, name: &str, wanted: u64) {
    let reached = async {
        while figure(serve, name).await != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached.unwrap_or_else(|_| panic!("{name} is never {wanted}"));
}

/// Row E11: within what the flags say it is kept; what is too large goes on, and is counted.
#[tokio::test(flavor = "multi_thread")]
async fn e11_a_server_keeps_files_as_its_flags_say() {
    let folder = Folder::new();
    let at = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    let (kept, records) = (at("kept"), at("records"));
    // Rooms that are recorded go by the server, however few are in them.
    let flags = ["--hub", "--record", &records, "--record-all"];
    let limits = ["--keep-files-mb", "1", "--keep-files-minutes", "5"];
    let serve = [&flags[..], &["--keep-files", &kept], &limits].concat();
    let serve = Serve::start(&serve).await;
    assert!(std::path::Path::new(&kept).is_dir());
    for (name, size, refused) in [("small.bin", 400_000, 0), ("large.bin", 1_400_000, 2)] {
        let file = at(name);
        let data: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        std::fs::write(&file, &data).unwrap();
        let server = &serve.address;
        let mut all = Vec::new();
        for number in ["1", "2"] {
            let to = folder.0.join(number);
            std::fs::create_dir_all(&to).unwrap();
            let to = to.to_str().unwrap();
            let words = [
                "recv", "--yes", "--room", name, "--server", server, "--to", to,
            ];
            all.push(Running::start(&words));
        }
        until(&serve, "ortc_hub_people", 2).await;
        let (code, _, error) = run(&["send", "--room", name, "--server", server, &file]).await;
        assert_eq!(code, 0, "{error}");
        for (number, recv) in ["1", "2"].iter().zip(&mut all) {
            assert_eq!(recv.end().await, 0, "{:#?}", recv.seen);
            let got = std::fs::read(folder.0.join(number).join(name)).unwrap();
            assert!(got == data, "{name}");
        }
        until(&serve, "ortc_hub_files_refused_total", refused).await;
        until(&serve, "ortc_hub_people", 0).await;
    }
    assert_eq!(figure(&serve, "ortc_hub_files_stalled").await, 0);
    // What cannot be is said before anything begins.
    let check = ["serve", "--check", "--keep-files", &kept];
    let (code, _, error) = run(&check).await;
    assert!(code != 0 && error.contains("`hub`"), "{error}");
    let check = ["serve", "--check", "--hub", "--keep-files-minutes", "soon"];
    let (code, _, error) = run(&check).await;
    assert!(code != 0 && error.contains("keep-files-minutes"), "{error}");
}
