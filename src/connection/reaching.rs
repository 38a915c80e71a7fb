//! Reaching the peer: the search for a path, its states, and how it begins anew.

use std::time::Instant;

use super::RTCConnection;
use super::core::state::ConnectionState;
use super::description::roles::RTCIceRole;
use super::description::state::RTCConnectionState;
use crate::engine::Identity;
use crate::error::{DisconnectReason, DtlsFailure, Error, Result, TransportFault};

/// Reaching the peer.
impl RTCConnection {
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

    // Rows A22, G8.
    /// Gathers candidates again after the network interfaces changed, with the same credentials.
    /// The active pair stays until a better one is found; `EndOfCandidates` comes again. Under
    /// [`NetworkChanges`](crate::NetworkChanges), unless they are ignored, it is done by itself.
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
    /// That of all sockets, where the connection has several: each has a side of its own.
    ///
    /// The peer may restart in turn, at the same time too, and its new side is set with
    /// [`set_remote`](Self::set_remote); one that does not needs to do nothing but to set this
    /// side's.
    ///
    /// # Errors
    ///
    /// [`TransportFault::Crypto`] when the system gives no randomness; `Closed`.
    pub fn restart(&self) -> Result<()> {
        let now = Instant::now();
        self.shared().restart(now)?;
        self.legs().iter().try_for_each(Self::restart)
    }
}
