//! Tasks that are aborted or panic.

use std::time::Instant;

use tokio::time::timeout;

use super::support::{
    End, SECOND, audio, channel, connected, everything_waits, last_event, options, pair, soon,
};
use crate::tasks::{Task, faults};
use crate::{
    DisconnectReason, Error, MediaStream, RTCCandidatePolicy, RTCConnection, RTCConnectionEvent,
    RTCConnectionOptions, RTCConnectionState, RTCDataChannelOptions, RTCIceServer, RTCSocket,
};

#[derive(Debug, Clone, Copy)]
enum Fault {
    Abort,
    Panic,
}

impl Fault {
    fn strike(self, task: Task) {
        assert!(faults::running(task) > 0, "{task:?} does not run");
        match self {
            Self::Abort => faults::abort(task),
            Self::Panic => faults::panic(task),
        }
    }

    fn reason(self) -> DisconnectReason {
        match self {
            Self::Abort => DisconnectReason::RuntimeShutdown,
            Self::Panic => DisconnectReason::Internal,
        }
    }
}

const FAULTS: [Fault; 2] = [Fault::Abort, Fault::Panic];

/// Every verb says why it does nothing.
fn verbs_are_refused(connection: &RTCConnection, socket: &RTCSocket, reason: DisconnectReason) {
    let closed = || Error::Closed(reason);
    assert_eq!(connection.state(), RTCConnectionState::Closed);
    assert_eq!(connection.connect(), Err(closed()));
    assert_eq!(connection.restart(), Err(closed()));
    assert_eq!(connection.update(), Err(closed()));
    assert_eq!(connection.add_stream(&MediaStream::new()), Err(closed()));
    let made = connection.create_data_channel("", RTCDataChannelOptions::default());
    assert_eq!(made.map(drop), Err(closed()));
    connection.stats();
    connection.close();
    // The socket, too, is there to be asked and no longer to be used.
    socket.description();
    let again = RTCConnection::new(RTCConnectionOptions::default().socket(socket.clone()));
    assert_eq!(
        again.map(drop),
        Err(Error::invalid_state("the socket is closed"))
    );
    let leg = connection.add_socket(socket).map(|_| ());
    assert!(leg.is_ok() || leg == Err(closed()), "{leg:?}");
    socket.close();
}

#[tokio::test]
async fn r_g09_connections_end_with_the_task_of_their_socket() {
    for fault in FAULTS {
        faults::calm();
        let (mut a, mut b) = pair().await;
        let (here, there) = channel(&a, &mut b).await;
        let (_, received, digits) = audio(&b, &a);
        digits.play("0123456789").unwrap();
        let sent = audio(&a, &b).0;
        // The peer reads nothing, so that its window closes.
        while timeout(SECOND / 4, here.send(vec![0; 60_000]))
            .await
            .is_ok()
        {}
        let reason = fault.reason();
        let channels = (here.clone(), there);
        let waiting = everything_waits(&a, &(here.clone(), here.clone()), &received, reason);
        drop(channels);
        let mut tasks = Vec::new();
        for (name, future) in waiting {
            tasks.push((name, tokio::spawn(future)));
        }
        tokio::task::yield_now().await;
        let socket = a.connection.local_socket();
        let begin = Instant::now();
        fault.strike(Task::Socket);
        for (name, task) in tasks {
            let ended = timeout(5 * SECOND, task).await;
            assert!(
                ended.unwrap_or_else(|_| panic!("{name} hangs")).unwrap(),
                "{name}"
            );
        }
        println!("{fault:?}: all over after {:?}", begin.elapsed());
        assert_eq!(soon(b.connection.closed()).await, reason);
        for end in [&mut a, &mut b] {
            let told = Some(RTCConnectionEvent::Disconnected { reason });
            assert_eq!(last_event(&mut end.events).await, told);
        }
        verbs_are_refused(&a.connection, &socket, reason);
        assert!(here.try_send("x").is_err());
        let _ = sent.write_sample(vec![1; 40], SECOND / 50);
        assert_eq!(faults::running(Task::Socket), 0);
    }
}

/// In every state, also where nothing was sent yet.
#[tokio::test]
async fn r_g09_in_any_state_there_is_an_end_with_a_cause() {
    for fault in FAULTS {
        for stage in 0..5 {
            faults::calm();
            let (mut a, mut b) = (End::new(options()), End::new(options()));
            if stage > 1 {
                a.introduce_to(&b);
                b.introduce_to(&a);
                a.connection.connect().unwrap();
            }
            if stage > 2 {
                b.connection.connect().unwrap();
            }
            if stage > 3 {
                a.connection.connected().await.unwrap();
            } else if stage > 0 {
                tokio::task::yield_now().await;
            }
            let connection = a.connection.clone();
            let waiting = tokio::spawn(async move { connection.connected().await });
            tokio::task::yield_now().await;
            fault.strike(Task::Socket);
            let reason = fault.reason();
            assert_eq!(soon(a.connection.closed()).await, reason, "{stage}");
            let waited = soon(waiting).await.unwrap();
            assert!(
                stage > 3 || waited == Err(Error::Closed(reason)),
                "{waited:?}"
            );
            let told = Some(RTCConnectionEvent::Disconnected { reason });
            assert_eq!(last_event(&mut a.events).await, told);
            let late = a.connection.connected().await;
            assert_eq!(late, Err(Error::Closed(reason)));
        }
    }
}

/// Gathering that waits for a name ends although nobody answers any more.
#[tokio::test]
async fn r_g09_a_lookup_that_dies_is_a_server_without_address() {
    for task in [Task::ServerName, Task::Resolver] {
        for fault in FAULTS {
            faults::calm();
            faults::hold(task);
            let server = RTCIceServer::new("stun:localhost");
            let mut end = End::new(options().ice_servers([server]));
            while faults::running(task) == 0 {
                tokio::task::yield_now().await;
            }
            fault.strike(task);
            let mut errors = 0;
            loop {
                match soon(end.events.next()).await.unwrap() {
                    RTCConnectionEvent::IceServerError(_) => errors += 1,
                    RTCConnectionEvent::EndOfCandidates => break,
                    _ => {}
                }
            }
            assert_eq!(errors, 1, "{task:?} {fault:?}");
            assert_eq!(end.connection.state(), RTCConnectionState::New);
            drop(end);
            over(&[Task::ServerName, Task::Resolver]).await;
        }
    }
}

/// Names of the peer's that nobody looks up any more make room for others, and harm nothing.
#[tokio::test]
async fn r_g09_a_lookup_for_the_peer_that_dies_is_a_candidate_less() {
    for task in [Task::PeerName, Task::Resolver] {
        for fault in FAULTS {
            faults::calm();
            faults::hold(task);
            let (a, b) = (End::new(options()), End::new(options()));
            for n in 0..100 {
                let line = format!("candidate:1 1 udp 99 {n}.local 9 typ host");
                let candidate = line.parse().unwrap();
                a.connection.set_remote_candidate(&candidate).unwrap();
            }
            while faults::running(task) == 0 {
                tokio::task::yield_now().await;
            }
            let waiting = a.connection.shared().lock().remote_names;
            assert!(waiting > 0);
            // Those that wait for their turn take it when others are gone.
            soon(async {
                while a.connection.shared().lock().remote_names > 0 {
                    if faults::running(task) > 0 {
                        fault.strike(task);
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
            assert_eq!(a.connection.shared().lock().ignored_candidates, 100);
            connected(a, b).await;
        }
    }
}

/// Those of the round before are not to be struck in the place of others.
async fn over(tasks: &[Task]) {
    faults::calm();
    let left = || tasks.iter().any(|task| faults::running(*task) > 0);
    // The system's resolver asks anew after 5 s, and cannot be interrupted.
    let all = async {
        while left() {
            tokio::task::yield_now().await;
        }
    };
    timeout(30 * SECOND, all).await.expect("they run on");
}

/// Tasks begin in one place, where the tests above can end them.
#[test]
fn r_g09_every_task_of_the_crate_can_be_struck() {
    fn sources(dir: &std::path::Path, into: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                into.push(path);
            }
        }
    }
    let mut all = Vec::new();
    sources(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut all,
    );
    for path in all {
        let name = path.to_string_lossy();
        if name.ends_with("src/tasks.rs") || name.contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\n#[allow").next().unwrap();
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let begins = [
                "spawn(",
                "spawn_blocking(",
                "spawn_local(",
                "thread::Builder",
            ]
            .iter()
            .any(|call| line.contains(call));
            let ours = ["tasks::spawn(", "driver::spawn(", "fn spawn("];
            let known = ours.iter().any(|call| line.contains(call));
            assert!(!begins || known, "{name}: {line}");
        }
    }
}

/// Who answers for names of this side's ends with the socket, and again begins with another network;
/// one that dies harms nobody.
#[tokio::test]
async fn r_g09_names_are_answered_for_as_long_as_the_socket_lives() {
    for fault in FAULTS {
        faults::calm();
        let policy = RTCCandidatePolicy::default().host_names(true);
        let mut a = End::new(options().candidate_policy(policy));
        let b = End::new(options());
        while faults::running(Task::Names) == 0 {
            tokio::task::yield_now().await;
        }
        a.introduce_to(&b);
        fault.strike(Task::Names);
        while faults::running(Task::Names) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(a.connection.state(), RTCConnectionState::New);
        drop((a, b));
        over(&[Task::Names, Task::Socket]).await;
    }
    let policy = RTCCandidatePolicy::default().host_names(true);
    let mut a = End::new(options().candidate_policy(policy));
    let Some(RTCConnectionEvent::Candidate(told)) = soon(a.events.next()).await else {
        panic!("a candidate")
    };
    assert!(told.connection_address.ends_with(".local"), "{told:?}");
    assert_eq!(told.rel_address, None);
    // What it was told it can be told back.
    a.connection.set_local_candidate(&told).unwrap();
    while faults::running(Task::Names) == 0 {
        tokio::task::yield_now().await;
    }
    drop(a);
    over(&[Task::Names, Task::Socket]).await;
}
