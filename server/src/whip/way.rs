//! The way to a client: the connection that its offer asks for.

use std::time::Duration;

use ortc::{
    RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCDtlsRole,
    RTCIceCandidateDescription, RTCIceRole,
};
use tokio::time::timeout;

use super::answer::{Own, Reply, answer};
use super::bridges::Bridges;
use super::fault::Fault;
use super::offer::Offer;

/// Candidates of this machine are there at once; there is no server to ask.
const GATHERING: Duration = Duration::from_secs(3);

/// The way to a client.
pub(super) struct Way {
    pub(super) connection: RTCConnection,
    pub(super) events: RTCConnectionEvents,
    pub(super) candidates: Vec<RTCIceCandidateDescription>,
    role: RTCDtlsRole,
}

impl Way {
    /// Made, and told of the other end.
    pub(super) fn open(bridges: &Bridges, offer: &Offer) -> Result<Self, Fault> {
        let role = offer.own_role();
        // RFC 8445 section 6.1.1: who answers is controlled, unless the other is lite.
        let ice = match offer.side.ice_lite {
            true => RTCIceRole::Controlling,
            false => RTCIceRole::Controlled,
        };
        let options = bridges
            .options()?
            .role(ice)
            .dtls_role(role)
            .header_extensions(offer.extensions());
        let (connection, events) = RTCConnection::new(options)?;
        connection.set_remote(offer.side.clone())?;
        Ok(Self {
            connection,
            events,
            candidates: Vec::new(),
            role,
        })
    }

    /// Looks for the way, and finds out this end's addresses.
    pub(super) async fn look(&mut self, offer: &Offer) -> Result<(), Fault> {
        self.connection.connect()?;
        for candidate in &offer.candidates {
            let _ = self.connection.set_remote_candidate(candidate);
        }
        if offer.complete {
            let _ = self.connection.end_of_remote_candidates();
        }
        let gathered = async {
            while let Some(event) = self.events.next().await {
                match event {
                    RTCConnectionEvent::Candidate(found) => self.candidates.push(found),
                    RTCConnectionEvent::EndOfCandidates => return,
                    _ => {}
                }
            }
        };
        let _ = timeout(GATHERING, gathered).await;
        Ok(())
    }

    pub(super) fn answer(&self, offer: &Offer, replies: &[Option<Reply>]) -> String {
        let side = self.connection.local();
        let own = Own {
            side: &side,
            role: self.role,
            candidates: &self.candidates,
        };
        answer(offer, &own, replies)
    }
}
