//! Ten thousand sources that nobody declared, between the packets of tracks that are declared.

use std::collections::HashMap;
use std::time::Instant;

use crate::engine::certificate::Certificate;
use crate::engine::dtls::{KeyingMaterial, SrtpProfile};
use crate::engine::ice::{Credentials, IceConfig};
use crate::engine::srtp::Srtp;
use crate::engine::{Engine, EngineConfig, Identity, ReceiverSpec};
use crate::rtp::{
    Declaration, ExtensionMap, OutgoingHeader, RTCHeaderExtension, ReceiverId, RtpConfig,
    write_header,
};

const SOURCES: u32 = 10_000;
const MID_ID: u8 = 3;

fn keys(own: u8, theirs: u8) -> KeyingMaterial {
    KeyingMaterial {
        profile: SrtpProfile::AeadAes128Gcm,
        local_key: vec![own; 16],
        local_salt: vec![own; 12],
        remote_key: vec![theirs; 16],
        remote_salt: vec![theirs; 12],
    }
}

fn engine(now: Instant) -> Engine {
    let mid = RTCHeaderExtension {
        uri: "urn:ietf:params:rtp-hdrext:sdes:mid".into(),
        id: MID_ID,
    };
    let mut engine = Engine::new(
        now,
        EngineConfig {
            budget: crate::budget::Budget::default(),
            local: Credentials::generate().unwrap(),
            certificate: Certificate::generate().unwrap(),
            role: None,
            dtls_role: None,
            identity: Identity::Insecure,
            ice: IceConfig::default(),
            rtp: RtpConfig::default(),
            cname: "test".into(),
            extensions: ExtensionMap::new(&[mid]).unwrap(),
            tie_breaker: 1,
            rng_seed: 1,
            wall_clock: (now, 0),
            span: tracing::Span::none(),
            max_message_size: 65_536,
            whole_datagrams: true,
        },
    );
    engine.media.install(&keys(1, 2)).unwrap();
    engine
}

fn sender() -> Srtp {
    Srtp::new(&keys(2, 1)).unwrap()
}

fn packet(srtp: &mut Srtp, ssrc: u32, sequence_number: u16, mid: Option<&str>) -> Vec<u8> {
    let extensions = mid.map(|mid| (MID_ID, mid.as_bytes()));
    let mut out = Vec::new();
    let header_len = write_header(
        &mut out,
        &OutgoingHeader {
            marker: false,
            payload_type: 111,
            sequence_number,
            timestamp: 0,
            ssrc,
            csrcs: &[],
            extensions: extensions.as_slice(),
        },
    );
    out.extend_from_slice(&[7; 100]);
    srtp.protect_rtp(&mut out, 0, header_len).unwrap();
    out
}

fn declare(engine: &mut Engine, now: Instant, declaration: Declaration) -> ReceiverId {
    let spec = ReceiverSpec {
        declaration,
        clock_rates: vec![(111, 48_000)],
        red: Vec::new(),
        reduced_size: false,
        streams: Vec::new(),
        repair: None,
    };
    engine.add_receiver(now, spec).unwrap()
}

fn collect(engine: &mut Engine, got: &mut HashMap<ReceiverId, Vec<u16>>) {
    while let Some((id, packets)) = engine.poll_packets() {
        let numbers = packets.map(|packet| packet.sequence_number);
        got.entry(id).or_default().extend(numbers);
    }
}

#[test]
fn g016_a_flood_of_unknown_sources_costs_declared_tracks_nothing() {
    let now = Instant::now();
    let mut engine = engine(now);
    let by_ssrc = declare(
        &mut engine,
        now,
        Declaration {
            kind: "audio",
            ssrcs: vec![5],
            ..Declaration::default()
        },
    );
    let by_mid = declare(
        &mut engine,
        now,
        Declaration {
            kind: "audio",
            mid: Some("late".into()),
            ..Declaration::default()
        },
    );
    let mut got: HashMap<ReceiverId, Vec<u16>> = HashMap::new();
    let mut news = 0;
    let mut declared = sender();
    let mut flood = sender();
    for n in 0..SOURCES {
        if n % 500 == 0 {
            flood = sender();
        }
        let mut data = packet(&mut flood, 100_000 + n, 1, None);
        engine.media.handle_rtp(now, &mut data, &mut engine.events);
        if n % 10 == 0 {
            let mut data = packet(&mut declared, 5, (n / 10) as u16, None);
            engine.media.handle_rtp(now, &mut data, &mut engine.events);
        }
        // The layer above looks now and then.
        if n % 1_000 == 999 {
            let waiting = std::iter::from_fn(|| engine.media_mut().poll_unknown()).count();
            assert!(waiting <= 64, "{waiting} announcements wait");
            news += waiting;
            collect(&mut engine, &mut got);
        }
    }
    // A declared track of which nothing was heard before the flood filled everything.
    for n in 0..100 {
        let mut data = packet(&mut declared, 6, n, (n == 0).then_some("late"));
        engine.media.handle_rtp(now, &mut data, &mut engine.events);
    }
    collect(&mut engine, &mut got);
    assert_eq!(got[&by_ssrc], (0..1_000).collect::<Vec<u16>>());
    assert_eq!(got[&by_mid], (0..100).collect::<Vec<u16>>());
    assert_eq!(news, 64);
    let (sources, packets, bytes) = engine.media().unknown_held();
    assert_eq!((sources, packets), (1_000, 1_000));
    assert!(bytes < 1 << 20, "{bytes}");
    assert_eq!(engine.counters().unknown_rtp, 9_000);
    assert_eq!(engine.counters().rejected_srtp, 0);
}
