//! Fuzz targets of what signalling brings.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::candidate::RTCIceCandidateDescription;
use super::fingerprint::CertificateFingerprint;
use super::ice_server::RTCIceServer;
use super::restrictions::RTCRestrictions;
use super::side::RTCConnectionSide;
use crate::capabilities::{RTCCapabilities, negotiate, rtc_capabilities};
use crate::media::{Kind, RTCTrackDescription};

/// What is read is written and read again as the same.
pub(crate) fn round_trip<T>(text: &str) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let value = serde_json::from_str::<T>(text).ok()?;
    let again = serde_json::to_string(&value).unwrap();
    match serde_json::from_str::<T>(&again) {
        Ok(same) => assert_eq!(same, value, "{text} became {again}"),
        Err(error) => panic!("{text} became {again}: {error}"),
    }
    Some(value)
}

/// One text, read as each thing that signalling carries.
pub(crate) fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(side) = round_trip::<RTCConnectionSide>(text) {
        let _ = side.validate();
    }
    if let Some(candidate) = round_trip::<RTCIceCandidateDescription>(text) {
        let _ = candidate.to_engine();
        if let Ok(line) = candidate.to_candidate_line() {
            line.parse::<RTCIceCandidateDescription>().unwrap();
        }
    }
    if let Some(list) = round_trip::<Vec<RTCIceCandidateDescription>>(text) {
        for candidate in list {
            let _ = candidate.to_engine();
        }
    }
    if let Some(set) = round_trip::<CertificateFingerprint>(text) {
        set.get("sha-256");
    }
    if let Some(server) = round_trip::<RTCIceServer>(text) {
        let _ = server.parse();
    }
    if let Some(track) = round_trip::<RTCTrackDescription>(text) {
        let _ = track.validate();
    }
    if let Some(theirs) = round_trip::<RTCCapabilities>(text) {
        for kind in [Kind::Audio, Kind::Video, Kind::Dtmf] {
            negotiate(&rtc_capabilities(), &theirs, kind);
        }
    }
    if let Some(restrictions) = round_trip::<RTCRestrictions>(text) {
        let _ = restrictions.validate();
    }
    round_trip::<crate::july::RTCMediaStreamDescription>(text);
}

/// A candidate as SDP writes it, and a server's address.
pub(crate) fn candidate_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = super::server_url::ParsedServer::parse(text);
    let Ok(candidate) = text.parse::<RTCIceCandidateDescription>() else {
        return;
    };
    let _ = candidate.to_engine();
    if let Ok(line) = candidate.to_candidate_line() {
        let again: RTCIceCandidateDescription = line.parse().unwrap();
        // What stands for a related address that is not disclosed is all that may come to it.
        let mut expected = candidate;
        expected.rel_address = expected.rel_address.or(again.rel_address.clone());
        expected.rel_port = expected.rel_port.or(again.rel_port);
        assert_eq!(again, expected, "{text} became {line}");
    }
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::super::fuzz_tests::BASES;
    use super::*;

    pub(crate) fn json() -> Vec<Vec<u8>> {
        let mut all: Vec<String> = BASES.iter().map(|text| (*text).to_owned()).collect();
        let codecs = vec![crate::RTCCodec::opus(111), crate::RTCCodec::h264(98)];
        let track = RTCTrackDescription::new(Kind::Video, codecs);
        all.push(serde_json::to_string(&track).unwrap());
        all.push(serde_json::to_string(&rtc_capabilities()).unwrap());
        all.push(format!("[{}]", BASES[0]));
        all.into_iter().map(String::into_bytes).collect()
    }

    pub(crate) fn candidate_lines() -> Vec<Vec<u8>> {
        [
            super::super::fuzz_tests::LINE,
            "candidate:1 1 UDP 2130706431 2001:db8::1 9 typ host",
            "candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
            "candidate:1 1 udp 1 1f2a.local 5 typ relay raddr :: rport 0 generation 0",
            "turn:user@[2001:db8::1]:3478?transport=udp",
            "stuns:stun.example.net",
        ]
        .map(|line| line.as_bytes().to_vec())
        .to_vec()
    }
}
