//! What an SDP offer says (RFC 8866, RFC 9429), and a fragment of one (RFC 8840).

use std::io::Cursor;

use ortc::{
    CertificateFingerprint, Fingerprint, Kind, RTCConnectionSide, RTCDtlsRole, RTCHeaderExtension,
    RTCIceCandidateDescription,
};
use sdp::SessionDescription;

use super::fault::Fault;
use super::section::{self, Section, pairs};

/// The most bytes of an offer.
pub(super) const MAX_OFFER: usize = 64 * 1024;
const MAX_SECTIONS: usize = 16;
const MAX_CANDIDATES: usize = 64;

/// An offer, read.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) side: RTCConnectionSide,
    pub(super) candidates: Vec<RTCIceCandidateDescription>,
    /// All candidates are there.
    pub(super) complete: bool,
    pub(super) mixed: bool,
    pub(super) sections: Vec<Section>,
}

impl Offer {
    /// Reads one.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_OFFER {
            return Err(Fault::offer("the offer has more than 64 KiB"));
        }
        let read = SessionDescription::unmarshal(&mut Cursor::new(text));
        let read = read.map_err(|_| Fault::offer("this is no SDP that can be read"))?;
        if read.media_descriptions.len() > MAX_SECTIONS {
            return Err(Fault::offer("the offer has more than 16 sections"));
        }
        let names = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let direction = names.into_iter().find(|name| read.has_attribute(name));
        let media = read.media_descriptions.iter();
        let sections: Vec<Section> = media.map(|one| section::read(one, direction)).collect();
        if let Some(other) = sections.iter().find(|one| !is_secure(one)) {
            let words = format!("{} is not UDP/TLS/RTP/SAVPF", other.protocol);
            return Err(Fault::offer(words));
        }
        let mut attributes: Vec<(&str, &str)> = Vec::new();
        let used = read.media_descriptions.iter().zip(&sections);
        let used = used.filter(|(_, section)| section.kind.is_some());
        // Its own before those of all; RFC 9143 section 9: of bundled sections the first has them.
        for (media, _) in used {
            attributes.extend(pairs(media));
        }
        let of_all = read.attributes.iter();
        attributes.extend(of_all.filter_map(|one| Some((one.key.as_str(), one.value.as_deref()?))));
        Ok(Self {
            side: side(&attributes, read.has_attribute("ice-lite"))?,
            candidates: candidates(attributes.iter().copied()),
            complete: read
                .media_descriptions
                .iter()
                .any(|one| one.has_attribute("end-of-candidates")),
            mixed: read.has_attribute("extmap-allow-mixed"),
            sections,
        })
    }

    /// The only section of a kind, if there is one. RFC 9725 section 4.4.2: there are no two.
    pub(super) fn only(&self, kind: Kind) -> Result<Option<&Section>, Fault> {
        let mut found = self.sections.iter().filter(|one| one.kind == Some(kind));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Fault::offer(format!("there are two tracks of {kind}"))),
            (found, None) => Ok(found),
        }
    }

    /// The header extensions of all sections; where two differ, that of the first.
    pub(super) fn extensions(&self) -> Vec<RTCHeaderExtension> {
        let mut all: Vec<RTCHeaderExtension> = Vec::new();
        for one in self.sections.iter().flat_map(|one| &one.extensions) {
            let known = |other: &RTCHeaderExtension| other.id == one.id || other.uri == one.uri;
            if !all.iter().any(known) {
                all.push(one.clone());
            }
        }
        all
    }

    /// What this side is in DTLS: the server, if it may be. RFC 9725 section 4.4.4.
    pub(super) fn own_role(&self) -> RTCDtlsRole {
        match self.side.dtls.role {
            Some(RTCDtlsRole::Server) => RTCDtlsRole::Client,
            _ => RTCDtlsRole::Server,
        }
    }
}

fn is_secure(section: &Section) -> bool {
    section.kind.is_none() || section.protocol == "UDP/TLS/RTP/SAVPF"
}

fn first<'a>(attributes: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    let mut all = attributes.iter();
    all.find(|(key, _)| *key == name).map(|(_, value)| *value)
}

fn side(attributes: &[(&str, &str)], lite: bool) -> Result<RTCConnectionSide, Fault> {
    let wanted = |name: &str| {
        let value = first(attributes, name);
        value.ok_or_else(|| Fault::offer(format!("the offer has no a={name}")))
    };
    let mut side = RTCConnectionSide::new(wanted("ice-ufrag")?, wanted("ice-pwd")?);
    wanted("fingerprint")?;
    let told = attributes.iter().filter(|(key, _)| *key == "fingerprint");
    let mut all: Option<CertificateFingerprint> = None;
    for (_, value) in told {
        let one = fingerprint(value)
            .ok_or_else(|| Fault::offer("a fingerprint of the offer is malformed"))?;
        match &mut all {
            Some(all) => all.push(one)?,
            None => all = Some(one.into()),
        }
    }
    side.dtls.fingerprint = all;
    side.ice_lite = lite;
    side.dtls.role = match first(attributes, "setup") {
        // Both may be: this side takes the server's.
        None | Some("actpass" | "active") => Some(RTCDtlsRole::Client),
        Some("passive") => Some(RTCDtlsRole::Server),
        Some(_) => {
            return Err(Fault::offer(
                "a=setup is none of actpass, active and passive",
            ));
        }
    };
    side.validate()?;
    Ok(side)
}

/// `sha-256 AB:CD:…` (RFC 8122 section 5).
fn fingerprint(text: &str) -> Option<Fingerprint> {
    let (name, value) = text.split_once(' ')?;
    let bytes = value.trim().split(':').map(|pair| {
        let digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(pair, 16).ok())?
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    Fingerprint::new(name, bytes).ok()
}

/// Those that can be used; RFC 9725 section 4.3.2: others are passed over.
fn candidates<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<RTCIceCandidateDescription> {
    let told = attributes.filter(|(key, _)| *key == "candidate");
    let read = told.filter_map(|(_, value)| value.parse().ok());
    read.take(MAX_CANDIDATES).collect()
}

/// What a client says of its end of the way, later (RFC 8840 section 9).
#[derive(Debug, PartialEq)]
pub(super) struct Fragment {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) candidates: Vec<RTCIceCandidateDescription>,
    pub(super) complete: bool,
}

impl Fragment {
    /// Reads one: lines of a description that is none by itself, so that no parser of whole ones
    /// takes it.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault::offer("this is no SDP fragment that can be read");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut attributes: Vec<(&str, &str)> = Vec::new();
        let mut complete = false;
        for line in lines {
            let (kind, rest) = line.split_once('=').ok_or_else(wrong)?;
            if kind.len() != 1 {
                return Err(wrong());
            }
            match rest.split_once(':') {
                Some(pair) if kind == "a" => attributes.push(pair),
                _ => complete |= line == "a=end-of-candidates",
            }
        }
        let of = |name| first(&attributes, name).map(str::to_owned);
        let (username, password) = (of("ice-ufrag"), of("ice-pwd"));
        if attributes.is_empty() && !complete {
            return Err(wrong());
        }
        Ok(Self {
            username,
            password,
            candidates: candidates(attributes.iter().copied()),
            complete,
        })
    }
}
