//! Loss, delay, reordering, blackouts, narrow paths, slow readers, partial reliability.

use super::share::soaks;
use super::*;

fn path(latency: Duration, loss: f64) -> Link {
    Link {
        latency,
        loss,
        ..Link::default()
    }
}

fn mbit(bytes: usize, time: Duration) -> f64 {
    bytes as f64 * 8.0 / 1e6 / time.as_secs_f64()
}

#[test]
fn r_d07_bulk_goes_on_under_loss() {
    for (loss, least) in [(0.001, 5.0), (0.01, 16.0), (0.05, 0.3), (0.1, 0.1)] {
        let mut line = Line::connected(10);
        // Wide enough not to matter, narrow enough for the test to be quick.
        line.link(Link {
            rate_bps: Some(60_000_000),
            queue_bytes: 1 << 20,
            ..path(ms(30), loss)
        });
        bulk(&mut line, secs(2), 16_384);
        let time = secs(if soaks() { 15 } else { 6 });
        let rate = mbit(bulk(&mut line, time, 16_384), time);
        println!("loss {loss}: {rate:.2} Mbit/s");
        assert!(rate >= least, "loss {loss}: {rate} Mbit/s");
        let mut times: Vec<Instant> = line.sides[B].got.iter().map(|(at, ..)| *at).collect();
        times.push(line.now);
        let silence = times
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap();
        assert!(silence <= secs(5), "loss {loss}: {silence:?}");
    }
}

#[test]
fn r_d08_a_clean_path_is_filled_and_a_narrow_one_not_flooded() {
    let mut line = Line::connected(11);
    line.link(path(ms(15), 0.0));
    bulk(&mut line, ms(500), 65_536);
    let rate = mbit(bulk(&mut line, secs(1), 65_536), secs(1));
    println!("clean: {rate:.0} Mbit/s");
    assert!(rate >= 200.0, "{rate}");
    for (rate_bps, least) in [(1_000_000u64, 0.5), (18_000_000, 16.0)] {
        let mut line = Line::connected(12);
        line.link(Link {
            latency: ms(15),
            rate_bps: Some(rate_bps),
            queue_bytes: rate_bps / 8 * 4 / 10,
            ..Link::default()
        });
        bulk(&mut line, secs(5), 16_384);
        let rate = mbit(bulk(&mut line, secs(20), 16_384), secs(20));
        println!("{rate_bps}: {rate:.2} Mbit/s");
        assert!(rate >= least, "{rate_bps}: {rate}");
        // Messages of another stream are not held up by the queue for long.
        let mut pings = Vec::new();
        let count = if soaks() { 40 } else { 20 };
        for n in 0..count {
            let start = line.now;
            line.send(A, 7, numbered(n, 100));
            bulk(&mut line, ms(1_600), 16_384);
            let came = |(at, stream, _, data): &(Instant, u16, u32, Bytes)| {
                (*stream == 7 && number(data) == n).then_some(*at)
            };
            let came = line.sides[B].got.iter().find_map(came);
            pings.push(came.expect("no ping") - start);
        }
        pings.sort();
        let p95 = pings[pings.len() * 95 / 100 - 1];
        println!("{rate_bps}: ping p95 {p95:?}");
        assert!(p95 <= ms(300), "{rate_bps}: {pings:?}");
    }
}

#[test]
fn r_d09_reordering_and_duplicates_change_nothing() {
    // A bottleneck, so that both have the same to win.
    let bottleneck = Link {
        latency: ms(30),
        rate_bps: Some(10_000_000),
        queue_bytes: 500_000,
        ..Link::default()
    };
    let mut clean = Line::connected(13);
    clean.link(bottleneck);
    bulk(&mut clean, secs(5), 16_384);
    let limit = mbit(bulk(&mut clean, secs(10), 16_384), secs(10));
    let mut line = Line::connected(13);
    line.link(Link {
        jitter: ms(100),
        reorder: 0.25,
        reorder_by: ms(20),
        duplicate: 0.1,
        ..bottleneck
    });
    bulk(&mut line, secs(10), 16_384);
    let rate = mbit(bulk(&mut line, secs(20), 16_384), secs(20));
    println!("reordered: {rate:.2} of {limit:.2} Mbit/s");
    assert!(rate >= limit / 2.0, "{rate} of {limit}");
    let got = line.sides[B].got.len() as u32;
    assert_in_order(&line, B, 0, got);
}

#[test]
fn r_d05_data_is_back_soon_after_a_blackout_and_nothing_is_lost() {
    for seconds in [2, 5, 10, 20, 28] {
        let mut line = Line::connected(seconds);
        line.link(path(ms(30), 0.0));
        for n in 0..50 {
            line.send(A, 0, numbered(n, 20_000));
        }
        let (from, until) = (line.now + ms(40), line.now + ms(40) + secs(seconds));
        line.net.blackout(from, until);
        line.run_for(ms(40) + secs(seconds));
        let before = line.sides[B].got.len();
        let back = line.run_until(secs(3), |line| line.sides[B].got.len() > before);
        assert!(back, "{seconds} s");
        assert!(line.run_until(secs(10), |line| line.sides[B].got.len() == 50));
        assert_in_order(&line, B, 0, 50);
    }
}

#[test]
fn a_path_that_is_told_to_be_back_is_used_at_once() {
    let mut line = Line::connected(20);
    line.link(path(ms(30), 0.0));
    line.net.blackout(line.now, line.now + secs(20));
    line.send(A, 0, numbered(0, 5_000));
    line.run_for(secs(20));
    let now = line.now;
    line.sides[A].sctp.path_restored(now);
    assert!(line.run_until(ms(200), |line| line.received(B) == 5_000));
}

#[test]
fn r_c11_a_reader_that_stops_costs_the_window_and_no_more() {
    for pause in [3, 15, 60] {
        let mut line = Line::connected(21);
        line.link(path(ms(5), 0.0));
        line.sides[B].reads = false;
        let mut queued = 0;
        for n in 0..400 {
            line.send(A, 0, numbered(n, 65_536));
            queued += 65_536;
        }
        line.run_for(secs(pause));
        let held = line.received(B);
        assert!(held <= WINDOW as usize + WINDOW as usize / 10, "{held}");
        assert!(held >= WINDOW as usize * 8 / 10, "{held}");
        // It reads again.
        let now = line.now;
        let side = &mut line.sides[B];
        for (.., data) in &side.got {
            side.unread.read(data.len());
        }
        side.reads = true;
        side.sctp.window_opened(now);
        let done = line.run_until(secs(3), |line| line.received(B) == queued);
        assert!(done, "{} of {queued}", line.received(B));
        assert_in_order(&line, B, 0, 400);
    }
}

/// The word of the open window is lost: the sender asks.
#[test]
fn a_lost_window_update_does_not_stall() {
    let mut line = Line::connected(22);
    line.sides[B].reads = false;
    for n in 0..300 {
        line.send(A, 0, numbered(n, 65_536));
    }
    line.run_for(secs(2));
    let side = &mut line.sides[B];
    for (.., data) in &side.got {
        side.unread.read(data.len());
    }
    side.reads = true;
    assert!(line.run_until(secs(5), |line| line.sides[B].got.len() == 300));
    assert_in_order(&line, B, 0, 300);
}

#[test]
fn r_d12_stale_messages_are_given_up_and_fresh_ones_come() {
    let mut line = Line::connected(23);
    line.link(path(ms(20), 0.08));
    let mut sent = 0;
    // Ten minutes.
    for n in 0..30_000 {
        line.send_as(A, 0, numbered(n, 2_500), false, Reliability::Retransmits(0));
        sent += 1;
        line.run_for(ms(20));
    }
    line.run_for(secs(1));
    let got = line.sides[B].got.len();
    println!("{got} of {sent}");
    // Three packets each, all of which must come.
    assert!(
        got as f64 > f64::from(sent) * 0.92f64.powi(3) * 0.9,
        "{got}"
    );
    assert!(got < sent as usize);
    let gaps = line.sides[B]
        .got
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.max().unwrap() < secs(1));
}

/// What is sent again and what is given up is counted for the stream that it was on.
#[test]
fn each_stream_has_counters_of_its_own() {
    let mut line = Line::connected(25);
    line.link(path(ms(20), 0.1));
    for n in 0..200 {
        let reliabilities = [
            Reliability::Reliable,
            Reliability::Retransmits(0),
            Reliability::Lifetime(ms(1)),
        ];
        for (stream, reliability) in (0..).zip(reliabilities) {
            line.send_as(A, stream, numbered(n, 500), false, reliability);
        }
        line.run_for(ms(5));
    }
    line.run_for(secs(5));
    let sctp = &line.sides[A].sctp;
    let all = sctp.counters();
    let [reliable, once, brief] = [0, 1, 2].map(|stream| sctp.stream_counters(stream));
    assert!(reliable.retransmitted > 0, "{reliable:?}");
    assert_eq!((reliable.abandoned, once.retransmitted), (0, 0));
    assert!(
        once.abandoned > 0 && brief.abandoned > 0,
        "{once:?} {brief:?}"
    );
    let sum = reliable.retransmitted + brief.retransmitted;
    assert_eq!(sum, all.retransmitted);
    assert_eq!(once.abandoned + brief.abandoned, all.abandoned);
}

#[test]
fn r_d12_after_a_stall_the_newest_is_there_at_once() {
    for ordered in [true, false] {
        let mut line = Line::connected(24);
        line.link(path(ms(20), 0.0));
        let reliability = Reliability::Lifetime(ms(100));
        let stall = (line.now + secs(1), line.now + secs(4));
        line.net.blackout(stall.0, stall.1);
        let start = line.now;
        for n in 0..300 {
            line.send_as(A, 0, numbered(n, 500), ordered, reliability);
            line.run_for(ms(20));
        }
        let first = line.sides[B]
            .got
            .iter()
            .find(|(at, ..)| *at > stall.1)
            .expect("nothing came after the stall");
        assert!(first.0 - stall.1 <= ms(200), "{:?}", first.0 - stall.1);
        // Sent at most 100 ms and the way before it came.
        let sent_at = start + ms(20) * number(&first.3);
        assert!(first.0 - sent_at <= ms(200), "{:?}", first.0 - sent_at);
        line.run_for(secs(1));
        assert!(number(&line.sides[B].got.last().unwrap().3) == 299);
    }
}

/// A thousand small messages beside a great transfer: none waits long for its turn.
#[test]
fn r_e07_small_messages_pass_a_great_transfer() {
    let mut line = Line::connected(26);
    line.link(Link {
        rate_bps: Some(100_000_000),
        queue_bytes: 1 << 20,
        ..path(ms(10), 0.0)
    });
    bulk(&mut line, secs(1), 65_536);
    let start = line.now;
    for stream in 1..=1_000 {
        line.send(A, stream, numbered(stream.into(), 1_000));
    }
    bulk(&mut line, secs(1), 65_536);
    let mut took: Vec<Duration> = line.sides[B]
        .got
        .iter()
        .filter(|(_, stream, ..)| *stream > 0)
        .map(|(at, ..)| *at - start)
        .collect();
    assert_eq!(took.len(), 1_000);
    took.sort();
    println!("p99 {:?}", took[990]);
    assert!(took[990] <= ms(300), "{:?}", took[990]);
}

#[test]
fn r_d10_flipped_bits_are_noticed() {
    // Here without DTLS, which would notice before: both sides insist on checksums.
    let mut line = Line::connected(25);
    line.filter = Some(Box::new(|_, packet| {
        wire_checksum(packet);
        true
    }));
    line.link(Link {
        latency: ms(5),
        corrupt: 0.01,
        ..Link::default()
    });
    for n in 0..300 {
        line.send(A, 0, numbered(n, 30_000));
    }
    assert!(line.run_until(secs(60), |line| line.sides[B].got.len() == 300));
    assert_in_order(&line, B, 0, 300);
    assert!(line.sides[B].sctp.counters().dropped > 0);
}

fn wire_checksum(packet: &mut [u8]) {
    packet[8..12].fill(0);
    crate::engine::sctp::wire::put_checksum(packet);
}
