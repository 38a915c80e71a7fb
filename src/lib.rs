//! WebRTC through the Object RTC API: typed objects and JSON descriptions, no SDP, any signalling.
//!
//! The concepts, in the order a program meets them:
//!
//! 1. **[`RTCConnection`]**: one connection to one peer. Making one binds a UDP port and starts
//!    gathering candidates at once. With it come its **events**, in a queue of their own, so that
//!    none is missed.
//! 2. **Sides.** [`RTCConnection::local`] is what the peer must know: the ICE user name fragment
//!    and password and the fingerprint of the DTLS certificate. The peer's goes into
//!    [`RTCConnection::set_remote`]. Both are plain data with serde; the program carries them over
//!    whatever it has. There is no offer, no answer and no order to keep.
//! 3. **Candidates** ([`RTCIceCandidateDescription`]) come as events and go to the peer one at a
//!    time, whenever they are found.
//! 4. **[`RTCConnection::connect`]** starts looking for a path. Once it is found and secured, and
//!    the peer's certificate has the signalled fingerprint, [`RTCConnection::connected`] returns.
//! 5. **Media.** A [`MediaStreamTrack`] is fed with encoded frames and put into a [`MediaStream`];
//!    [`RTCConnection::add_stream`] sends it. How it is sent, with which SSRC and codecs, is its
//!    [`RTCTrack`]; [`RTCTrack::description`] goes to the peer, which receives the track with
//!    [`RTCConnection::receive_track`].
//! 6. **Data.** [`RTCConnection::create_data_channel`] gives an [`RTCDataChannel`], which carries
//!    messages, or bytes as a stream; the peer finds its end in the event
//!    [`DataChannel`](RTCConnectionEvent::DataChannel).
//! 7. **[`RTCSocket`]**: the port. Several connections can share one.
//!
//! Media is encoded and decoded by the application. Descriptions may be signalled again at any
//! time: what is set on an object takes effect with the next packet.
//!
//! # Two peers
//!
//! ```
//! use std::time::Duration;
//! use ortc::{MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let options = || ortc::RTCConnectionOptions::default().bind(([127, 0, 0, 1], 0).into());
//! // Each of the two is in a program of its own in real life.
//! let (alice, mut alice_events) = RTCConnection::new(options())?;
//! let (bob, mut bob_events) = RTCConnection::new(options())?;
//!
//! // Signalling: JSON, by any means.
//! let json = serde_json::to_string(&bob.local())?;
//! alice.set_remote(serde_json::from_str(&json)?)?;
//! bob.set_remote(alice.local())?;
//! let (to_alice, to_bob) = (alice.clone(), bob.clone());
//! tokio::spawn(async move {
//!     while let Some(event) = alice_events.next().await {
//!         if let RTCConnectionEvent::Candidate(candidate) = event {
//!             let _ = to_bob.set_remote_candidate(&candidate);
//!         }
//!     }
//! });
//! tokio::spawn(async move {
//!     while let Some(event) = bob_events.next().await {
//!         if let RTCConnectionEvent::Candidate(candidate) = event {
//!             let _ = to_alice.set_remote_candidate(&candidate);
//!         }
//!     }
//! });
//!
//! // Alice sends a track, Bob receives it by its description.
//! let stream = MediaStream::new();
//! let microphone = stream.add_track(&MediaStreamTrack::audio());
//! alice.add_stream(&stream)?;
//! let description = alice.track(&microphone).ok_or("not sent")?.description()?;
//! let speaker = bob.receive_track(description)?;
//!
//! alice.connect()?;
//! bob.connect()?;
//! alice.connected().await?;
//! microphone.write_sample(vec![0xf8, 0xff, 0xfe], Duration::from_millis(20))?;
//! let sample = speaker.recv_sample().await.ok_or("closed")?;
//! assert_eq!(&sample.data[..], [0xf8, 0xff, 0xfe]);
//! # Ok(())
//! # }
//! ```
//!
//! # The modules
//!
//! What a first program needs is here. Beside it: [`capabilities`], what both sides can do;
//! [`dtmf`], telephone digits; [`rtp`], packets as they are, for programs that packetise
//! themselves; [`stats`], figures; [`july`], the names of the older draft.
//!
//! # Security
//!
//! Everything is encrypted, always. The peer is known by the fingerprint of its certificate, which
//! signalling must deliver unaltered: by default [`RTCConnection::connect`] refuses to start
//! without one, and a certificate that does not match closes the connection before a byte of media
//! is delivered. The other policies are explicit: [`PeerIdentity`].
//!
//! # Errors and cancellation
//!
//! [`Error`] is sorted by whose fault it is. Verbs are synchronous and return their error at the
//! call. The futures of this crate are all cancel-safe: dropping one loses nothing. They need no
//! runtime where they are awaited; the connection's own task runs in the one that it was made in.
//!
//! Whatever is awaited ends with the connection, however that comes about: what is received with
//! `None`, all else with an error that has the reason. A path that is lost for now, an event
//! `Disconnected` whose reason is [transient](DisconnectReason::is_transient), ends
//! [`RTCConnection::connected`] and the opening of data channels alone: receivers, and data
//! channels with a full buffer, wait for a [`restart`](RTCConnection::restart) of either side, after
//! which they go on, or for [`close`](RTCConnection::close).
//!
//! # When it does not connect
//!
//! [`RTCConnection::explain`] says in a paragraph what was tried and what failed. The log says it as
//! it happens, by `tracing`: with a subscriber installed and info let through, as the examples do
//! with `RUST_LOG=ortc=info`, a call reads like this, but for the time. Each line is in the span of
//! its connection, which has a number and the ICE user name fragment, or in that of its socket.
//!
//! ```text
//! INFO socket{id=1}: ortc::gather: gathering is complete host=2 srflx=1 relay=0 failed_servers=0
//! INFO connection{id=2 socket=1 ufrag="Kw3x"}: ortc::connection: looks for a path
//! INFO connection{..}: ortc::ice: ICE state=Checking
//! INFO connection{..}: ortc::ice: a pair is selected local="host" remote="srflx" rtt_ms=23.1
//! INFO connection{..}: ortc::ice: ICE state=Connected
//! INFO connection{..}: ortc::dtls: DTLS is established cipher="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" role="client" identity="pinned"
//! INFO connection{..}: ortc::srtp: SRTP is established profile=AeadAes128Gcm
//! INFO connection{..}: ortc::connection: connected
//! INFO connection{..}: ortc::connection: ended cause=closed by the peer
//! ```
//!
//! Where it stops tells what is wrong:
//!
//! * `srflx=0` with a STUN server, and above it the warning `an ICE server gave no candidate` with
//!   its cause and its place in the list: the server is wrong or down, or UDP does not get out.
//!   `host=0`: there is no network.
//! * No `looks for a path`: [`RTCConnection::connect`] was not called, or it returned an error.
//! * `ICE failed` with the cause: the peer's description or its candidates never came, which is for
//!   signalling to mend; what comes in has other credentials, so one side has an old description;
//!   the peer's checks arrive and the answers to ours do not; or `none of 24 checks on 3 pairs was
//!   answered and none of the peer's arrived`, which is a wrong address or port, or UDP that is
//!   blocked on the way, and then `no side has a relay` is the advice.
//! * `nothing can be relayed to a peer`: there is a relay, but the TURN server gives no permission
//!   for the peer's address; its rules forbid that address.
//! * `a relay could not be refreshed`, then `a relay is lost`: the TURN server went away or was
//!   started anew. Another relay is asked for.
//! * `DTLS failed` with the cause, a fingerprint that does not match, say: signalling has altered or
//!   mixed up the descriptions, or somebody sits between.
//! * `halted` with `the peer stopped answering consent checks`: the network of one side is gone.
//!
//! At debug there are the candidates and pairs with their addresses, each check that failed and why
//! (`ortc::ice`), the flights of the handshake (`ortc::dtls`), and every reason for which something
//! was dropped, at most once a second with counts (`ortc::drop`). At info and above there is no
//! address, no password and no key.
//!
//! # The drafts
//!
//! The names are those of the Object RTC draft of September 2013, in snake case and without `get`;
//! `spec/conformance.md` in the repository lists each of its rules with the test that shows it.
#![forbid(unsafe_code)]
#![cfg_attr(not(any(test, fuzzing)), warn(clippy::disallowed_methods))]

mod budget;
pub mod capabilities;
mod connection;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod cost;
mod data;
pub mod diagnose;
pub mod dtmf;
mod engine;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod json;
pub mod july;
mod locks;
mod media;
mod queue;
mod random;
pub mod rtp;
#[cfg(any(test, fuzzing))]
#[allow(dead_code, unused_imports)]
mod simnet;
mod socket;
pub mod stats;
mod tasks;
mod trace;

/// The read-me's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;

pub use connection::RTCConnection;
pub use connection::candidate_policy::RTCCandidatePolicy;
pub use connection::core::event::{RTCConnectionEvent, RTCConnectionEvents};
pub use connection::description::candidate::RTCIceCandidateDescription;
pub use connection::description::certificate::RTCCertificate;
pub use connection::description::fingerprint::{CertificateFingerprint, Fingerprint};
pub use connection::description::ice_server::RTCIceServer;
pub use connection::description::roles::{
    FingerprintCheck, GatherStart, LocalCandidates, NetworkChanges, PeerIdentity, RTCDtlsRole,
    RTCIceRole, TrackStart,
};
pub use connection::description::side::{
    RTCConnectionSide, RTCDtlsConnectionInfo, RTCIceConnectionInfo, RTCSctpConnectionInfo,
};
pub use connection::description::state::{RTCConnectionState, RTCDtlsState, RTCIceState};
pub use connection::description::unknown_track::UnknownTrack;
pub use connection::options::RTCConnectionOptions;
pub use connection::receiving::contributors::RTCContributor;
pub use data::channel::RTCDataChannel;
pub use data::options::{
    RTCDataChannelEvent, RTCDataChannelMessage, RTCDataChannelOptions, RTCDataChannelState,
    RTCPriorityType,
};
pub use data::views::{RTCDataChannelMessages, RTCDataChannelStream};
pub use error::{
    DataChannelCloseReason, DisconnectReason, DtlsFailure, Error, ErrorName, Misuse, PeerFault,
    Result, TransportFault,
};
pub use media::forward::selector::{
    DefaultLayerSelector, ForwardConditions, ForwardLayer, LayerChoice, LayerSelector,
};
pub use media::sending::RTCTrack;
pub use media::stream::{MediaStream, MediaStreamEvent};
pub use media::track::forward::MediaForward;
pub use media::track::forward_state::MediaForwardStats;
pub use media::track::tap::MediaTap;
pub use media::track::{MediaStreamTrack, MediaStreamTrackEvent, SenderClock};
pub use media::{
    Kind, MediaSample, RTCCodec, RTCCodecParam, RTCFecParameters, RTCMediaAttributes,
    RTCRtcpParameters, RTCRtpEncoding, RTCRtxParameters, RTCTrackDescription, RTCTrackFilter,
};
pub use rtp::extensions::{AudioLevel, RTCHeaderExtension};
pub use socket::{IceServerError, IceServerErrorKind, RTCSocket};
