//! Connections come and go, in every state and by every way, and leave nothing behind.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::leaks::{Process, alone, current_thread, multi_thread, rss_kib, tasks, turn};
use common::random::Random;
use common::session::{End, audio, exchange, join};
use common::stalls::Watch;
use common::{full_size, loopback, within};
use ortc::july::RTCSocketOptions;
use ortc::{
    DisconnectReason, Error, RTCConnection, RTCConnectionEvent, RTCConnectionState, RTCSocket,
    TransportFault,
};
use tokio::time::{sleep, timeout};

/// Growth after the first tenth of the cycles that still counts as flat.
const FLAT_KIB: u64 = 5 * 1024;

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Introduced,
    Checking,
    Handshake,
    Connected,
    Media,
    /// Waiting for a server that says nothing.
    Gathering,
    Queued,
    Restarting,
}

impl Stage {
    /// Whether the peer can be told of the end.
    fn is_up(self) -> bool {
        use Stage::{Connected, Media, Queued, Restarting};
        matches!(self, Connected | Media | Queued | Restarting)
    }
}

const STAGES: [Stage; 9] = [
    Stage::New,
    Stage::Introduced,
    Stage::Checking,
    Stage::Handshake,
    Stage::Connected,
    Stage::Media,
    Stage::Gathering,
    Stage::Queued,
    Stage::Restarting,
];

/// The port of a server that never answers.
fn silent() -> u16 {
    static SERVER: std::sync::LazyLock<std::net::UdpSocket> =
        std::sync::LazyLock::new(|| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    SERVER.local_addr().unwrap().port()
}

fn gathering() -> End {
    let server = ortc::RTCIceServer::new(format!("stun:127.0.0.1:{}", silent()));
    End::new(loopback().ice_servers([server]))
}

/// Two ends that have come so far and no further. In `Checking` the second does not connect.
async fn at(stage: Stage) -> (End, End) {
    if stage == Stage::Gathering {
        let ends = (gathering(), gathering());
        tokio::task::yield_now().await;
        return ends;
    }
    let (mut a, mut b) = (End::loopback(), End::loopback());
    if stage == Stage::New {
        return (a, b);
    }
    a.introduce_to(&b);
    b.introduce_to(&a);
    if stage == Stage::Introduced {
        return (a, b);
    }
    a.connection.connect().unwrap();
    if stage == Stage::Checking {
        tokio::task::yield_now().await;
        return (a, b);
    }
    b.connection.connect().unwrap();
    if stage == Stage::Handshake {
        loop {
            let event = within(10, a.events.next()).await.unwrap();
            if matches!(
                event,
                RTCConnectionEvent::DtlsStateChange(ortc::RTCDtlsState::Connecting)
            ) {
                return (a, b);
            }
        }
    }
    a.connected().await;
    b.connected().await;
    if stage == Stage::Media {
        assert_eq!(exchange(&audio(&a, &b), 5).await, 5);
    }
    if stage == Stage::Queued {
        let options = ortc::RTCDataChannelOptions::default;
        for end in [&a, &b] {
            let channel = end.connection.create_data_channel("", options()).unwrap();
            within(10, channel.opened()).await.unwrap();
            channel.try_send(vec![1; 100_000]).unwrap();
        }
    }
    if stage == Stage::Restarting {
        a.connection.restart().unwrap();
    }
    (a, b)
}

/// Runs `cycle` again and again, and holds the process to what it was.
async fn cycles<F: Future<Output = ()>>(mut cycle: impl FnMut(usize) -> F) {
    let cycles = if full_size() { 10_000 } else { 300 };
    let before = Process::now();
    let begin = Instant::now();
    let mut first = 0;
    for n in 0..cycles {
        cycle(n).await;
        if n == cycles / 10 {
            first = rss_kib();
        }
    }
    let (elapsed, rss) = (begin.elapsed(), rss_kib());
    println!("{cycles} cycles in {elapsed:?}; RSS {first} KiB after a tenth, {rss} at the end");
    println!("{before:?}, {} tasks", tasks());
    assert!(
        rss <= first + FLAT_KIB,
        "RSS grew from {first} to {rss} KiB"
    );
}

/// Reliability row E2: one in ten is given up midway.
#[test]
fn r_e02_many_sessions_leave_nothing() {
    alone(current_thread, || async {
        let random = std::cell::RefCell::new(Random::new(0x5eed_0e02));
        cycles(async |n| {
            if n % 10 == 9 {
                let mut own = Random::from_seed(random.borrow_mut().next());
                return abandoned(&mut own).await;
            }
            let (a, b) = at(Stage::Connected).await;
            let (there, back) = (audio(&a, &b), audio(&b, &a));
            assert_eq!(exchange(&there, 10).await, 10);
            assert_eq!(exchange(&back, 10).await, 10);
            a.connection.close();
            let reason = within(5, b.connection.closed()).await;
            assert_eq!(reason, DisconnectReason::RemoteClosed);
        })
        .await;
    });
}

/// Polls one of the public futures and drops it, most often before it is done.
async fn cancel_one(random: &mut Random, end: &mut End) {
    let limit = Duration::from_micros(random.below(3_000));
    match random.below(3) {
        0 => drop(timeout(limit, end.connection.connected()).await),
        1 => drop(timeout(limit, end.connection.closed()).await),
        _ => drop(timeout(limit, end.events.next()).await),
    }
}

/// One session that is given up at a random moment in a random way.
async fn abandoned(random: &mut Random) {
    let stage = STAGES[random.below(6) as usize];
    let (mut a, mut b) = at(stage).await;
    let media = random.below(2) == 0 && a.connection.state() != RTCConnectionState::New;
    let media = media.then(|| audio(&a, &b));
    for _ in 0..random.below(4) {
        cancel_one(random, &mut a).await;
        cancel_one(random, &mut b).await;
        if let Some((sent, received)) = &media {
            let limit = Duration::from_micros(random.below(2_000));
            sent.write_sample(vec![1; 40], common::session::PACKET)
                .unwrap();
            match random.below(3) {
                0 => drop(timeout(limit, received.recv_rtp()).await),
                1 => drop(timeout(limit, received.recv_sample()).await),
                _ => drop(timeout(limit, received.next_event()).await),
            }
        }
    }
    match random.below(6) {
        0 => drop(a),
        1 => drop(b.connection),
        2 => drop(b.events),
        3 => a.connection.close(),
        4 => b.connection.local_socket().close(),
        _ => {
            a.connection.close();
            b.connection.close();
            b.connection.close();
        }
    }
}

#[test]
fn r_e02_r_g03_many_abandoned_sessions_leave_nothing() {
    alone(current_thread, || async {
        let random = std::cell::RefCell::new(Random::new(0x0ddc_0ffe));
        cycles(async |_| {
            let mut own = Random::from_seed(random.borrow_mut().next());
            abandoned(&mut own).await;
        })
        .await;
    });
}

/// Everything of both ends is gone within a second although the handles are still there.
async fn nothing_is_open(before: &Process, limit: Duration) {
    let end = Instant::now() + limit;
    while (tasks() > 0 || Process::now() != *before) && Instant::now() < end {
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(tasks(), 0, "tasks are left");
    assert_eq!(Process::now(), *before);
}

#[test]
fn r_g01_close_in_each_state_from_either_side() {
    // Not while another test counts.
    drop((turn(), silent()));
    alone(current_thread, || async {
        let before = Process::now();
        for stage in STAGES {
            for closing in 0..3 {
                println!("{stage:?}, closing {closing}");
                let (mut a, mut b) = at(stage).await;
                if closing != 1 {
                    a.connection.close();
                    a.connection.close();
                }
                if closing != 0 {
                    b.connection.close();
                    b.connection.close();
                }
                for (end, own) in [(&mut a, closing != 1), (&mut b, closing != 0)] {
                    if !own {
                        if stage.is_up() {
                            let reason = within(1, end.connection.closed()).await;
                            assert_eq!(reason, DisconnectReason::RemoteClosed);
                        } else {
                            end.connection.close();
                        }
                    }
                    let reason = within(1, end.connection.closed()).await;
                    assert_eq!(end.connection.state(), RTCConnectionState::Closed);
                    let refused = end.connection.connect();
                    assert_eq!(refused, Err(Error::Closed(reason)));
                    assert_eq!(ends_with(end).await, Some(reason));
                }
                nothing_is_open(&before, Duration::from_secs(1)).await;
            }
        }
    });
}

/// Reads the events to their end; the reason that the one disconnection gave.
async fn ends_with(end: &mut End) -> Option<DisconnectReason> {
    let mut reasons = Vec::new();
    while let Some(event) = within(5, end.events.next()).await {
        if let RTCConnectionEvent::Disconnected { reason } = event {
            reasons.push(reason);
        }
    }
    assert!(reasons.len() <= 1, "{reasons:?}");
    reasons.pop()
}

#[test]
fn r_g01_close_from_inside_event_handling() {
    alone(current_thread, || async {
        // At each event of a session in turn.
        for at_event in 0.. {
            let (mut a, mut b) = (End::loopback(), End::loopback());
            join(&mut a, &mut b);
            let mut seen = 0;
            let mut last = None;
            while let Some(event) = within(10, a.events.next()).await {
                if seen == at_event {
                    a.connection.close();
                    a.connection.local_socket().close();
                }
                seen += 1;
                let connected = matches!(event, RTCConnectionEvent::Connected);
                last = Some(event);
                if connected && seen <= at_event {
                    assert!(at_event > 3, "closed at {at_event} events");
                    return;
                }
            }
            let Some(RTCConnectionEvent::Disconnected { reason }) = last else {
                panic!("the last event is {last:?}");
            };
            assert_eq!(reason, DisconnectReason::Closed);
        }
    });
}

#[test]
fn r_g02_dropped_without_close_in_each_state() {
    drop((turn(), silent()));
    alone(
        || multi_thread(1),
        || async {
            let before = Process::now();
            for stage in STAGES {
                for dropping in 0..2 {
                    println!("{stage:?}, dropping {dropping}");
                    let (a, b) = at(stage).await;
                    let (first, mut second) = if dropping == 0 { (a, b) } else { (b, a) };
                    let End {
                        connection,
                        mut events,
                    } = first;
                    drop(connection);
                    // What the handle's end did can still be read.
                    let mut last = None;
                    while let Some(event) = within(1, events.next()).await {
                        last = Some(event);
                    }
                    let reason = DisconnectReason::Closed;
                    assert_eq!(last, Some(RTCConnectionEvent::Disconnected { reason }));
                    if stage.is_up() {
                        let reason = ends_with(&mut second).await;
                        assert_eq!(reason, Some(DisconnectReason::RemoteClosed));
                    }
                    drop(second.connection);
                    nothing_is_open(&before, Duration::from_secs(5)).await;
                }
            }
        },
    );
}

#[test]
fn r_g03_a_cancelled_future_can_be_tried_again() {
    alone(current_thread, || async {
        let (mut a, mut b) = (End::loopback(), End::loopback());
        // Each future is dropped at its first await, then asked again.
        assert!(
            timeout(Duration::ZERO, a.connection.connected())
                .await
                .is_err()
        );
        assert!(
            timeout(Duration::ZERO, a.connection.closed())
                .await
                .is_err()
        );
        join(&mut a, &mut b);
        let mut tries = 0;
        while timeout(Duration::from_micros(50), a.connection.connected())
            .await
            .is_err()
        {
            tries += 1;
        }
        println!("connected at try {tries}");
        b.connected().await;
        let (sent, received) = audio(&a, &b);
        let nothing = timeout(Duration::from_millis(1), received.recv_sample()).await;
        assert!(nothing.is_err());
        let mut came = 0;
        for n in 0..100 {
            sent.write_sample(vec![n; 40], common::session::PACKET)
                .unwrap();
            if let Ok(packet) = timeout(Duration::from_micros(200), received.recv_rtp()).await {
                packet.unwrap();
                came += 1;
            }
        }
        while came < 100 {
            within(2, received.recv_rtp()).await.unwrap();
            came += 1;
        }
        a.connection.close();
        assert!(within(1, received.recv_rtp()).await.is_none());
        assert_eq!(
            ends_with(&mut b).await,
            Some(DisconnectReason::RemoteClosed)
        );
    });
}

#[test]
fn r_g10_the_runtime_is_shut_down_under_a_hundred_sessions() {
    for workers in 0..2 {
        let _turn = turn();
        silent();
        let before = Process::now();
        let runtime = match workers {
            0 => current_thread(),
            workers => multi_thread(workers),
        };
        let mut ends = runtime.block_on(async {
            let mut ends = Vec::new();
            for n in 0..100 {
                let stage = if n < 82 { Stage::Media } else { STAGES[n % 9] };
                let (a, b) = at(stage).await;
                ends.extend([a, b]);
            }
            ends
        });
        let begin = Watch::start();
        runtime.shutdown_timeout(Duration::from_secs(15));
        let took = begin.took();
        println!("100 sessions: shut down in {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");

        // What is left works on without a runtime: nobody waits for ever, nothing panics.
        let other = current_thread();
        other.block_on(async {
            for (n, end) in ends.iter_mut().enumerate() {
                let reason = within(1, end.connection.closed()).await;
                let reason_told = ends_with(end).await;
                assert_eq!(reason_told, Some(reason), "{n}");
                // Whose task goes first says goodbye, which the other may yet read.
                let known = [
                    DisconnectReason::RuntimeShutdown,
                    DisconnectReason::RemoteClosed,
                ];
                assert!(known.contains(&reason), "{n}: {reason:?}");
                assert!(end.connection.connect().is_err());
                end.connection.close();
                drop(end.connection.stats());
            }
        });
        drop(ends);
        drop(other);
        assert_eq!(Process::now(), before);
    }
}

#[test]
fn r_g10_one_worker_and_two_do_as_well() {
    for workers in [1, 2] {
        alone(
            || multi_thread(workers),
            || async {
                let sessions = (0..20).map(|_| {
                    tokio::spawn(async {
                        let (a, b) = at(Stage::Connected).await;
                        assert_eq!(exchange(&audio(&a, &b), 10).await, 10);
                    })
                });
                for session in sessions.collect::<Vec<_>>() {
                    session.await.unwrap();
                }
            },
        );
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let made = RTCConnection::new(loopback()).map(|_| ());
    assert_eq!(made, Err(Error::Transport(TransportFault::NoRuntime)));
    for (io, time) in [(false, false), (true, false), (false, true)] {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        if io {
            builder.enable_io();
        }
        if time {
            builder.enable_time();
        }
        let runtime = builder.build().unwrap();
        let made = runtime.block_on(async { RTCConnection::new(loopback()).map(|_| ()) });
        let none = Err(Error::Transport(TransportFault::NoRuntime));
        assert_eq!(made, none, "I/O {io}, time {time}");
        let options = RTCSocketOptions::default();
        let made = runtime.block_on(async { RTCSocket::with_servers([], options).map(|_| ()) });
        assert_eq!(made, none, "I/O {io}, time {time}");
    }
}

/// Verbs may be called from any thread, also those that would have to look up a name.
#[test]
fn verbs_work_outside_the_runtime() {
    let _turn = turn();
    let runtime = multi_thread(1);
    let (mut a, mut b) = {
        let _inside = runtime.enter();
        (End::loopback(), End::loopback())
    };
    let name =
        "candidate:1 1 udp 2130706431 b6f3a6c1-0000-4000-8000-000000000000.local 5000 typ host";
    let name = name.parse().unwrap();
    a.connection.set_remote_candidate(&name).unwrap();
    join(&mut a, &mut b);
    runtime.block_on(async {
        a.connected().await;
        b.connected().await;
    });
    assert_eq!(runtime.block_on(exchange(&audio(&a, &b), 3)), 3);
    a.connection.update().unwrap();
    a.connection.restart().unwrap();
    a.connection.close();
    drop((a, b));
}

/// A stream that lives longer than the connections it was sent on keeps none of them.
#[test]
fn r_e02_a_stream_outlives_many_connections() {
    alone(current_thread, || async {
        let stream = ortc::MediaStream::new();
        stream.add_track(&ortc::MediaStreamTrack::audio());
        cycles(async |_| {
            let end = End::loopback();
            end.connection.add_stream(&stream).unwrap();
            drop(end);
            while tasks() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    });
}

const CHILD: &str = "ORTC_LIFECYCLE_CHILD";

/// The process that `r_g04` kills; by itself it is no test.
#[test]
fn child_of_r_g04() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    current_thread().block_on(async {
        let mut end = End::loopback();
        let Some(RTCConnectionEvent::Candidate(candidate)) = end.events.try_next() else {
            panic!("no candidate");
        };
        let line = serde_json::json!({"side": end.connection.local(), "candidate": candidate});
        println!("\n{line}");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        introduced(&end, &serde_json::from_str(&line).unwrap());
        end.connection.closed().await;
    });
}

fn introduced(end: &End, peer: &serde_json::Value) {
    let side = serde_json::from_value(peer["side"].clone()).unwrap();
    let candidate = serde_json::from_value(peer["candidate"].clone()).unwrap();
    end.connection.set_remote(side).unwrap();
    end.connection.set_remote_candidate(&candidate).unwrap();
    end.connection.connect().unwrap();
}

#[test]
fn r_g04_a_peer_that_is_killed_is_missed() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    let _turn = turn();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_of_r_g04", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    current_thread().block_on(common::leaks::run(async {
        let mut end = End::loopback();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .find_map(|line| Some(line.unwrap()).filter(|line| line.starts_with('{')))
            .unwrap();
        let Some(RTCConnectionEvent::Candidate(candidate)) = end.events.try_next() else {
            panic!("no candidate");
        };
        let own = serde_json::json!({"side": end.connection.local(), "candidate": candidate});
        writeln!(child.stdin.as_mut().unwrap(), "{own}").unwrap();
        introduced(&end, &serde_json::from_str(&line).unwrap());
        end.connected().await;

        child.kill().unwrap();
        child.wait().unwrap();
        let begin = Instant::now();
        within(10, async {
            loop {
                let event = end.events.next().await.unwrap();
                let missed = RTCConnectionEvent::IceStateChange(ortc::RTCIceState::Disconnected);
                if event == missed {
                    break;
                }
            }
        })
        .await;
        println!("missed after {:?}", begin.elapsed());
        // Nothing is final yet: the path may come back until consent has run out.
        assert_ne!(end.connection.state(), RTCConnectionState::Closed);
    }));
}

/// The check itself: a panic in a task that nobody awaits does not pass unseen.
#[test]
fn a_panic_in_a_task_fails_the_test() {
    let _turn = common::leaks::turn();
    let name = "a test within the test".to_owned();
    let inner = std::thread::Builder::new().name(name).spawn(|| {
        current_thread().block_on(common::run(async {
            tokio::spawn(async { panic!("on purpose") });
        }));
    });
    assert!(inner.unwrap().join().is_err());
}

/// And one that is left behind.
#[test]
fn a_task_left_behind_fails_the_test() {
    let _turn = common::leaks::turn();
    let name = "another test within the test".to_owned();
    let inner = std::thread::Builder::new().name(name).spawn(|| {
        current_thread().block_on(common::run(async {
            tokio::spawn(std::future::pending::<()>());
        }));
    });
    assert!(inner.unwrap().join().is_err());
}
