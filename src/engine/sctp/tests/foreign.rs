//! rtc-sctp as the other side.

use super::super::rtc::RtcSctp;
use super::*;

fn line(seed: u64, ours_first: bool) -> Line {
    let unread = [Unread::default(), Unread::default()];
    let ours = Association::new(config(ours_first), unread[A].clone());
    let theirs = RtcSctp::new(Instant::now(), config(!ours_first), unread[B].clone());
    Line::of(seed, Box::new(ours), Box::new(theirs), unread)
}

#[test]
fn messages_cross_both_ways_with_rtc_sctp() {
    for (seed, ours_first) in [(1, true), (2, false)] {
        let mut line = line(seed, ours_first);
        line.link(Link {
            latency: ms(5),
            loss: 0.01,
            ..Link::default()
        });
        line.connect();
        for n in 0..100 {
            line.send(A, 0, numbered(n, 20_000));
            line.send(B, 1, numbered(n, 20_000));
        }
        assert!(
            line.run_until(secs(60), |line| {
                line.sides[A].got.len() == 100 && line.sides[B].got.len() == 100
            }),
            "{} {}",
            line.sides[A].got.len(),
            line.sides[B].got.len()
        );
        assert_in_order(&line, A, 1, 100);
        assert_in_order(&line, B, 0, 100);
        let now = line.now;
        line.sides[A].sctp.reset(now, 0);
        let reset = |event: &SctpEvent| matches!(event, SctpEvent::IncomingReset(0));
        assert!(line.run_until(secs(5), |line| line.sides[B].events.iter().any(reset)));
    }
}
