//! The driver of a socket and a wall clock that jumps.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::RTCConnection;
use super::test_ends::{end, introduce};

const HOUR: i64 = 3_600;

fn checks(connection: &RTCConnection) -> u64 {
    let pairs = connection.stats().candidate_pairs;
    pairs.iter().map(|pair| pair.requests_sent).sum()
}

#[tokio::test]
async fn r_d14_a_jump_of_the_wall_clock_prompts_one_check_and_no_event() {
    let run = async {
        let (a, mut a_events) = end();
        let (b, mut b_events) = end();
        introduce(&b, &a, &mut a_events).await;
        introduce(&a, &b, &mut b_events).await;
        a.connected().await.unwrap();
        b.connected().await.unwrap();
        sleep(Duration::from_millis(400)).await;
        while timeout(Duration::from_millis(1), a_events.next())
            .await
            .is_ok()
        {}

        let mut extra = Vec::new();
        for seconds in [HOUR, -HOUR, 10, -10, 2, HOUR] {
            let before = checks(&a);
            a.shared().socket.step_wall_clock(seconds);
            sleep(Duration::from_millis(150)).await;
            extra.push(checks(&a) - before);
        }
        // One of the regular ones may fall between.
        let unexpected: u64 = extra
            .iter()
            .zip([1, 0, 1, 0, 0, 1])
            .map(|(n, of)| n - of)
            .sum();
        assert!(unexpected <= 1, "{extra:?}");
        let quiet = timeout(Duration::from_millis(300), a_events.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        assert!(a.stats().candidate_pairs.iter().any(|pair| pair.selected));
    };
    timeout(Duration::from_secs(20), run).await.unwrap();
}
