//! The SDP answer (RFC 9429 section 5.3.1), section by section, and its fragment after a restart.

use ortc::{RTCConnectionSide, RTCDtlsRole, RTCIceCandidateDescription, RTCTrackDescription};
use sdp::{MediaDescription, SessionDescription};

use super::codecs::Offered;
use super::offer::Offer;
use super::section::Section;

/// What is answered to a section; none: it is rejected.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) codecs: Vec<Offered>,
    /// What is sent there.
    pub(super) sent: Option<RTCTrackDescription>,
    /// Whether what the client sends there is received.
    pub(super) received: bool,
}

/// This end of the way, as an answer tells it.
pub(super) struct Own<'a> {
    pub(super) side: &'a RTCConnectionSide,
    pub(super) role: RTCDtlsRole,
    pub(super) candidates: &'a [RTCIceCandidateDescription],
}

/// The answer, with a reply for each section.
pub(super) fn answer(offer: &Offer, own: &Own<'_>, replies: &[Option<Reply>]) -> String {
    let mut whole = SessionDescription::new_jsep_session_description(false);
    let pairs = || offer.sections.iter().zip(replies);
    let bundled: Vec<&str> = pairs()
        .filter(|(_, reply)| reply.is_some())
        .filter_map(|(section, _)| section.mid.as_deref())
        .collect();
    if !bundled.is_empty() {
        let value = format!("BUNDLE {}", bundled.join(" "));
        whole = whole.with_value_attribute("group".to_owned(), value);
    }
    if offer.mixed {
        whole = whole.with_property_attribute("extmap-allow-mixed".to_owned());
    }
    whole = whole.with_value_attribute("ice-options".to_owned(), "trickle".to_owned());
    let mut is_first = true;
    for (section, reply) in pairs() {
        let media = match reply {
            Some(reply) => {
                let media = accepted(section, own, reply, std::mem::take(&mut is_first));
                media.with_mid(section)
            }
            None => rejected(section).with_mid(section),
        };
        whole = whole.with_media(media);
    }
    whole.marshal()
}

trait WithMid {
    fn with_mid(self, section: &Section) -> Self;
    fn value(self, name: &str, value: impl Into<String>) -> Self;
    fn property(self, name: &str) -> Self;
}

impl WithMid for MediaDescription {
    fn with_mid(self, section: &Section) -> Self {
        match &section.mid {
            Some(mid) => self.value("mid", mid),
            None => self,
        }
    }

    fn value(self, name: &str, value: impl Into<String>) -> Self {
        self.with_value_attribute(name.to_owned(), value.into())
    }

    fn property(self, name: &str) -> Self {
        self.with_property_attribute(name.to_owned())
    }
}

fn bare(section: &Section) -> MediaDescription {
    let mut media = MediaDescription::new_jsep_media_description(section.media.clone(), Vec::new());
    media.media_name.protos = section.protocol.split('/').map(str::to_owned).collect();
    media
}

/// RFC 3264 section 6: port 0.
fn rejected(section: &Section) -> MediaDescription {
    let mut media = bare(section);
    media.media_name.port.value = 0;
    media.media_name.formats = vec!["0".to_owned()];
    media.property("inactive")
}

fn accepted(section: &Section, own: &Own<'_>, reply: &Reply, is_first: bool) -> MediaDescription {
    let role = match own.role {
        RTCDtlsRole::Client => "active",
        _ => "passive",
    };
    let ice = &own.side.ice;
    let mut media = bare(section)
        .value("ice-ufrag", &ice.username_frag)
        .value("ice-pwd", &ice.password)
        .value("setup", role)
        .property("rtcp-mux")
        .property("rtcp-mux-only");
    for one in own.side.dtls.fingerprint.iter().flat_map(|all| all.iter()) {
        media = media.value("fingerprint", format!("{} {}", one.algorithm, one.value()));
    }
    for one in &section.extensions {
        media = media.value("extmap", format!("{} {}", one.id, one.uri));
    }
    media = media.property(match (&reply.sent, reply.received) {
        (Some(_), true) => "sendrecv",
        (Some(_), false) => "sendonly",
        (None, true) => "recvonly",
        (None, false) => "inactive",
    });
    for offered in &reply.codecs {
        let number = offered.payload_type();
        media.media_name.formats.push(number.to_string());
        media = media.value("rtpmap", format!("{number} {}", offered.map));
        if let Some(format) = &offered.format {
            media = media.value("fmtp", format!("{number} {format}"));
        }
        for one in &offered.feedback {
            media = media.value("rtcp-fb", format!("{number} {one}"));
        }
    }
    if reply.received && section.rids.len() > 1 {
        for rid in &section.rids {
            media = media.value("rid", format!("{rid} recv"));
        }
        media = media.value("simulcast", format!("recv {}", section.rids.join(";")));
    }
    if let Some(sent) = &reply.sent {
        media = sources(media, sent);
    }
    match is_first {
        true => places(media, own.candidates),
        false => media,
    }
}

/// What is sent: RFC 8830, RFC 5576.
fn sources(media: MediaDescription, sent: &RTCTrackDescription) -> MediaDescription {
    let kind = sent.kind;
    let stream = sent.msid.first().map_or("-", String::as_str);
    let mut media = media.value("msid", format!("{stream} {kind}"));
    let repair = sent.rtx.as_ref().and_then(|rtx| rtx.ssrc);
    if let (Some(ssrc), Some(repair)) = (sent.ssrc, repair) {
        media = media.value("ssrc-group", format!("FID {ssrc} {repair}"));
    }
    let cname = sent.cname.as_deref().unwrap_or("ortc");
    for ssrc in sent.ssrc.into_iter().chain(repair) {
        media = media.value("ssrc", format!("{ssrc} cname:{cname}"));
    }
    media
}

/// All of them: RFC 9725 section 4.3.2.
fn places(media: MediaDescription, own: &[RTCIceCandidateDescription]) -> MediaDescription {
    let mut media = media;
    for line in own.iter().filter_map(line) {
        media = media.value("candidate", line);
    }
    media.property("end-of-candidates")
}

fn line(candidate: &RTCIceCandidateDescription) -> Option<String> {
    let mut plain = candidate.clone();
    plain.username_frag = None;
    let line = plain.to_candidate_line().ok()?;
    line.strip_prefix("candidate:").map(str::to_owned)
}

/// What a restart is answered with: RFC 9725 section 4.3.3.
pub(super) fn fragment(first: &Section, own: &Own<'_>) -> String {
    let ice = &own.side.ice;
    let mut lines = vec![
        "a=ice-options:trickle".to_owned(),
        format!("m={} 9 {} 0", first.media, first.protocol),
    ];
    lines.extend(first.mid.iter().map(|mid| format!("a=mid:{mid}")));
    lines.push(format!("a=ice-ufrag:{}", ice.username_frag));
    lines.push(format!("a=ice-pwd:{}", ice.password));
    let own = own.candidates.iter().filter_map(line);
    lines.extend(own.map(|line| format!("a=candidate:{line}")));
    lines.push("a=end-of-candidates\r\n".to_owned());
    lines.join("\r\n")
}
