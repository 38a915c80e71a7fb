//! Messages whole and in order, streams, handshakes, resets, wraps.

use super::*;

#[test]
fn both_sides_may_begin() {
    for (a, b) in [(true, false), (false, true), (true, true)] {
        for seed in 0..20 {
            let mut line = Line::with(seed, [config(a), config(b)]);
            line.link(Link {
                loss: 0.2,
                latency: ms(20),
                ..Link::default()
            });
            line.connect();
            line.send(A, 0, numbered(0, 3000));
            line.send(B, 1, numbered(0, 3000));
            let done = line.run_until(secs(30), |line| {
                line.received(A) == 3000 && line.received(B) == 3000
            });
            assert!(done, "{a} {b} seed {seed}");
            assert_eq!(line.sides[A].sctp.streams(), 65_535);
        }
    }
}

#[test]
fn messages_of_all_sizes_arrive_whole_and_in_order() {
    let mut line = Line::connected(1);
    let sizes = [
        4,
        100,
        1_131,
        1_132,
        1_133,
        2_264,
        2_265,
        65_536,
        256 * 1024,
    ];
    for (n, size) in sizes.into_iter().enumerate() {
        line.send(A, 5, numbered(n as u32, size));
    }
    line.run_for(secs(2));
    assert_in_order(&line, B, 5, sizes.len() as u32);
    for ((.., data), size) in line.sides[B].got.iter().zip(sizes) {
        assert_eq!(data.len(), size);
    }
    assert_eq!(line.sides[A].released, sizes.iter().sum::<usize>());
}

#[test]
fn small_messages_share_packets() {
    let mut line = Line::connected(2);
    let before = line.sides[A].sent;
    for n in 0..1_000 {
        line.send(A, 1, numbered(n, 100));
    }
    line.run_for(secs(2));
    assert_in_order(&line, B, 1, 1_000);
    let packets = line.sides[A].sent - before;
    assert!(packets <= 115, "{packets}");
}

/// More messages than there are stream sequence numbers, TSNs that wrap, and loss.
#[test]
fn r_e08_numbers_wrap_without_a_trace() {
    let wrapping = |initiator| SctpConfig {
        initial_tsn: Some(u32::MAX - 100),
        ..config(initiator)
    };
    let mut line = Line::with(3, [wrapping(true), wrapping(false)]);
    line.connect();
    line.link(Link {
        loss: 0.05,
        latency: ms(5),
        ..Link::default()
    });
    for n in 0..70_000 {
        line.send(A, 1, numbered(n, 4));
    }
    let done = line.run_until(secs(600), |line| line.sides[B].got.len() == 70_000);
    assert!(done, "{}", line.sides[B].got.len());
    assert_in_order(&line, B, 1, 70_000);
}

#[test]
fn r_e08_a_stream_is_used_again_and_again() {
    let mut line = Line::connected(4);
    for round in 0..70_000u32 {
        line.send(A, 9, numbered(round, 50));
        let now = line.now;
        line.sides[A].sctp.reset(now, 9);
        let done = line.run_until(secs(5), |line| {
            let reset = |side: usize, incoming: bool| {
                line.sides[side].events.iter().any(|event| match event {
                    SctpEvent::IncomingReset(9) => incoming,
                    SctpEvent::OutgoingReset(9) => !incoming,
                    _ => false,
                })
            };
            reset(B, true) && reset(A, false)
        });
        assert!(done, "round {round}");
        line.sides[A].events.clear();
        line.sides[B].events.clear();
        // What was sent before the reset came before it.
        let (.., data) = line.sides[B].got.pop().unwrap();
        assert_eq!(number(&data), round);
    }
}

#[test]
fn a_reset_waits_for_what_is_queued_also_under_loss() {
    for seed in 0..20 {
        let mut line = Line::connected(seed);
        line.link(Link {
            loss: 0.1,
            latency: ms(30),
            ..Link::default()
        });
        for n in 0..200 {
            line.send(A, 2, numbered(n, 10_000));
        }
        let now = line.now;
        line.sides[A].sctp.reset(now, 2);
        let done = line.run_until(secs(120), |line| {
            let events = &line.sides[B].events;
            events
                .iter()
                .any(|event| matches!(event, SctpEvent::IncomingReset(2)))
        });
        assert!(done, "seed {seed}");
        assert_in_order(&line, B, 2, 200);
    }
}

#[test]
fn streams_take_turns() {
    let mut line = Line::connected(6);
    line.link(Link {
        latency: ms(10),
        rate_bps: Some(20_000_000),
        ..Link::default()
    });
    for n in 0..400 {
        line.send(A, 0, numbered(n, 65_536));
    }
    line.run_for(ms(500));
    let start = line.now;
    line.send(A, 1, numbered(0, 1_000));
    assert!(line.run_until(secs(5), |line| {
        line.sides[B].got.iter().any(|(_, stream, ..)| *stream == 1)
    }));
    let took = line.now - start;
    assert!(took < ms(300), "{took:?}");
}

#[test]
fn urgent_streams_send_more_in_a_turn() {
    let mut line = Line::connected(8);
    line.link(Link {
        latency: ms(10),
        rate_bps: Some(10_000_000),
        ..Link::default()
    });
    for (stream, weight) in [(0, 1), (1, 8)] {
        for n in 0..400 {
            let how = (true, Reliability::Reliable);
            line.send_weighed(A, stream, numbered(n, 5_000), how, weight);
        }
    }
    line.run_for(secs(1));
    let of = |on: u16| {
        let got = line.sides[B].got.iter();
        got.filter(|(_, stream, ..)| *stream == on).count()
    };
    let (low, high) = (of(0), of(1));
    assert!(
        low > 5 && high >= low * 7 && high <= low * 9,
        "{low} {high}"
    );
}

/// Whatever the size of their messages, and whichever began first.
#[test]
fn r_e07_equal_streams_get_equal_shares() {
    let mut line = Line::connected(9);
    line.link(Link {
        latency: ms(10),
        rate_bps: Some(20_000_000),
        ..Link::default()
    });
    let sizes = [500, 4_000, 30_000, 250_000];
    for (stream, size) in sizes.into_iter().enumerate() {
        for n in 0..(8_000_000 / size) {
            line.send(A, stream as u16, numbered(n as u32, size));
        }
        line.run_for(ms(200));
    }
    let taken = |line: &Line| {
        let of = |on: usize| {
            let got = line.sides[B].got.iter();
            let of = got.filter(|(_, stream, ..)| usize::from(*stream) == on);
            of.map(|(.., data)| data.len()).sum::<usize>()
        };
        [0, 1, 2, 3].map(of)
    };
    line.run_for(secs(1));
    let before = taken(&line);
    line.run_for(secs(8));
    let after = taken(&line);
    let shares = [0, 1, 2, 3].map(|at| after[at] - before[at]);
    println!("{shares:?}");
    let fair = shares.iter().sum::<usize>() / 4;
    for share in shares {
        // A message more or less.
        assert!(share.abs_diff(fair) < fair / 10 + 250_000, "{shares:?}");
    }
}

/// What a stream sent while nobody else had anything is no debt.
#[test]
fn r_e07_a_stream_that_was_alone_keeps_its_share() {
    let mut line = Line::connected(10);
    line.link(Link {
        latency: ms(10),
        rate_bps: Some(10_000_000),
        ..Link::default()
    });
    for n in 0..1_000 {
        line.send(A, 0, numbered(n, 30_000));
    }
    line.run_for(secs(10));
    for n in 0..1_000 {
        line.send(A, 1, numbered(n, 30_000));
    }
    let of = |line: &Line, on: u16| {
        let got = line.sides[B].got.iter();
        got.filter(|(_, stream, ..)| *stream == on).count()
    };
    line.run_for(ms(300));
    let before = of(&line, 0);
    line.run_for(ms(500));
    let came = of(&line, 0) - before;
    // Half of what the path carries, and a queue's worth less.
    assert!(came >= 5, "{came}");
}

#[test]
fn an_abort_is_told_at_once() {
    let mut line = Line::connected(7);
    let now = line.now;
    line.sides[A].sctp.abort(now);
    line.run_for(ms(10));
    let failed = &line.sides[B].events;
    assert!(
        failed
            .iter()
            .any(|event| matches!(event, SctpEvent::Failed(_)))
    );
    assert!(line.sides[B].sctp.poll_timeout().is_none());
}
