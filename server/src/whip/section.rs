//! One section of an offer: what is sent or wanted there.

use ortc::{Kind, RTCHeaderExtension, RTCRtpEncoding, RTCRtxParameters, RTCTrackDescription};
use sdp::MediaDescription;

use super::codecs::{self, Offered};

/// Header extensions that both sides know.
const EXTENSIONS: [&str; 5] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
];
/// Encodings of one track.
const MAX_ENCODINGS: usize = 4;

/// One section of an offer.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// `audio`, `video`, or what this side has no use for.
    pub(super) media: String,
    pub(super) protocol: String,
    pub(super) kind: Option<Kind>,
    pub(super) mid: Option<String>,
    pub(super) codecs: Vec<Offered>,
    pub(super) extensions: Vec<RTCHeaderExtension>,
    /// Its encodings by their names, where there are several.
    pub(super) rids: Vec<String>,
    /// The client says that it sends, and that it receives.
    pub(super) sends: bool,
    pub(super) receives: bool,
    ssrc: Option<u32>,
    repair: Option<u32>,
    cname: Option<String>,
}

/// A section, with what holds for all where it says nothing itself.
pub(super) fn read(media: &MediaDescription, direction: Option<&str>) -> Section {
    let attributes = || pairs(media);
    let first = |name: &str| attributes().find(|(key, _)| *key == name).map(|(_, v)| v);
    let own = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let own = own.into_iter().find(|name| media.has_attribute(name));
    let direction = own.or(direction).unwrap_or("sendrecv");
    let name = media.media_name.media.clone();
    let kind = match name.as_str() {
        "audio" => Some(Kind::Audio),
        "video" => Some(Kind::Video),
        _ => None,
    };
    let rejected = media.media_name.port.value == 0 && !media.has_attribute("bundle-only");
    let (ssrc, repair) = sources(media);
    let cname = attributes()
        .filter(|(key, _)| *key == "ssrc")
        .find_map(|(_, value)| value.split_once(" cname:"))
        .map(|(_, cname)| cname.trim().to_owned());
    Section {
        protocol: media.media_name.protos.join("/"),
        kind: kind.filter(|_| !rejected),
        mid: first("mid").filter(|mid| is_token(mid)).map(str::to_owned),
        codecs: codecs::read(&media.media_name.formats, attributes()),
        extensions: extensions(media),
        rids: rids(media),
        sends: matches!(direction, "sendrecv" | "sendonly"),
        receives: matches!(direction, "sendrecv" | "recvonly"),
        media: name,
        ssrc,
        repair,
        cname,
    }
}

impl Section {
    /// The track that it is, with these codecs.
    pub(super) fn description(&self, kind: Kind, codecs: &[Offered]) -> RTCTrackDescription {
        let codecs = codecs.iter().map(|offered| offered.codec.clone());
        let mut track = RTCTrackDescription::new(kind, codecs.collect());
        track.mid.clone_from(&self.mid);
        track.cname.clone_from(&self.cname);
        track.msid = vec!["published".to_owned()];
        if self.rids.len() > 1 {
            track.encodings = self.rids.iter().map(RTCRtpEncoding::new).collect();
        } else {
            track.ssrc = self.ssrc;
            track.rtx = self.repair.filter(|_| self.ssrc.is_some()).map(|ssrc| {
                let mut repair = RTCRtxParameters::default();
                repair.ssrc = Some(ssrc);
                repair
            });
        }
        track
    }
}

/// The attributes that have a value.
pub(super) fn pairs(media: &MediaDescription) -> impl Iterator<Item = (&str, &str)> {
    let attributes = media.attributes.iter();
    attributes.filter_map(|one| Some((one.key.as_str(), one.value.as_deref()?)))
}

/// The source of a section, and that of its retransmissions (RFC 5576).
fn sources(media: &MediaDescription) -> (Option<u32>, Option<u32>) {
    let group = pairs(media)
        .filter(|(key, _)| *key == "ssrc-group")
        .find_map(|(_, value)| value.strip_prefix("FID "));
    if let Some(group) = group {
        let mut numbers = group.split_whitespace().map(|text| text.parse().ok());
        return (numbers.next().flatten(), numbers.next().flatten());
    }
    let first = pairs(media).find(|(key, _)| *key == "ssrc");
    let first = first.and_then(|(_, value)| value.split_whitespace().next()?.parse().ok());
    (first, None)
}

/// The encodings that are sent (RFC 8853 section 5.1); of alternatives the first.
fn rids(media: &MediaDescription) -> Vec<String> {
    let told = pairs(media).find(|(key, _)| *key == "simulcast");
    let Some((_, told)) = told else {
        return Vec::new();
    };
    let mut words = told.split_whitespace();
    let sent = words
        .by_ref()
        .skip_while(|word| *word != "send")
        .nth(1)
        .unwrap_or_default();
    let names = sent.split(';').filter_map(|one| one.split(',').next());
    let names = names.map(|name| name.trim_start_matches('~'));
    let names = names.filter(|name| {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        letters && (1..=16).contains(&name.len())
    });
    let mut found: Vec<String> = Vec::new();
    for name in names.take(MAX_ENCODINGS) {
        if !found.iter().any(|one| one == name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// `a=extmap` (RFC 8285 section 8) of what both sides know.
fn extensions(media: &MediaDescription) -> Vec<RTCHeaderExtension> {
    let told = pairs(media).filter(|(key, _)| *key == "extmap");
    let read = told.filter_map(|(_, value)| {
        let mut words = value.split_whitespace();
        let id = words.next()?.split('/').next()?.parse::<u8>().ok()?;
        let uri = words.next()?;
        let usable = (1..=255).contains(&id) && id != 15 && EXTENSIONS.contains(&uri);
        usable.then(|| RTCHeaderExtension::new(uri, id))
    });
    read.take(EXTENSIONS.len()).collect()
}

fn is_token(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
