//! Nothing is left of what is over.

use std::time::Duration;

use ortc_rooms::desk::Desk;

use crate::support::{Member, id, limited};

fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| {
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    })
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// 1,000 cycles with ORTC_SOAK, else 25.
#[test]
fn c12_c67_joining_and_leaving_leaves_nothing_behind() {
    let soak = std::env::var_os("ORTC_SOAK").is_some();
    let cycles = if soak { 1_000 } else { 25 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let desk = Desk::default();
        let mut alice = Member::new(&desk, "alice").await;
        let mut bob = Member::new(&desk, "bob").await;
        let tasks = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        alice.session.open("demo").await.unwrap();
        let mut before = None;
        for cycle in 0..cycles {
            let room = bob.session.join("demo").await.unwrap();
            bob.connected("alice").await;
            alice.connected("bob").await;
            room.send("hello").unwrap();
            room.leave().await.unwrap();
            alice
                .until(|event| match event {
                    ortc_rooms::session::Event::Left { user, .. } => {
                        (user.userid == id("bob")).then_some(())
                    }
                    _ => None,
                })
                .await;
            if cycle == 4 {
                before = Some((quiet(&tasks).await, sockets(), memory()));
            }
        }
        let (tasks_before, sockets_before, memory_before) = before.unwrap();
        limited(async {
            while tasks() > tasks_before {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        // Other tests of this process have sockets, too: only growth with the cycles counts.
        if soak {
            assert!(
                sockets() <= sockets_before + 8,
                "{} {sockets_before}",
                sockets()
            );
            let grown = memory().saturating_sub(memory_before);
            assert!(grown < 20_000, "{grown} KiB more");
        }
    });
}

/// The number of tasks once it stays.
async fn quiet(tasks: &impl Fn() -> usize) -> usize {
    let mut last = tasks();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let now = tasks();
        if now == last {
            return now;
        }
        last = now;
    }
    last
}
