//! The little of DNS messages (RFC 1035) that a question for an address, and its answer, need.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::IpAddr;

const HEADER: usize = 12;
/// RFC 1035 section 2.3.4.
const MAX_NAME: usize = 255;
/// Labels and pointers of one name.
const MAX_STEPS: usize = 64;
/// Records looked at in one message.
const MAX_RECORDS: usize = 64;
/// RFC 6762 section 18.12 and 18.13: the top bit of a class means something else.
const CLASS: u16 = 0x7fff;
const IN: u16 = 1;

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    A,
    Aaaa,
}

impl Record {
    const fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }
}

/// A question for one record, alone in its message: responders in browsers read no other. `None`
/// for what is no name.
pub(super) fn question(name: &str, record: Record) -> Option<Vec<u8>> {
    let mut out = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok();
        out.push(length.filter(|length| (1..=63).contains(length))?);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    if out.len() > HEADER + MAX_NAME {
        return None;
    }
    out.extend_from_slice(&record.number().to_be_bytes());
    out.extend_from_slice(&IN.to_be_bytes());
    Some(out)
}

/// The first address that a response has for the name.
pub(super) fn answer(message: &[u8], name: &str) -> Option<IpAddr> {
    let number = |at: usize| {
        let [high, low] = *message.get(at..at.checked_add(2)?)?.first_chunk()?;
        Some(u16::from_be_bytes([high, low]))
    };
    // RFC 6762 section 18: a response, a standard query, no error.
    if number(2)? & 0xf80f != 0x8000 {
        return None;
    }
    let questions = usize::from(number(4)?);
    let records = usize::from(number(6)?)
        .saturating_add(usize::from(number(8)?))
        .saturating_add(usize::from(number(10)?));
    if questions > MAX_RECORDS {
        return None;
    }
    let mut at = HEADER;
    for _ in 0..questions {
        at = read_name(message, at)?.1.checked_add(4)?;
    }
    for _ in 0..records.min(MAX_RECORDS) {
        let (owner, after) = read_name(message, at)?;
        let (kind, class) = (number(after)?, number(after.checked_add(2)?)?);
        let length = usize::from(number(after.checked_add(8)?)?);
        let begin = after.checked_add(10)?;
        at = begin.checked_add(length)?;
        let data = message.get(begin..at)?;
        if class & CLASS != IN || !owner.eq_ignore_ascii_case(name.as_bytes()) {
            continue;
        }
        let v4 = <[u8; 4]>::try_from(data).ok().map(IpAddr::from);
        let v6 = <[u8; 16]>::try_from(data).ok().map(IpAddr::from);
        let found = match kind {
            kind if kind == Record::A.number() => v4,
            kind if kind == Record::Aaaa.number() => v6,
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The labels of a name with dots between, and where it ends (RFC 1035 section 4.1.4).
fn read_name(message: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut at, mut end) = (Vec::new(), at, None);
    for _ in 0..MAX_STEPS {
        let length = *message.get(at)?;
        let next = at.checked_add(1)?;
        match length {
            0 => return Some((name, end.unwrap_or(next))),
            1..=63 => {
                let after = next.checked_add(usize::from(length))?;
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(message.get(next..after)?);
                if name.len() > MAX_NAME {
                    return None;
                }
                at = after;
            }
            192.. => {
                let low = *message.get(next)?;
                end = end.or(next.checked_add(1));
                at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fuzz;
    use super::*;

    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

    #[test]
    fn a_question_is_read_back_and_is_no_answer() {
        for record in [Record::A, Record::Aaaa] {
            let asked = question(NAME, record).unwrap();
            let (name, after) = read_name(&asked, HEADER).unwrap();
            assert_eq!(name, NAME.as_bytes());
            assert_eq!(asked[after..], [0, record.number() as u8, 0, 1]);
            assert_eq!(answer(&asked, NAME), None);
        }
        for wrong in ["", ".local", "a..local", &"a".repeat(64), &"a.".repeat(200)] {
            assert_eq!(question(wrong, Record::A), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_of_the_name_are_found() {
        let [v4, v6, pointed, other] = &fuzz::seeds()[..] else {
            panic!("four")
        };
        let upper = NAME.to_ascii_uppercase();
        for name in [NAME, &upper] {
            assert_eq!(answer(v4, name), Some(IpAddr::from([10, 0, 0, 7])));
            let address = "fd00::7".parse().unwrap();
            assert_eq!(answer(v6, name), Some(address));
            assert_eq!(answer(pointed, name), Some(IpAddr::from([10, 0, 0, 7])));
            assert_eq!(answer(other, name), None);
        }
        for cut in 0..v4.len() {
            assert_eq!(answer(&v4[..cut], NAME), None);
        }
    }

    #[test]
    fn names_that_point_in_circles_end() {
        let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 0, 0, 7]);
        assert_eq!(answer(&message, NAME), None);
    }
}
