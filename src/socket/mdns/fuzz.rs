//! Fuzz target of what anybody in the network sends by multicast.

use std::time::Instant;

use super::packet::answer;
use super::reply::Replies;

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

/// A message that may be an answer.
pub(crate) fn message(data: &[u8]) {
    if answer(data, NAME).is_some() {
        assert!(data.len() > 12);
    }
    let (now, ip) = (Instant::now(), [10, 0, 0, 7].into());
    for legacy in [false, true] {
        let mut replies = Replies::new(vec![(NAME.into(), ip)]);
        let reply = replies.heard(now, data, legacy);
        if let Some(reply) = reply.or_else(|| replies.due(now)) {
            // No more than what is known comes back, and the question.
            assert!(reply.len() <= data.len() + 300);
        }
    }
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let response =
        |questions: u8, answers: u8| vec![0, 0, 0x84, 0, 0, questions, 0, answers, 0, 0, 0, 0];
    let name = |of: &str| {
        let mut out = Vec::new();
        for label in of.split('.') {
            out.push(label.len() as u8);
            out.extend_from_slice(label.as_bytes());
        }
        out.push(0);
        out
    };
    let record = |kind: u8, data: &[u8]| {
        let mut out = vec![0, kind, 0x80, 1, 0, 0, 0, 120, 0, data.len() as u8];
        out.extend_from_slice(data);
        out
    };
    let v6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let v4 = [10, 0, 0, 7];
    vec![
        [response(0, 1), name(NAME), record(1, &v4)].concat(),
        [response(0, 1), name(NAME), record(28, &v6)].concat(),
        // The question comes back, and its name is pointed to.
        [
            response(1, 2),
            name(NAME),
            vec![0, 1, 0, 1],
            vec![0xc0, 12],
            record(47, &[0xc0, 12, 0, 1, 0x40]),
            vec![0xc0, 12],
            record(1, &v4),
        ]
        .concat(),
        [response(0, 1), name("printer.local"), record(1, &v4)].concat(),
        [
            vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            name(NAME),
            vec![0, 1, 0, 1],
        ]
        .concat(),
    ]
}
