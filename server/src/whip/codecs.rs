//! Codecs of an offer: their lines in SDP, kept to be answered as they came, and what they are.

use std::collections::BTreeMap;

use ortc::capabilities::{rtc_capabilities, rtc_codec};
use ortc::{Kind, RTCCodec, RTCCodecParam};

/// Payload types of one section that are read.
const MAX_CODECS: usize = 128;
/// Feedback that both sides know (RFC 4585, RFC 5104).
const FEEDBACK: [&str; 3] = ["nack", "nack pli", "ccm fir"];

/// A codec as the offer has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offered {
    pub(super) codec: RTCCodec,
    /// `opus/48000/2`
    pub(super) map: String,
    pub(super) format: Option<String>,
    pub(super) feedback: Vec<String>,
}

impl Offered {
    pub(super) fn payload_type(&self) -> u8 {
        self.codec.payload_type
    }

    /// The payload type that these are retransmissions of (RFC 4588 section 8.1).
    fn repairs(&self) -> Option<u8> {
        let repair = self.codec.name.eq_ignore_ascii_case("rtx");
        repair.then(|| self.codec.param("apt")?.parse().ok())?
    }

    /// Whether it carries media of this kind that this side can send on.
    fn is_media(&self, kind: Kind) -> bool {
        let Some(known) = rtc_codec(&self.codec.name) else {
            return false;
        };
        let rate = self.codec.clock_rate == known.clock_rate;
        let all = rtc_capabilities();
        let own = all.codecs(kind).iter().find(|own| own.name == known.name);
        rate && own.is_some_and(|own| own.kind != Some(Kind::Dtmf)) && self.codec.validate().is_ok()
    }

    /// Whether it is what a codec of this side is called.
    pub(super) fn is(&self, other: &RTCCodec) -> bool {
        match (rtc_codec(&self.codec.name), rtc_codec(&other.name)) {
            (Some(one), Some(other)) => one.name == other.name,
            _ => false,
        }
    }
}

/// Those of a list that carry media of a kind, in the offer's order of preference.
pub(super) fn media(list: &[Offered], kind: Kind) -> impl Iterator<Item = &Offered> {
    list.iter().filter(move |offered| offered.is_media(kind))
}

/// These, each with its retransmissions.
pub(super) fn with_repair(list: &[Offered], chosen: &[&Offered]) -> Vec<Offered> {
    let is_chosen = |payload_type| {
        let mut chosen = chosen.iter();
        chosen.any(|one| one.payload_type() == payload_type)
    };
    let repair = list
        .iter()
        .filter(|one| one.repairs().is_some_and(is_chosen));
    chosen.iter().copied().chain(repair).cloned().collect()
}

/// The codecs of a section by its formats and its attributes.
pub(super) fn read<'a>(
    formats: &[String],
    attributes: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Offered> {
    let mut maps: BTreeMap<u8, &str> = BTreeMap::new();
    let mut parameters: BTreeMap<u8, &str> = BTreeMap::new();
    let mut feedback: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    let mut of_all = Vec::new();
    for (name, value) in attributes {
        let Some((number, rest)) = value.split_once(' ') else {
            continue;
        };
        let (rest, number) = (rest.trim(), number.parse::<u8>());
        match (name, number) {
            ("rtpmap", Ok(number)) => drop(maps.insert(number, rest)),
            ("fmtp", Ok(number)) => drop(parameters.insert(number, rest)),
            ("rtcp-fb", Ok(number)) if FEEDBACK.contains(&rest) => {
                feedback.entry(number).or_default().push(rest.to_owned());
            }
            ("rtcp-fb", Err(_)) if value.starts_with("* ") && FEEDBACK.contains(&rest) => {
                of_all.push(rest.to_owned());
            }
            _ => {}
        }
    }
    let mut found: Vec<Offered> = Vec::new();
    for number in formats.iter().filter_map(|format| format.parse().ok()) {
        let twice = found.iter().any(|one| one.payload_type() == number);
        let map = maps.get(&number).copied().or_else(|| fixed(number));
        let (Some(map), false, true) = (map, twice, found.len() < MAX_CODECS) else {
            continue;
        };
        let format = parameters.get(&number).copied();
        let Some(codec) = codec(number, map, format) else {
            continue;
        };
        let mut feedback = feedback.remove(&number).unwrap_or_default();
        feedback.extend(of_all.iter().cloned());
        feedback.sort();
        feedback.dedup();
        found.push(Offered {
            codec,
            map: map.to_owned(),
            format: format.map(str::to_owned),
            feedback,
        });
    }
    found
}

/// Payload types that need no `rtpmap` (RFC 3551 section 6).
fn fixed(number: u8) -> Option<&'static str> {
    match number {
        0 => Some("PCMU/8000"),
        8 => Some("PCMA/8000"),
        9 => Some("G722/8000"),
        _ => None,
    }
}

fn codec(number: u8, map: &str, format: Option<&str>) -> Option<RTCCodec> {
    let mut parts = map.split('/');
    let mut codec = RTCCodec::new(parts.next()?.trim(), number);
    codec.clock_rate = Some(parts.next()?.trim().parse().ok()?);
    if let Some(channels) = parts.next() {
        codec.num_channels = Some(channels.trim().parse().ok()?);
    }
    let parameters = format.unwrap_or_default().split(';').map(str::trim);
    codec.params = parameters
        .filter(|text| !text.is_empty())
        .map(|text| match text.split_once('=') {
            Some((name, value)) => RTCCodecParam::new(name.trim(), value.trim()),
            None => {
                let mut flag = RTCCodecParam::new(text, "");
                flag.value = None;
                flag
            }
        })
        .collect();
    Some(codec)
}
