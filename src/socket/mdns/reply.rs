//! What is answered to questions for names of this host's candidates, without I/O.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::packet::{Query, Record, header, put_record, questions};

/// RFC 6762 section 6: no record is multicast again sooner.
const AGAIN: Duration = Duration::from_secs(1);
/// RFC 6762 section 10.
const TTL: u32 = 120;
/// RFC 6762 section 6.7.
const LEGACY_TTL: u32 = 10;

/// Names, and the one address behind each.
pub(in crate::socket) type Names = Vec<(Arc<str>, IpAddr)>;

/// The answers of one interface.
pub(super) struct Replies {
    own: Vec<Own>,
    last_legacy: Option<Instant>,
}

struct Own {
    name: Arc<str>,
    ip: IpAddr,
    address: Said,
    /// That there is no address of the other family.
    none: Said,
}

#[derive(Default)]
struct Said {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Said {
    fn ask(&mut self, now: Instant) {
        let rested = self.last.map_or(now, |last| (last + AGAIN).max(now));
        self.due.get_or_insert(rested);
    }

    fn take(&mut self, now: Instant) -> bool {
        let due = self.due.take_if(|at| *at <= now).is_some();
        if due {
            self.last = Some(now);
        }
        due
    }
}

impl Replies {
    pub(super) fn new(names: Names) -> Self {
        let own = names.into_iter().map(|(name, ip)| Own {
            name,
            ip,
            address: Said::default(),
            none: Said::default(),
        });
        Self {
            own: own.collect(),
            last_legacy: None,
        }
    }

    /// Takes a message. `legacy`: it came from another port than that of multicast DNS, and the
    /// answer is for its sender alone (RFC 6762 section 6.7).
    pub(super) fn heard(&mut self, now: Instant, message: &[u8], legacy: bool) -> Option<Vec<u8>> {
        let query = questions(message)?;
        if !legacy {
            self.note(now, &query);
            return None;
        }
        let (name, asked) = query.asked.first()?;
        let own = self.own.iter().find(|own| own.is(name))?;
        let rested = self.last_legacy.is_none_or(|last| now >= last + AGAIN / 10);
        if !asked.wants(own.record()) || !rested {
            return None;
        }
        self.last_legacy = Some(now);
        let mut out = header(query.id, 1, 1);
        out.extend_from_slice(&query.first);
        put_record(&mut out, &own.name, own.ip, Some(LEGACY_TTL), false)?;
        Some(out)
    }

    fn note(&mut self, now: Instant, query: &Query) {
        for (name, asked) in &query.asked {
            for own in self.own.iter_mut().filter(|own| own.is(name)) {
                if !asked.wants(own.record()) {
                    own.none.ask(now);
                    continue;
                }
                // RFC 6762 section 7.1: what the asker knows needs no answer.
                let mut known = query.known.iter();
                if !known.any(|(of, ip, ttl)| own.is(of) && *ip == own.ip && *ttl >= TTL / 2) {
                    own.address.ask(now);
                }
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |own: &Own| own.address.due.into_iter().chain(own.none.due).min();
        self.own.iter().filter_map(due).min()
    }

    /// What is to be said to all by now.
    pub(super) fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        let (mut records, mut count) = (Vec::new(), 0u16);
        for own in &mut self.own {
            if own.address.take(now) {
                put_record(&mut records, &own.name, own.ip, Some(TTL), true)?;
                count = count.saturating_add(1);
            }
            if own.none.take(now) {
                put_record(&mut records, &own.name, own.ip, None, true)?;
                count = count.saturating_add(1);
            }
        }
        (count > 0).then(|| [header(0, 0, count), records].concat())
    }

    /// The names end (RFC 6762 section 10.1). `None` when nobody was told of one.
    pub(super) fn goodbye(&self) -> Option<Vec<u8>> {
        let (mut records, mut count) = (Vec::new(), 0u16);
        for own in self.own.iter().filter(|own| own.address.last.is_some()) {
            put_record(&mut records, &own.name, own.ip, Some(0), true)?;
            count = count.saturating_add(1);
        }
        (count > 0).then(|| [header(0, 0, count), records].concat())
    }
}

impl Own {
    fn is(&self, name: &[u8]) -> bool {
        self.name.as_bytes().eq_ignore_ascii_case(name)
    }

    fn record(&self) -> Record {
        Record::of(self.ip)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::packet::{answer, question};
    use super::*;

    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
    const OTHER: &str = "2f4712db-ea17-4bcf-a596-105139dfd8bf.local";

    fn ip() -> IpAddr {
        [10, 0, 0, 7].into()
    }

    fn replies() -> Replies {
        let v6 = "fd00::7".parse().unwrap();
        Replies::new(vec![(NAME.into(), ip()), (OTHER.into(), v6)])
    }

    fn ask(replies: &mut Replies, now: Instant, name: &str, record: Record) -> Option<Vec<u8>> {
        let asked = question(name, record).unwrap();
        assert_eq!(replies.heard(now, &asked, false), None);
        replies.due(now)
    }

    #[test]
    fn an_address_is_told_to_all_and_no_oftener_than_once_a_second() {
        let mut replies = replies();
        let start = Instant::now();
        let upper = NAME.to_ascii_uppercase();
        let told = ask(&mut replies, start, &upper, Record::A).unwrap();
        assert_eq!(answer(&told, NAME), Some(ip()));
        // A response with authority, one record, which is alone of its kind, for 120 s.
        assert_eq!(told[..12], [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(
            told[told.len() - 14..],
            [0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 10, 0, 0, 7]
        );
        for tenth in 1..10 {
            let now = start + tenth * AGAIN / 10;
            assert_eq!(ask(&mut replies, now, NAME, Record::A), None);
            assert_eq!(replies.poll_timeout(), Some(start + AGAIN));
        }
        // The other name waits for nothing.
        let soon = start + AGAIN / 2;
        assert!(ask(&mut replies, soon, OTHER, Record::Aaaa).is_some());
        assert!(replies.due(start + AGAIN).is_some());
        assert_eq!(replies.poll_timeout(), None);
        assert_eq!(replies.due(start + 9 * AGAIN), None);
    }

    /// RFC 6762 section 6.1: NSEC says what there is.
    #[test]
    fn what_there_is_not_is_denied() {
        for (name, record, kinds) in [
            (NAME, Record::Aaaa, &[0, 1, 0x40][..]),
            (OTHER, Record::A, &[0, 4, 0, 0, 0, 0x08][..]),
        ] {
            let told = ask(&mut replies(), Instant::now(), name, record).unwrap();
            assert_eq!(answer(&told, name), None);
            assert!(told.ends_with(kinds), "{told:?}");
            let kind = told[12..].windows(4).any(|w| w == [0, 47, 0x80, 1]);
            assert!(kind, "{told:?}");
        }
    }

    #[test]
    fn strangers_names_other_records_and_what_is_no_question_get_nothing() {
        let now = Instant::now();
        let mut replies = replies();
        let stranger = "3f4712db-ea17-4bcf-a596-105139dfd8bf.local";
        assert_eq!(ask(&mut replies, now, stranger, Record::A), None);
        let mut service = question(NAME, Record::A).unwrap();
        let at = service.len() - 3;
        service[at] = 33;
        replies.heard(now, &service, false);
        assert_eq!(replies.due(now), None);
        let asked = question(NAME, Record::A).unwrap();
        for cut in 0..asked.len() {
            assert_eq!(replies.heard(now, &asked[..cut], false), None);
            assert_eq!(replies.due(now), None);
        }
        let mut response = asked.clone();
        response[2] = 0x84;
        replies.heard(now, &response, false);
        assert_eq!(replies.due(now), None);
        assert_eq!(replies.goodbye(), None, "nobody knows of it");
    }

    #[test]
    fn known_answers_are_not_repeated() {
        let now = Instant::now();
        for (ttl, ip, silent) in [
            (60, ip(), true),
            (59, ip(), false),
            (120, [10, 0, 0, 8].into(), false),
        ] {
            let mut replies = replies();
            let mut asked = question(NAME, Record::A).unwrap();
            asked[7] = 1;
            put_record(&mut asked, NAME, ip, Some(ttl), false).unwrap();
            replies.heard(now, &asked, false);
            assert_eq!(replies.due(now).is_none(), silent, "{ttl} {ip}");
        }
    }

    /// RFC 6762 section 6.7: the question and its number come back, without the bit that flushes.
    #[test]
    fn resolvers_that_know_no_multicast_get_an_answer_of_their_own() {
        let now = Instant::now();
        let mut replies = replies();
        let mut asked = question(NAME, Record::A).unwrap();
        asked[..2].copy_from_slice(&[0xab, 0xcd]);
        let told = replies.heard(now, &asked, true).unwrap();
        assert_eq!(told[..8], [0xab, 0xcd, 0x84, 0, 0, 1, 0, 1]);
        assert_eq!(told[12..asked.len()], asked[12..]);
        assert_eq!(
            told[told.len() - 14..],
            [0, 1, 0, 1, 0, 0, 0, 10, 0, 4, 10, 0, 0, 7]
        );
        assert_eq!(answer(&told, NAME), Some(ip()));
        assert_eq!(replies.heard(now, &asked, true), None, "ten in a second");
        assert!(replies.heard(now + AGAIN / 10, &asked, true).is_some());
        assert_eq!(replies.poll_timeout(), None);
    }

    #[test]
    fn names_that_were_told_end_with_a_goodbye() {
        let now = Instant::now();
        let mut replies = replies();
        ask(&mut replies, now, NAME, Record::A).unwrap();
        let told = replies.goodbye().unwrap();
        assert_eq!(told[told.len() - 10..], [0, 0, 0, 0, 0, 4, 10, 0, 0, 7]);
        assert_eq!(answer(&told, OTHER), None);
    }
}
