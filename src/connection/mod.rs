//! RTCConnection: its handle and its verbs.

mod candidates;
pub(crate) mod core;
mod data;
pub(crate) mod description;
mod explain;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fault_tests;
mod fork;
mod legs;
#[cfg(test)]
mod many_tests;
pub(crate) mod options;
pub(crate) mod receiving;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod search_tests;
mod sending;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod sleep_tests;
pub(crate) mod stats;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod test_ends;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::engine::Identity;
use crate::engine::certificate::HashAlgorithm;
use crate::engine::data::DEFAULT_MAX_MESSAGE;
use crate::engine::ice::Credentials;
use crate::error::{DisconnectReason, DtlsFailure, Error, PeerFault, Result, TransportFault};
use crate::socket::RTCSocket;
use core::event::RTCConnectionEvents;
use core::setup;
use core::shared::ConnectionShared;
use core::state::ConnectionState;
use description::fingerprint::fingerprints;
use description::roles::{RTCDtlsRole, RTCIceRole};
use description::side::{RTCConnectionSide, RTCSctpConnectionInfo};
use description::state::RTCConnectionState;
use options::RTCConnectionOptions;

// Rows A1 to A41.
/// A connection to one peer: ICE, DTLS, and the media and data inside.
///
/// Cloning gives another handle to the same connection; when the last one is dropped the
/// connection is closed. All verbs are synchronous: they validate, change state and wake the
/// socket's task.
///
/// See the [crate page](crate) for how the pieces fit together.
#[derive(Clone)]
pub struct RTCConnection {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<ConnectionShared>,
    /// For forks: without what made the socket, which only an open connection keeps.
    options: RTCConnectionOptions,
    /// The connection over its further sockets.
    legs: Mutex<Vec<RTCConnection>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close(DisconnectReason::Closed);
    }
}

impl RTCConnection {
    // Row A3.
    /// Makes a connection. Gathering of candidates starts at once; the events come with the
    /// connection, so the first candidate cannot be missed.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a bad ICE server, header extension or combination of options;
    /// [`TransportFault::NoRuntime`](crate::TransportFault::NoRuntime) outside a tokio runtime, and
    /// in one that was built without `enable_all` (I/O and time);
    /// [`TransportFault::Io`](crate::TransportFault::Io) when the port cannot be bound.
    pub fn new(options: RTCConnectionOptions) -> Result<(Self, RTCConnectionEvents)> {
        let shared = setup::build(&options, None)?;
        let events = RTCConnectionEvents {
            queue: shared.events.queue(),
        };
        let handle = Arc::new(Handle {
            shared,
            options: options.without_socket(),
            legs: Mutex::default(),
        });
        Ok((Self { handle }, events))
    }

    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.handle.shared
    }

    // Rows A16, A48.
    /// The local socket, to be reused in other connections. A closed connection has let go of it:
    /// its port is then closed, unless others use it still.
    #[doc(alias = "getLocalSocket")]
    pub fn local_socket(&self) -> RTCSocket {
        self.shared().local_socket()
    }

    // Rows A4, A14, A53.
    /// The local side, complete from the beginning: ICE user name fragment and password, DTLS
    /// fingerprint. Signal it to the peer as JSON.
    pub fn local(&self) -> RTCConnectionSide {
        let state = self.shared().lock();
        let mut side = RTCConnectionSide::new(
            state.credentials.ufrag.clone(),
            state.credentials.pwd.clone(),
        );
        // Some peers go by the first and not, as RFC 8122 section 5 has it, by the strongest that
        // they know; and JSON puts sha-1 first.
        let algorithms: &[_] = match self.handle.options.announce_sha_1 {
            true => &[HashAlgorithm::Sha256, HashAlgorithm::Sha1],
            false => &[HashAlgorithm::Sha256],
        };
        let der = self.shared().socket.certificate.der();
        side.dtls.fingerprint = fingerprints(der, algorithms);
        side.dtls.role = state.engine.secure().stated_role().map(Into::into);
        side.socket_id = self.shared().events.socket_id().map(str::to_owned);
        let max_message_size = state.engine.max_message_size();
        if max_message_size != DEFAULT_MAX_MESSAGE {
            side.sctp = Some(RTCSctpConnectionInfo::new(max_message_size));
        }
        side
    }

    // Row A54.
    /// The remote side as it was set, `None` before. Its DTLS fingerprint is what was signalled, or
    /// else what the peer's certificate turned out to have, once DTLS is established.
    pub fn remote(&self) -> Option<RTCConnectionSide> {
        let state = self.shared().lock();
        let mut side = state.remote.clone()?;
        if side.dtls.fingerprint.is_none() {
            side.dtls.fingerprint = state
                .engine
                .secure()
                .peer_certificate()
                .and_then(|der| fingerprints(der, HashAlgorithm::ALL));
        }
        Some(side)
    }

    // Rows A15, A51, A52, G18.
    /// Sets the remote side: before `connect`, and again when the peer has restarted ICE. The
    /// credentials of before its restart change nothing: they come from a message that was late.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when the user name fragment or password is malformed (RFC 8839 section
    /// 5.4); `InvalidState` when a fingerprint other than the first is given after `connect`;
    /// [`PeerFault::SameDtlsRole`] when both sides state the same DTLS role; `Closed`.
    pub fn set_remote(&self, side: RTCConnectionSide) -> Result<()> {
        side.validate()?;
        let shared = self.shared();
        shared.open(|state| {
            let credentials = Credentials {
                ufrag: side.ice.username_frag.clone(),
                pwd: side.ice.password.clone(),
            };
            if state.engine.ice().is_former_remote(&credentials) {
                return Ok(());
            }
            let role = side.dtls.role.and_then(RTCDtlsRole::to_engine);
            if let Some(role) = role.filter(|_| state.engine.secure().stated_role() == role) {
                return Err(PeerFault::SameDtlsRole(role.of_both()).into());
            }
            let known = state
                .remote
                .as_mut()
                .and_then(|known| known.dtls.fingerprint.take());
            let mut side = side;
            if let Some(fingerprint) = &side.dtls.fingerprint {
                let entries = fingerprint
                    .iter()
                    .map(|one| (one.algorithm.clone(), one.bytes.clone()))
                    .collect();
                if state.engine.state() != crate::engine::EngineState::New
                    && known.as_ref() != Some(fingerprint)
                {
                    if let Some(remote) = &mut state.remote {
                        remote.dtls.fingerprint = known;
                    }
                    return Err(Error::invalid_state(
                        "the remote fingerprint cannot change once connect was called",
                    ));
                }
                state.engine.secure_mut().set_remote_fingerprints(entries);
            }
            state.engine.secure_mut().set_remote_role(role);
            state.engine.set_remote_lite(side.ice_lite);
            state
                .engine
                .set_remote_credentials(Instant::now(), credentials);
            side.dtls.fingerprint = side.dtls.fingerprint.or(known);
            state.remote = Some(side);
            Ok(())
        })?;
        shared.update_route();
        Ok(())
    }

    // Rows A19, A21, G2, A20, G18, G6.
    /// Starts ICE. Candidates that come later are considered too. Calling it again does nothing.
    ///
    /// # Errors
    ///
    /// `InvalidState` before `set_remote` gave the peer's user name fragment and password, and,
    /// unless the identity policy says otherwise, its fingerprint; `InvalidState` when another
    /// connection on this socket is connected to the same socket of the peer, or when that is this
    /// very socket: all connections on a socket share its credentials, so that nothing in a
    /// datagram would tell the two apart; `Closed`.
    pub fn connect(&self) -> Result<()> {
        let ready = |state: &mut ConnectionState| {
            if state.remote.is_none() {
                return Err(Error::invalid_state(
                    "set_remote must give the peer's usernameFrag and password before connect",
                ));
            }
            if matches!(state.engine.secure().identity(), Identity::Pinned { .. })
                && !state.engine.secure().has_remote_fingerprints()
            {
                return Err(Error::invalid_state(
                    "the peer's DTLS fingerprint must be set before connect; \
                     PeerIdentity::Deferred lets it be judged after the handshake",
                ));
            }
            Ok(())
        };
        let shared = self.shared();
        shared.open(ready)?;
        if !shared.socket.claim(shared.id) {
            return Err(Error::invalid_state(
                "another connection on this socket is connected to the same socket of the peer",
            ));
        }
        shared.open(|state| {
            state.engine.connect(Instant::now());
            Ok(())
        })?;
        for leg in self.legs() {
            let known = leg.shared().lock().remote.is_some();
            if known {
                leg.connect()?;
            }
        }
        Ok(())
    }

    // Row G18.
    /// Lets media flow under the identity policy `Deferred`, once the `PeerFingerprint` event has
    /// been judged. To refuse, close the connection.
    ///
    /// # Errors
    ///
    /// `InvalidState` when no peer waits to be accepted; `Closed`.
    pub fn accept_peer(&self) -> Result<()> {
        self.shared().open(|state| {
            if state.engine.accept_peer(Instant::now()) {
                Ok(())
            } else {
                Err(Error::invalid_state("no peer waits to be accepted"))
            }
        })
    }

    // Rows A22, G8.
    /// Gathers candidates again after the network interfaces changed, with the same credentials.
    /// The active pair stays until a better one is found; `EndOfCandidates` comes again.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn update(&self) -> Result<()> {
        self.shared().open(|_| Ok(()))?;
        self.shared().socket.gather(Instant::now());
        self.legs().iter().try_for_each(Self::update)
    }

    // Row G8.
    /// ICE restart (RFC 8445 section 9): new local credentials, under which all candidates are
    /// gathered and announced again. What must be signalled is [`local`](Self::local) and what the
    /// events give from now on, in any order. Media goes on over the old path until a new one is
    /// found.
    ///
    /// The peer may restart in turn, at the same time too, and its new side is set with
    /// [`set_remote`](Self::set_remote); one that does not needs to do nothing but to set this
    /// side's.
    ///
    /// # Errors
    ///
    /// [`TransportFault::Crypto`] when the system gives no randomness; `Closed`.
    pub fn restart(&self) -> Result<()> {
        let shared = self.shared();
        shared.open(|_| Ok(()))?;
        let credentials = Credentials::generate()?;
        shared.open(|state| {
            state.credentials = credentials.clone();
            state.announced.clear();
            state.engine.restart(Instant::now(), credentials);
            Ok(())
        })?;
        // The peer cannot use the new fragment before this returns.
        shared.update_route();
        self.update()
    }

    // Rows A31, G12.
    /// Closes the connection: BYE for each track, DTLS close_notify, event
    /// `Disconnected { Closed }`, then the end of all events. Idempotent; every later verb is
    /// [`Error::Closed`], views stay readable. Dropping the last handle does the same.
    ///
    /// What is queued on data channels goes out first, and what the peer has queued is taken: each
    /// channel is closed as [`RTCDataChannel::close`](crate::RTCDataChannel::close) does it, for at
    /// most the time of [`RTCConnectionOptions::linger`], by default a second. Until then
    /// [`state`](Self::state) stays as it is, and received messages can be read;
    /// [`closed`](Self::closed) tells when it is over: a program that ends, or shuts its runtime
    /// down, before that has closed at once. With nothing queued, without a path to the peer, and
    /// when the socket is closed, it is over at once. Media is not waited for: packets, and digits
    /// that are queued or sound, end with the call. Calling it again while it waits changes
    /// nothing.
    pub fn close(&self) {
        self.shared().close(DisconnectReason::Closed);
    }

    // Row G14.
    /// The state.
    pub fn state(&self) -> RTCConnectionState {
        self.shared().lock().engine.state().into()
    }

    /// Why DTLS failed, after [`DisconnectReason::DtlsFailed`] or
    /// [`DisconnectReason::FingerprintMismatch`]: what both sides lack in common, the key that is
    /// not supported, the peer's alert, a role that both have, or the time.
    pub fn dtls_failure(&self) -> Option<DtlsFailure> {
        self.shared().lock().engine.secure().failure().cloned()
    }

    /// The ICE role in force; it may change until ICE is connected. `None` while it is not decided.
    pub fn ice_role(&self) -> Option<RTCIceRole> {
        self.shared().lock().engine.ice().role().map(Into::into)
    }

    // Rows A35, G13.
    /// Waits until the connection is connected. Cancel-safe. Before [`connect`](Self::connect) is
    /// called, and under the identity policy `Deferred` until [`accept_peer`](Self::accept_peer)
    /// is, it waits for that.
    ///
    /// # Errors
    ///
    /// [`TransportFault::NotReached`] with the reason once nothing looks for a path any more: none
    /// was found within 39.5 s ([`IceFailed`](DisconnectReason::IceFailed)), this side has no
    /// address to be reached at ([`NoAddress`](DisconnectReason::NoAddress), at once), or the path
    /// was lost ([`ConsentLost`](DisconnectReason::ConsentLost)). After a [`restart`](Self::restart)
    /// of either side it waits again. `Closed` when the connection ends before.
    pub async fn connected(&self) -> Result<()> {
        loop {
            let changed = self.shared().changed.change();
            {
                let state = self.shared().lock();
                if let Some(reason) = state.over() {
                    return Err(Error::Closed(reason));
                }
                if self
                    .shared()
                    .events
                    .is_connected(state.engine.is_connected())
                {
                    return Ok(());
                }
            }
            if let Some(reason) = self.lost() {
                return Err(TransportFault::NotReached(reason).into());
            }
            changed.await;
        }
    }

    /// Why what is to be connected cannot be: of the sockets that carry tracks, else of the first.
    fn lost(&self) -> Option<DisconnectReason> {
        let lost = |leg: &Self| leg.shared().lock().engine.lost();
        let legs = self.legs();
        let mut carrying = std::iter::once(self).chain(&legs);
        let any = carrying.clone().any(|leg| leg.shared().events.carries());
        if !any {
            return lost(self);
        }
        carrying.find_map(|leg| lost(leg).filter(|_| leg.shared().events.carries()))
    }

    /// Waits for the end of the connection and says why. Cancel-safe.
    pub async fn closed(&self) -> DisconnectReason {
        loop {
            let changed = self.shared().changed.change();
            if let Some(reason) = self.shared().lock().closed {
                return reason;
            }
            changed.await;
        }
    }
}

impl std::fmt::Debug for RTCConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RTCConnection")
            .field("state", &self.state())
            .field("socket", &self.local_socket())
            .finish_non_exhaustive()
    }
}
