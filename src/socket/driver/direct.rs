//! What comes over connections to peers over TCP, and of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::BytesMut;

use super::Driver;
use crate::socket::direct::{DirectId, DirectNews, Path, first_frame};
use crate::socket::member::{Member, MemberId, with};
use crate::socket::route::request_username;

impl Driver {
    pub(super) fn direct_news(&mut self, news: DirectNews) {
        let now = Instant::now();
        match news {
            DirectNews::Accepted => {}
            DirectNews::Came(id, frames) => self.receive_frames(now, id, frames),
            DirectNews::Ended(member, path) => self.direct_ended(now, member, path),
        }
        self.drops.tell(now, &self.shared);
    }

    fn receive_frames(&mut self, now: Instant, stream: DirectId, mut frames: BytesMut) {
        let Some((owner, (base, remote))) = self.direct.whose(stream) else {
            return;
        };
        let mut owner = owner.and_then(|id| self.member(id));
        while let Some(frame) = first_frame(&frames) {
            let mut datagram = frames.split_to(frame.end);
            let data = datagram.get_mut(frame).unwrap_or_default();
            if owner.is_none() {
                owner = self.claim(stream, data);
            }
            let Some((_, member)) = &owner else {
                // It has nothing to say to anybody here.
                self.shared.unrouted.fetch_add(1, Ordering::Relaxed);
                self.direct.close(stream);
                return;
            };
            with(now, member, |member| {
                member.datagram(now, base, remote, data)
            });
        }
        if let Some((id, _)) = owner {
            self.service(id);
        }
    }

    fn member(&self, id: MemberId) -> Option<(MemberId, Arc<dyn Member>)> {
        let routes = self.shared.routes();
        routes.get(id).map(|member| (id, member.clone()))
    }

    /// A stranger says whom it is for by its first datagram, a STUN request (RFC 6544 section 7.2).
    fn claim(&mut self, stream: DirectId, data: &[u8]) -> Option<(MemberId, Arc<dyn Member>)> {
        let (own, theirs) = request_username(data)?;
        let id = self.shared.routes().by_username(own, theirs)?;
        self.direct.claim(stream, id).then_some(())?;
        self.member(id)
    }

    fn direct_ended(&mut self, now: Instant, id: MemberId, (base, remote): Path) {
        if let Some((_, member)) = self.member(id) {
            with(now, &member, |member| {
                member.stream_ended(now, base, remote)
            });
            self.service(id);
        }
    }

    pub(super) fn direct_timeout(&mut self, now: Instant) {
        let Self { direct, shared, .. } = self;
        direct.handle_timeout(now, |id, (base, remote): (SocketAddr, SocketAddr)| {
            let member = shared.routes().get(id).cloned();
            let accepts =
                |member: Arc<dyn Member>| with(now, &member, |member| member.accepts(base, remote));
            member.and_then(accepts).unwrap_or_default()
        });
    }
}
