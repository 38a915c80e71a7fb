//! Making a connection, and what each of its sides is.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::core::event::RTCConnectionEvents;
use super::core::setup;
use super::description::fingerprint::fingerprints;
use super::description::roles::RTCDtlsRole;
use super::description::side::{RTCConnectionSide, RTCSctpConnectionInfo};
use super::options::RTCConnectionOptions;
use super::{Handle, RTCConnection};
use crate::engine::certificate::HashAlgorithm;
use crate::engine::data::DEFAULT_MAX_MESSAGE;
use crate::engine::ice::Credentials;
use crate::error::{Error, PeerFault, Result};
use crate::socket::RTCSocket;

/// Making one, and what each side is.
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
            let now = Instant::now();
            let before = state.remote.as_ref().map(|known| &known.ice);
            if before.is_some_and(|known| *known != side.ice) {
                let role = state.engine.ice().role();
                state.auto_restart.postpone(now, role);
            }
            state.engine.set_remote_credentials(now, credentials);
            side.dtls.fingerprint = side.dtls.fingerprint.or(known);
            state.remote = Some(side);
            Ok(())
        })?;
        shared.update_route();
        Ok(())
    }

    // Rows A16, A48.
    /// The local socket, to be reused in other connections. A closed connection has let go of it:
    /// its port is then closed, unless others use it still.
    #[doc(alias = "getLocalSocket")]
    pub fn local_socket(&self) -> RTCSocket {
        self.shared().local_socket()
    }
}
