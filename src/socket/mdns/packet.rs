//! The little of DNS messages (RFC 1035) that questions for addresses, and their answers, need.
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
/// Of questions: any class, any kind of record.
const ANY: u16 = 255;
const NSEC: u16 = 47;

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    A,
    Aaaa,
}

impl Record {
    pub(super) const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::A,
            IpAddr::V6(_) => Self::Aaaa,
        }
    }

    const fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }
}

/// What is asked for in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked(u16);

impl Asked {
    pub(super) fn wants(self, record: Record) -> bool {
        self.0 == record.number() || self.0 == ANY
    }
}

/// The questions for addresses in one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    /// The first question as it came.
    pub(super) first: Vec<u8>,
    pub(super) asked: Vec<(Vec<u8>, Asked)>,
    /// Addresses that the asker has, and for how many seconds (RFC 6762 section 7.1).
    pub(super) known: Vec<(Vec<u8>, IpAddr, u32)>,
}

/// A question for one record, alone in its message: responders in browsers read no other. `None`
/// for what is no name.
pub(super) fn question(name: &str, record: Record) -> Option<Vec<u8>> {
    let mut out = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    put_name(&mut out, name)?;
    out.extend_from_slice(&record.number().to_be_bytes());
    out.extend_from_slice(&IN.to_be_bytes());
    Some(out)
}

fn put_name(out: &mut Vec<u8>, name: &str) -> Option<()> {
    let begin = out.len();
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok();
        out.push(length.filter(|length| (1..=63).contains(length))?);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    (out.len() <= begin.checked_add(MAX_NAME)?).then_some(())
}

/// Of a response with authority (RFC 6762 section 18.4).
pub(super) fn header(id: u16, questions: u16, answers: u16) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend_from_slice(&[0x84, 0]);
    for count in [questions, answers, 0, 0] {
        out.extend_from_slice(&count.to_be_bytes());
    }
    out
}

/// A record of the address behind a name, good for so many seconds; without these, one that says that
/// there is none of the other family (RFC 6762 section 6.1). `flush`: it takes the place of others.
pub(super) fn put_record(
    out: &mut Vec<u8>,
    name: &str,
    ip: IpAddr,
    ttl: Option<u32>,
    flush: bool,
) -> Option<()> {
    const DENIAL: u32 = 120;
    let kind = Record::of(ip).number();
    let data = match (ttl, ip) {
        (Some(_), IpAddr::V4(v4)) => v4.octets().to_vec(),
        (Some(_), IpAddr::V6(v6)) => v6.octets().to_vec(),
        (None, _) => {
            let mut data = Vec::new();
            put_name(&mut data, name)?;
            // RFC 4034 section 4.1.2: a bit for each kind, the first of a byte is its highest.
            let (bytes, bit) = (kind / 8, 0x80u8 >> (kind % 8));
            data.push(0);
            data.push(u8::try_from(bytes.checked_add(1)?).ok()?);
            data.resize(data.len().checked_add(usize::from(bytes))?, 0);
            data.push(bit);
            data
        }
    };
    put_name(out, name)?;
    out.extend_from_slice(&ttl.map_or(NSEC, |_| kind).to_be_bytes());
    let class = if flush { IN | !CLASS } else { IN };
    out.extend_from_slice(&class.to_be_bytes());
    out.extend_from_slice(&ttl.unwrap_or(DENIAL).to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&data);
    Some(())
}

/// The big-endian number at this place.
fn number(message: &[u8], at: usize) -> Option<u16> {
    let [high, low] = *message.get(at..at.checked_add(2)?)?.first_chunk()?;
    Some(u16::from_be_bytes([high, low]))
}

/// What a message asks for. `None` for what is no question.
pub(super) fn questions(message: &[u8]) -> Option<Query> {
    // RFC 6762 section 18: a query, a standard one.
    if number(message, 2)? & 0xf800 != 0 {
        return None;
    }
    let count = usize::from(number(message, 4)?);
    if count > MAX_RECORDS {
        return None;
    }
    let mut query = Query {
        id: number(message, 0)?,
        first: Vec::new(),
        asked: Vec::new(),
        known: Vec::new(),
    };
    let mut at = HEADER;
    for _ in 0..count {
        let (name, after) = read_name(message, at)?;
        let kind = number(message, after)?;
        let class = number(message, after.checked_add(2)?)? & CLASS;
        let end = after.checked_add(4)?;
        if query.first.is_empty() {
            query.first = message.get(at..end)?.to_vec();
        }
        at = end;
        let address = [Record::A.number(), Record::Aaaa.number(), ANY].contains(&kind);
        if address && (class == IN || class == ANY) {
            query.asked.push((name, Asked(kind)));
        }
    }
    let answers = usize::from(number(message, 6)?).min(MAX_RECORDS);
    for _ in 0..answers {
        let Some((found, after)) = read_record(message, at) else {
            break;
        };
        at = after;
        if let Some(ip) = found.ip {
            query.known.push((found.owner, ip, found.ttl));
        }
    }
    Some(query)
}

struct Found {
    owner: Vec<u8>,
    /// Of a record of an address.
    ip: Option<IpAddr>,
    ttl: u32,
}

/// A record, and where it ends.
fn read_record(message: &[u8], at: usize) -> Option<(Found, usize)> {
    let (owner, after) = read_name(message, at)?;
    let (kind, class) = (
        number(message, after)?,
        number(message, after.checked_add(2)?)?,
    );
    let ttl = [
        number(message, after.checked_add(4)?)?,
        number(message, after.checked_add(6)?)?,
    ];
    let length = usize::from(number(message, after.checked_add(8)?)?);
    let begin = after.checked_add(10)?;
    let end = begin.checked_add(length)?;
    let data = message.get(begin..end)?;
    let v4 = <[u8; 4]>::try_from(data).ok().map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(data).ok().map(IpAddr::from);
    let ip = match kind {
        _ if class & CLASS != IN => None,
        kind if kind == Record::A.number() => v4,
        kind if kind == Record::Aaaa.number() => v6,
        _ => None,
    };
    let [high, low] = ttl.map(u32::from);
    let ttl = (high << 16) | low;
    Some((Found { owner, ip, ttl }, end))
}

/// The first address that a response has for the name.
pub(super) fn answer(message: &[u8], name: &str) -> Option<IpAddr> {
    // RFC 6762 section 18: a response, a standard query, no error.
    if number(message, 2)? & 0xf80f != 0x8000 {
        return None;
    }
    let questions = usize::from(number(message, 4)?);
    let records = usize::from(number(message, 6)?)
        .saturating_add(usize::from(number(message, 8)?))
        .saturating_add(usize::from(number(message, 10)?));
    if questions > MAX_RECORDS {
        return None;
    }
    let mut at = HEADER;
    for _ in 0..questions {
        at = read_name(message, at)?.1.checked_add(4)?;
    }
    for _ in 0..records.min(MAX_RECORDS) {
        let (found, after) = read_record(message, at)?;
        at = after;
        // What ends is no answer (RFC 6762 section 10.1).
        let ours = found.owner.eq_ignore_ascii_case(name.as_bytes()) && found.ttl > 0;
        if ours && found.ip.is_some() {
            return found.ip;
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
        let [v4, v6, pointed, other, _] = &fuzz::seeds()[..] else {
            panic!("five")
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
