//! How a session is made.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ortc::{RTCCertificate, RTCIceServer, RTCSocket};

use super::error::{Error, Result};
use crate::files::ReceiveOptions;
use crate::signalling::websocket::WebSocketOptions;
use crate::signalling::{Extra, Hello, Role, UserId};

/// How a session is made. The default has no servers but those that the signalling server names,
/// one UDP port for all sessions of the process, and no secret.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// A wish for a user id; absent: the server gives one.
    pub userid: Option<UserId>,
    /// A signed token of the server's operator, or an invitation.
    pub token: Option<String>,
    /// A wish for a role, where the server is open about roles.
    pub role: Option<Role>,
    /// What the user tells of itself.
    pub extra: Extra,
    /// What others are asked to keep to, and data keeps to.
    pub bandwidth: Bandwidth,
    /// What is asked of pictures.
    pub media: MediaLimits,
    /// How long the packets of audio are.
    pub framerate: AudioFrames,
    /// What is taken from others.
    pub incoming: Incoming,
    /// The ways that connections may go.
    pub candidates: CandidatePolicy,
    /// STUN and TURN servers beside those of the signalling server.
    pub ice_servers: Vec<RTCIceServer>,
    /// Offers addresses of this machine alone too.
    pub include_loopback: bool,
    /// The address and port of the session's UDP socket.
    pub bind: Option<SocketAddr>,
    /// The range that UDP ports are of, unless [`bind`](Self::bind) names one: for firewalls with
    /// few holes.
    pub port_range: Option<RangeInclusive<u16>>,
    /// Addresses under which this machine is known outside, where a NAT maps address to address
    /// and port to the same port, as in clouds: at most 16.
    pub external_addresses: Vec<IpAddr>,
    /// A UDP port to use; absent: that of the process.
    pub socket: Option<RTCSocket>,
    /// The certificate of the session's connections; a port of its own comes with it.
    pub certificate: Option<RTCCertificate>,
    /// What the members of a room prove to each other to know, and the server does not.
    pub secret: Option<Secret>,
    /// Takes what peers offer without asking. Absent: an offer is an event.
    pub auto_save: Option<AutoSave>,
    /// How much is kept for those who come later, in each room.
    pub kept_files: KeptFiles,
    /// The channel whose first room is joined as soon as there is one, while
    /// [`auto_join`](Self::auto_join) is set.
    pub channel: Option<String>,
    /// Joins the first room of the [`channel`](Self::channel). Set by [`SessionOptions::new`].
    pub auto_join: bool,
    /// How long requests wait for the server, a return to it included; default 30 s.
    pub patience: Option<Duration>,
    /// How the WebSocket is made.
    pub websocket: WebSocketOptions,
    /// `disableDtlsSrtp` of old: an error.
    pub disable_dtls_srtp: bool,
    /// `preferSCTP = false` of old: an error.
    pub prefer_rtp_data: bool,
}

impl SessionOptions {
    /// The default, with [`auto_join`](Self::auto_join) for a channel that may be set.
    pub fn new() -> Self {
        Self {
            auto_join: true,
            ..Self::default()
        }
    }

    /// The same with this wish for a user id.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] if it cannot be one.
    pub fn with_userid(mut self, userid: impl Into<String>) -> Result<Self> {
        self.userid = Some(UserId::new(userid)?);
        Ok(self)
    }

    /// The same with this signed token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The same with this wish for a role.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// The same, telling this of the user.
    #[must_use]
    pub fn with_extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }

    /// The same with a secret that the server does not get to know.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// The same with a UDP port of the application's.
    #[must_use]
    pub fn with_socket(mut self, socket: RTCSocket) -> Self {
        self.socket = Some(socket);
        self
    }

    /// The same, writing what peers offer into a folder as it comes, `autoSaveToDisk` of old.
    /// Nothing asks whether it is wanted: give it a quota, if not all peers are trusted.
    #[must_use]
    pub fn with_auto_save(mut self, folder: impl Into<PathBuf>, options: ReceiveOptions) -> Self {
        let folder = folder.into();
        self.auto_save = Some(AutoSave { folder, options });
        self
    }

    /// The same, joining the first room of this channel.
    #[must_use]
    pub fn with_channel(mut self, channel: impl Into<String>) -> Self {
        self.channel = Some(channel.into());
        self.auto_join = true;
        self
    }

    /// What the signaller says first.
    pub fn hello(&self) -> Hello {
        let mut hello = Hello::new();
        hello.token.clone_from(&self.token);
        hello.userid.clone_from(&self.userid);
        hello.role = self.role;
        hello.extra = self.extra.clone();
        hello
    }

    /// # Errors
    ///
    /// [`Error::InsecureNotSupported`], [`Error::RtpDataNotSupported`], [`Error::NoCandidates`].
    pub(super) fn check(&self) -> Result<()> {
        if self.disable_dtls_srtp {
            return Err(Error::InsecureNotSupported);
        }
        if self.prefer_rtp_data {
            return Err(Error::RtpDataNotSupported);
        }
        self.candidates.check()
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionOptions")
            .field("userid", &self.userid)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("secret", &self.secret)
            .field("bandwidth", &self.bandwidth)
            .field("candidates", &self.candidates)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// What the members of a room know and its server does not. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// This text. A short one will do: each wrong guess is one attempt, which both ends see.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where what peers offer is written to, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AutoSave {
    /// The folder, which must exist.
    pub folder: PathBuf,
    /// What becomes of names that are taken, the quota.
    pub options: ReceiveOptions,
}

/// How much is kept for those who come into a room later; beyond it the oldest is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptFiles {
    /// Offers; default 64.
    pub offers: usize,
    /// Bytes that one who comes is offered in all; default 1 GiB.
    pub bytes: u64,
}

impl Default for KeptFiles {
    fn default() -> Self {
        Self {
            offers: 64,
            bytes: 1 << 30,
        }
    }
}

/// Limits in kbit/s; `None`: no limit. Those of audio and video are in what the peer is told of
/// each track and for the application's encoder; data is held to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bandwidth {
    /// Of each audio track; default 50.
    pub audio: Option<u32>,
    /// Of each video track; default 256.
    pub video: Option<u32>,
    /// Of the messages to each peer; default 1,638,400.
    pub data: Option<u32>,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self {
            audio: Some(50),
            video: Some(256),
            data: Some(1_638_400),
        }
    }
}

impl Bandwidth {
    /// No limits.
    pub fn unlimited() -> Self {
        Self {
            audio: None,
            video: None,
            data: None,
        }
    }
}

/// What is asked of pictures. The upper limits are told with each video track; all of them are for
/// who captures and encodes, which is the application.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct MediaLimits {
    /// Smallest width and height.
    pub min: (u32, u32),
    /// Greatest width and height; default 640×360.
    pub max: (u32, u32),
    /// Smallest ratio of width to height; default 1.77.
    pub min_aspect_ratio: f64,
    /// Fewest frames in a second.
    pub min_frame_rate: Option<f64>,
    /// Most frames in a second.
    pub max_frame_rate: Option<f64>,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            min: (320, 180),
            max: (640, 360),
            min_aspect_ratio: 1.77,
            min_frame_rate: None,
            max_frame_rate: None,
        }
    }
}

impl MediaLimits {
    /// The sizes that pages offer, the greatest first.
    pub const SIZES: [(u32, u32); 6] = [
        (1920, 1080),
        (1280, 720),
        (960, 540),
        (640, 360),
        (480, 270),
        (320, 180),
    ];

    /// With this greatest width and height.
    pub fn up_to(width: u32, height: u32) -> Self {
        Self {
            max: (width, height),
            ..Self::default()
        }
    }
}

/// The lengths of audio packets in milliseconds that the peer is told of with each Opus track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioFrames {
    /// The shortest; default 10.
    pub minptime: u32,
    /// The longest; default 60.
    pub maxptime: u32,
}

impl Default for AudioFrames {
    fn default() -> Self {
        Self {
            minptime: 10,
            maxptime: 60,
        }
    }
}

/// What is taken from others: all of it by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incoming {
    /// Microphones.
    pub audio: bool,
    /// Cameras.
    pub video: bool,
    /// Screens.
    pub screen: bool,
    /// Messages.
    pub data: bool,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            audio: true,
            video: true,
            screen: true,
            data: true,
        }
    }
}

/// The kinds of candidates that connections may use: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CandidatePolicy {
    /// Addresses of this machine.
    pub host: bool,
    /// Addresses of its network, as STUN servers see them.
    pub reflexive: bool,
    /// Addresses of TURN servers.
    pub relay: bool,
}

impl Default for CandidatePolicy {
    fn default() -> Self {
        Self {
            host: true,
            reflexive: true,
            relay: true,
        }
    }
}

impl CandidatePolicy {
    /// TURN servers alone.
    pub fn relay_only() -> Self {
        Self {
            host: false,
            reflexive: false,
            relay: true,
        }
    }

    fn check(self) -> Result<()> {
        match self.host || self.reflexive || self.relay {
            true => Ok(()),
            false => Err(Error::NoCandidates),
        }
    }

    pub(super) fn is_relay_only(self) -> bool {
        !self.host && !self.reflexive
    }

    pub(super) fn allows(self, typ: &str) -> bool {
        match typ {
            "host" => self.host,
            "srflx" | "prflx" => self.reflexive,
            _ => self.relay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c29_c51_c73_what_cannot_be_is_an_error_that_says_why() {
        let mut options = SessionOptions::new();
        assert!(options.check().is_ok());
        options.disable_dtls_srtp = true;
        assert_eq!(options.check(), Err(Error::InsecureNotSupported));
        let mut options = SessionOptions::new();
        options.prefer_rtp_data = true;
        assert_eq!(options.check(), Err(Error::RtpDataNotSupported));
        for bits in 0..8 {
            options = SessionOptions::new();
            options.candidates = CandidatePolicy {
                host: bits & 1 != 0,
                reflexive: bits & 2 != 0,
                relay: bits & 4 != 0,
            };
            assert_eq!(options.check().is_ok(), bits != 0);
        }
    }

    #[test]
    fn c68_c69_c70_the_usual_limits_are_those_of_old() {
        let options = SessionOptions::new();
        assert_eq!(options.bandwidth.audio, Some(50));
        assert_eq!(options.bandwidth.video, Some(256));
        assert_eq!(options.bandwidth.data, Some(1_638_400));
        assert_eq!(options.framerate.minptime, 10);
        assert_eq!(options.framerate.maxptime, 60);
        assert_eq!(options.media.max, (640, 360));
        assert!(MediaLimits::SIZES.contains(&options.media.max));
    }

    #[test]
    fn secrets_are_not_shown() {
        let options = SessionOptions::new().with_secret("swordfish");
        let shown = format!("{:?}", options.with_token("hunter2"));
        assert!(!shown.contains("swordfish") && !shown.contains("hunter2"));
    }
}
