//! What `fuzz/` runs: one function for each parser of bytes that come from elsewhere, and for each
//! machine that keeps state. `cargo test` runs the files of `fuzz/corpus` through them.

use crate::{connection, dtmf, engine, media, rtp, socket};

/// A name and what it runs; it panics where something is wrong.
pub type Target = (&'static str, fn(&[u8]));

/// All of them; `fuzz/fuzz_targets` has a file for each.
pub const TARGETS: &[Target] = &[
    ("demux", engine::fuzz::demux),
    ("stun_message", engine::ice::fuzz::message),
    ("stun_response", socket::fuzz::binding_response),
    ("turn_frame", socket::fuzz::turn::frame),
    ("stream_frame", socket::fuzz::stream_frames),
    ("mdns_message", socket::mdns::fuzz::message),
    ("dtls_datagram", engine::dtls::fuzz::datagram),
    ("sctp_packet", engine::sctp::fuzz::packet),
    ("dcep", engine::data::fuzz::message),
    ("rtp_packet", rtp::fuzz::packet),
    ("rtcp", rtp::fuzz::rtcp),
    ("red", rtp::fuzz::red),
    ("telephone_event", dtmf::fuzz::telephone_event),
    ("depacketize", media::fuzz::depacketize),
    ("jitter_buffer", media::fuzz::jitter),
    ("json", connection::description::fuzz::json),
    (
        "candidate_line",
        connection::description::fuzz::candidate_line,
    ),
    ("turn_client", socket::fuzz::turn::client),
    ("ice_agent", engine::ice::fuzz::agent),
    ("dtls_guard", engine::dtls::fuzz::guard),
    ("sctp_association", engine::sctp::fuzz::association),
    ("rtp_session", rtp::fuzz::live_session),
    ("live_pair", engine::fuzz::live_pair),
];

/// Runs one target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| unreachable!("no target {name}")).1(data);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// What the corpus of a target begins with.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        match name {
            "demux" => engine::fuzz::seeds::first_bytes(),
            "stun_message" => engine::ice::fuzz::seeds::messages(),
            "stun_response" => socket::fuzz::seeds(),
            "turn_frame" => socket::fuzz::turn::seeds::frames(),
            "stream_frame" => socket::fuzz::frame_seeds(),
            "mdns_message" => socket::mdns::fuzz::seeds(),
            "dtls_datagram" => engine::dtls::fuzz::seeds::datagrams(),
            "sctp_packet" => engine::sctp::fuzz::seeds::packets(),
            "dcep" => engine::data::fuzz::seeds(),
            "rtp_packet" => rtp::fuzz::seeds::packets(),
            "rtcp" => rtp::fuzz::seeds::compounds(),
            "red" => rtp::fuzz::seeds::red(),
            "telephone_event" => dtmf::fuzz::seeds(),
            "depacketize" => media::fuzz::seeds::depacketize(),
            "jitter_buffer" => media::fuzz::seeds::jitter(),
            "json" => connection::description::fuzz::seeds::json(),
            "candidate_line" => connection::description::fuzz::seeds::candidate_lines(),
            "turn_client" => socket::fuzz::turn::seeds::clients(),
            "ice_agent" => engine::ice::fuzz::seeds::agents(),
            "dtls_guard" => engine::dtls::fuzz::seeds::guards(),
            "sctp_association" => engine::sctp::fuzz::seeds::associations(),
            "rtp_session" => rtp::fuzz::seeds::sessions(),
            "live_pair" => engine::fuzz::seeds::live_pairs(),
            _ => unreachable!("{name} has no seeds"),
        }
    }

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    /// Runs whatever is in the target's directory.
    fn replay(name: &str) {
        let directory = root().join("corpus").join(name);
        let mut files: Vec<PathBuf> = fs::read_dir(&directory)
            .unwrap_or_else(|error| unreachable!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            println!("{}", file.display());
            run(name, &fs::read(file).unwrap());
        }
    }

    macro_rules! replays {
        ($($name:ident)*) => {
            $(
                #[test]
                fn $name() {
                    replay(stringify!($name));
                }
            )*

            /// Each has its program, its seeds and its test.
            #[test]
            fn every_target_is_whole() {
                if std::env::var_os("ORTC_WRITE_SEEDS").is_some() {
                    write_seeds();
                }
                let tested = [$(stringify!($name)),*];
                let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
                assert_eq!(tested[..], names[..]);
                let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
                for name in names {
                    let program = format!("fuzz_targets/{name}.rs");
                    assert!(root().join(&program).exists(), "{program}");
                    assert!(manifest.contains(&format!("path = \"{program}\"")), "{program}");
                    for seed in seeds(name) {
                        run(name, &seed);
                    }
                }
            }
        };
    }

    replays! {
        demux stun_message stun_response turn_frame stream_frame mdns_message dtls_datagram
        sctp_packet dcep rtp_packet rtcp red telephone_event depacketize jitter_buffer json candidate_line turn_client
        ice_agent dtls_guard sctp_association rtp_session live_pair
    }

    /// Writes the seeds into the corpora: `ORTC_WRITE_SEEDS=1 cargo test --lib every_target_is_whole`.
    fn write_seeds() {
        for (name, _) in TARGETS {
            let directory = root().join("corpus").join(name);
            fs::create_dir_all(&directory).unwrap();
            for (number, seed) in seeds(name).iter().enumerate() {
                fs::write(directory.join(format!("seed-{number:02}")), seed).unwrap();
            }
        }
    }
}
