//! What can go wrong in a session.

use crate::signalling::{BadName, Contradiction, ErrorCode, RoomName, SignalError, UserId};

/// What can go wrong in a session.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The way to the server.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The server did not do it.
    #[error("{message}")]
    Refused {
        /// What kind of refusal.
        code: ErrorCode,
        /// In words, which say what to do.
        message: String,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] BadName),
    /// A session that says two things about its direction.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// This session is not in the room.
    #[error("this session is not in the room {0}")]
    NotInRoom(RoomName),
    /// This session is in no room.
    #[error("this session is in no room; open or join one first")]
    NoRoom,
    /// Nobody of this id is in a room with this session, or no connection is to be made to it.
    #[error("no connection to {0}: not in a room with this session, or not one to talk to")]
    NoSuchPeer(UserId),
    /// No such stream is sent or received.
    #[error("no stream of the id {0}")]
    NoSuchStream(String),
    /// The room's session has no data.
    #[error("this session has no data: it was opened without")]
    NoData,
    /// Who may only receive wants to send.
    #[error("an inspector only receives")]
    Inspector,
    /// More bytes than a message may have, which is the second.
    #[error("a message of {0} bytes; at most {1} go")]
    TooLarge(usize, usize),
    /// More messages wait for a peer than may.
    #[error("too many messages wait for {0}")]
    QueueFull(UserId),
    /// No answer came in time.
    #[error("no answer came in time")]
    Timeout,
    /// The peer's answer to an action is an error.
    #[error("{0}")]
    Answer(String),
    /// What was to be sent has no JSON form, or what came is of another form.
    #[error("not of the form: {0}")]
    Form(String),
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// Media without encryption was asked for (`disableDtlsSrtp`).
    #[error(
        "media without encryption is not supported: no browser has it any more, and RFC 8827 \
         section 6.5 forbids it; everything works with DTLS on"
    )]
    InsecureNotSupported,
    /// Data channels over RTP were asked for (`preferSCTP = false`).
    #[error(
        "data channels over RTP are not supported: they were never a standard, and browsers have \
         removed them; data goes over SCTP"
    )]
    RtpDataNotSupported,
    /// A candidate policy that leaves no way to connect.
    #[error("of host, reflexive and relay candidates at least one kind must be allowed")]
    NoCandidates,
    /// A file cannot be sent.
    #[error(transparent)]
    File(#[from] crate::files::Error),
    /// A recording cannot be written.
    #[error("the recording cannot be written: {0}")]
    Record(String),
    /// What the core says.
    #[error(transparent)]
    Core(#[from] ortc::Error),
}

/// The results of sessions.
pub type Result<T> = std::result::Result<T, Error>;
