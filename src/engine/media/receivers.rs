//! The receivers that are declared, and what is asked of their sources.

use std::time::Instant;

use super::model::{ReceiverRepair, ReceiverSpec, RedCounters};
use super::session::Media;
use super::streams::Receiver;
use crate::engine::events::Events;
use crate::error::Result;
use crate::rtp::{Declaration, KeyframeRequest, ReceiverId};

impl Media {
    /// Declares a receiver, or updates one with the same SSRC; returns its id.
    ///
    /// Packets that came before the declaration are delivered now, in order.
    pub(crate) fn add_receiver(
        &mut self,
        now: Instant,
        mut spec: ReceiverSpec,
        events: &mut Events,
    ) -> Result<ReceiverId> {
        let repair = spec.repair.take();
        let id = self.router.declare(spec.declaration.clone())?;
        // Nothing but their SSRC tells the packets of one that has no other label.
        let Declaration { mid, rid, .. } = &spec.declaration;
        let mut ssrcs = None;
        if self.receivers.contains_key(&id) {
            self.respecify(id, spec);
        } else {
            if mid.is_none() && rid.is_none() && !spec.declaration.ssrcs.is_empty() {
                ssrcs = Some(spec.declaration.ssrcs.clone());
            }
            self.not_reduced += usize::from(!spec.reduced_size);
            self.receivers.insert(id, Receiver::new(spec));
        }
        self.apply_reduced_size();
        if let Some(repair) = repair {
            self.set_receiver_repair(id, repair);
        }
        self.replay_unknown(now, ssrcs.as_deref(), events);
        Ok(id)
    }

    /// Replaces what a receiver was declared with.
    pub(crate) fn update_receiver(
        &mut self,
        now: Instant,
        id: ReceiverId,
        mut spec: ReceiverSpec,
        events: &mut Events,
    ) -> Result<()> {
        let repair = spec.repair.take();
        self.router.update(id, spec.declaration.clone())?;
        self.respecify(id, spec);
        self.apply_reduced_size();
        if let Some(repair) = repair {
            self.set_receiver_repair(id, repair);
        }
        self.replay_unknown(now, None, events);
        Ok(())
    }

    fn respecify(&mut self, id: ReceiverId, spec: ReceiverSpec) {
        if let Some(receiver) = self.receivers.get_mut(&id) {
            let full = usize::from(!receiver.spec.reduced_size);
            self.not_reduced = self.not_reduced.saturating_sub(full);
            self.not_reduced += usize::from(!spec.reduced_size);
            receiver.respecify(spec);
            for ssrc in &receiver.ssrcs {
                self.rtp.label_source(*ssrc, &receiver.label);
            }
        }
    }

    /// One RTP session, one answer: RTCP of reduced size once all descriptions allow it.
    fn apply_reduced_size(&mut self) {
        let allowed = !self.receivers.is_empty() && self.not_reduced == 0;
        self.rtp.set_reduced_size(allowed);
    }

    /// Says how missing packets of a receiver come back.
    pub(crate) fn set_receiver_repair(&mut self, id: ReceiverId, repair: ReceiverRepair) {
        let Some(receiver) = self.receivers.get_mut(&id) else {
            return;
        };
        if repair.nack {
            for ssrc in &receiver.ssrcs {
                self.rtp.enable_nack(*ssrc);
            }
        }
        receiver.repair = repair;
    }

    /// The sources of the receiver are not announced as unknown afterwards: the application knows
    /// them, and does not want them.
    pub(crate) fn remove_receiver(&mut self, now: Instant, id: ReceiverId) {
        self.router.remove(id);
        if let Some(receiver) = self.receivers.remove(&id) {
            let full = usize::from(!receiver.spec.reduced_size);
            self.not_reduced = self.not_reduced.saturating_sub(full);
            for ssrc in &receiver.ssrcs {
                self.heard.remove(&(*ssrc, id));
            }
            let repair = receiver.repair.rtx_ssrcs.iter().map(|(rtx, _)| *rtx);
            for ssrc in receiver.ssrcs.into_iter().chain(repair) {
                self.rtp.remove_receiver(ssrc);
                self.unknown.give_up(now, ssrc);
                if let Some(srtp) = &mut self.srtp {
                    srtp.end_source(ssrc);
                }
            }
            self.apply_reduced_size();
        }
    }

    /// The SSRCs heard for a receiver so far.
    pub(crate) fn receiver_ssrcs(&self, id: ReceiverId) -> &[u32] {
        self.receivers
            .get(&id)
            .map_or(&[], |receiver| receiver.ssrcs.as_slice())
    }

    pub(crate) fn red_counters(&self, id: ReceiverId, ssrc: u32) -> RedCounters {
        let receiver = self.receivers.get(&id);
        receiver.map_or_else(RedCounters::default, |receiver| receiver.red.counters(ssrc))
    }

    pub(crate) fn request_keyframe(
        &mut self,
        now: Instant,
        id: ReceiverId,
        request: KeyframeRequest,
    ) {
        let receiver = self.receivers.get(&id);
        for ssrc in receiver.map_or(&[][..], |receiver| receiver.ssrcs.as_slice()) {
            self.rtp.request_keyframe(now, *ssrc, request);
        }
    }
}
