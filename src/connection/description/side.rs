//! What one side of a connection tells the other: ICE credentials and DTLS fingerprint.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt;

use serde::de;
use serde::{Deserialize, Deserializer, Serialize};

use super::fingerprint::CertificateFingerprint;
use super::lenient::Text;
use super::roles::RTCDtlsRole;
use crate::engine::ice::Credentials;
use crate::error::{Error, Result};
use crate::json::object;

/// The port that every WebRTC peer uses (RFC 8831 section 6.3 leaves it open).
const SCTP_PORT: u16 = 5000;

/// One side of a connection, as it is signalled.
///
/// JSON: `{"ice":{"usernameFrag":..,"password":..},"dtls":{"fingerprint":{"sha-256":..}}}`.
/// Accepted as well: the flat forms of the drafts' examples, `{"usernameFrag":..,"password":..}`
/// and `{"context-id":..,"secret":..,"cname":..}`, with `fingerprint` or `fingerprints` beside
/// them, and the names `iceUsernameFrag`, `usernameFragment`, `ufrag`, `icePassword` and `pwd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RTCConnectionSide {
    /// The ICE credentials.
    pub ice: RTCIceConnectionInfo,
    /// The DTLS identity.
    pub dtls: RTCDtlsConnectionInfo,
    /// The side is a lite ICE agent (RFC 8445 section 2.5): it answers checks and sends none, so
    /// the other side controls, whatever role it was told. In JSON `iceLite`, also read as
    /// `iceLite` or `lite` inside `ice`.
    #[serde(rename = "iceLite", skip_serializing_if = "std::ops::Not::not")]
    pub ice_lite: bool,
    /// The RTCP CNAME of this side's streams, if it is signalled; at most 255 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    // Row C4.
    /// The socket that this is a side of, where a connection has several; None: the first.
    #[serde(rename = "socket-id", skip_serializing_if = "Option::is_none")]
    pub socket_id: Option<String>,
    /// What this side takes over data channels. `None`: messages of up to 256 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp: Option<RTCSctpConnectionInfo>,
}

crate::json::wire_object! {
"an object with port and maxMessageSize", RawSctp:
// Row G40.
/// What one side takes over data channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCSctpConnectionInfo {
    /// The SCTP port, 5000.
    #[serde(default = "sctp_port")]
    pub port: u16,
    /// The largest message in bytes; 0: any.
    #[serde(default = "sctp_message")]
    pub max_message_size: u64,
}
}

/// What a side looks like, for those who have another thing.
const SIDE: &str = "a connection side: {\"ice\":{\"usernameFrag\":..,\"password\":..},\"dtls\":{\"fingerprint\":..}}";

fn sctp_port() -> u16 {
    SCTP_PORT
}

/// RFC 8841 section 6.1: what counts when nothing is said.
fn sctp_message() -> u64 {
    65_536
}

impl RTCSctpConnectionInfo {
    /// The usual port, and the largest message in bytes.
    pub fn new(max_message_size: usize) -> Self {
        Self {
            port: SCTP_PORT,
            max_message_size: u64::try_from(max_message_size).unwrap_or(u64::MAX),
        }
    }
}

/// ICE credentials (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCIceConnectionInfo {
    /// 4 to 256 ice-chars (letters, digits, `+`, `/`).
    #[doc(alias = "iceUsernameFrag")]
    #[doc(alias = "context-id")]
    pub username_frag: String,
    /// 22 to 256 ice-chars. A secret: `Debug` does not show it.
    #[doc(alias = "icePassword")]
    #[doc(alias = "secret")]
    pub password: String,
}

/// The DTLS identity of one side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RTCDtlsConnectionInfo {
    /// The fingerprints of the side's certificate. `None`: not known (yet).
    pub fingerprint: Option<CertificateFingerprint>,
    /// An extension: the DTLS role the side has chosen; the other takes the opposite. `None`: by
    /// ICE role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RTCDtlsRole>,
}

impl RTCConnectionSide {
    /// A side known by its ICE credentials alone.
    pub fn new(username_frag: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            ice: RTCIceConnectionInfo {
                username_frag: username_frag.into(),
                password: password.into(),
            },
            dtls: RTCDtlsConnectionInfo::default(),
            ice_lite: false,
            cname: None,
            socket_id: None,
            sctp: None,
        }
    }

    /// The same side with its fingerprint.
    pub fn with_fingerprint(mut self, fingerprint: impl Into<CertificateFingerprint>) -> Self {
        self.dtls.fingerprint = Some(fingerprint.into());
        self
    }

    /// Checks that the side can be connected to.
    ///
    /// # Errors
    /// `InvalidParameters`: the credentials are not of the lengths and characters of RFC 8839
    /// section 5.4, a fingerprint list is empty, or the CNAME does not fit RTCP.
    pub fn validate(&self) -> Result<()> {
        self.ice.validate()?;
        if self.dtls.fingerprint.as_ref().is_some_and(|f| f.is_empty()) {
            return Err(Error::invalid_parameters(
                "the list of fingerprints is empty",
            ));
        }
        // RFC 3550 section 6.5: an SDES item has an eight-bit length.
        if self
            .cname
            .as_ref()
            .is_some_and(|c| c.is_empty() || c.len() > 255)
        {
            return Err(Error::invalid_parameters("cname must have 1 to 255 bytes"));
        }
        Ok(())
    }
}

impl RTCIceConnectionInfo {
    /// Checks lengths and characters against RFC 8839 section 5.4.
    ///
    /// # Errors
    /// `InvalidParameters`; the message never contains the password.
    pub fn validate(&self) -> Result<()> {
        Credentials {
            ufrag: self.username_frag.clone(),
            pwd: self.password.clone(),
        }
        .validate()
    }
}

impl fmt::Debug for RTCIceConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RTCIceConnectionInfo")
            .field("username_frag", &self.username_frag)
            .field("password", &"...")
            .finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIce {
    username_frag: Option<Text>,
    ice_username_frag: Option<Text>,
    username_fragment: Option<Text>,
    ufrag: Option<Text>,
    #[serde(rename = "context-id")]
    context_id: Option<Text>,
    password: Option<Text>,
    ice_password: Option<Text>,
    pwd: Option<Text>,
    secret: Option<Text>,
    ice_lite: Option<bool>,
    lite: Option<bool>,
}

impl RawIce {
    /// Said inside `ice`, as peers do, or beside it.
    fn is_lite(&self) -> bool {
        self.ice_lite.or(self.lite).unwrap_or(false)
    }

    fn build<E: de::Error>(self) -> std::result::Result<RTCIceConnectionInfo, E> {
        let username_frag = self
            .username_frag
            .or(self.ice_username_frag)
            .or(self.username_fragment)
            .or(self.ufrag)
            .or(self.context_id)
            .ok_or_else(|| E::missing_field("usernameFrag"))?;
        let password = self
            .password
            .or(self.ice_password)
            .or(self.pwd)
            .or(self.secret)
            .ok_or_else(|| E::missing_field("password"))?;
        Ok(RTCIceConnectionInfo {
            username_frag: username_frag.0,
            password: password.0,
        })
    }
}

#[derive(Deserialize)]
struct RawDtls {
    fingerprint: Option<CertificateFingerprint>,
    fingerprints: Option<CertificateFingerprint>,
    role: Option<RTCDtlsRole>,
}

impl From<RawDtls> for RTCDtlsConnectionInfo {
    fn from(raw: RawDtls) -> Self {
        Self {
            fingerprint: raw.fingerprint.or(raw.fingerprints),
            role: raw.role,
        }
    }
}

#[derive(Deserialize)]
struct RawSide {
    #[serde(alias = "iceInfo")]
    ice: Option<Ice>,
    dtls: Option<RTCDtlsConnectionInfo>,
    cname: Option<Text>,
    #[serde(rename = "socket-id", alias = "socketId")]
    socket_id: Option<Text>,
    sctp: Option<RTCSctpConnectionInfo>,
    #[serde(flatten)]
    flat_ice: RawIce,
    #[serde(rename = "fingerprint")]
    flat_fingerprint: Option<CertificateFingerprint>,
    #[serde(rename = "fingerprints")]
    flat_fingerprints: Option<CertificateFingerprint>,
}

/// What `ice` of a side has: the credentials, and whether the agent is lite.
struct Ice(RTCIceConnectionInfo, bool);

impl<'de> Deserialize<'de> for Ice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw = object::<D, RawIce>(deserializer, SIDE)?;
        let lite = raw.is_lite();
        Ok(Self(raw.build()?, lite))
    }
}

impl<'de> Deserialize<'de> for RTCIceConnectionInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        object::<D, RawIce>(deserializer, SIDE)?.build()
    }
}

impl<'de> Deserialize<'de> for RTCDtlsConnectionInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        object::<D, RawDtls>(deserializer, "an object with fingerprint and role").map(Self::from)
    }
}

impl<'de> Deserialize<'de> for RTCConnectionSide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw: RawSide = object(deserializer, SIDE)?;
        let mut dtls = raw.dtls.unwrap_or_default();
        dtls.fingerprint = dtls
            .fingerprint
            .or(raw.flat_fingerprint)
            .or(raw.flat_fingerprints);
        let beside = raw.flat_ice.is_lite();
        let (ice, lite) = match raw.ice {
            Some(Ice(ice, lite)) => (ice, lite),
            None => (raw.flat_ice.build()?, false),
        };
        Ok(Self {
            ice,
            dtls,
            ice_lite: lite || beside,
            cname: raw.cname.map(|cname| cname.0),
            socket_id: raw.socket_id.map(|id| id.0).filter(|id| !id.is_empty()),
            sctp: raw.sctp,
        })
    }
}
