//! Which receiver a packet is for: SSRC, then MID, then RID, then payload type.

// Row G24.

use std::collections::{BTreeMap, BTreeSet};

use super::declaration::{Declaration, ReceiverId};
use super::demux::check_payload_type;
use super::labels::{Labels, only};
use crate::error::{Error, Result};

/// Bound on known SSRCs, declared and learnt. A packet of one more is `Unknown`, and counted;
/// declaring one more is an error.
const MAX_SSRCS: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Receiver(ReceiverId),
    Unknown,
}

#[derive(Debug, Clone, Copy)]
struct Binding {
    receiver: ReceiverId,
    declared: bool,
    /// Its source ended, as the how manieth: it may go on, and makes room if it does not.
    ended: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Router {
    receivers: BTreeMap<ReceiverId, Declaration>,
    labels: Labels,
    ssrcs: BTreeMap<u32, Binding>,
    /// The same by receiver.
    bound: BTreeSet<(ReceiverId, u32)>,
    /// Those that ended, in that order.
    ended: BTreeSet<(u64, u32)>,
    next: u32,
    ends: u64,
    refused: u64,
}

impl Router {
    // Row G11.
    /// Declares a receiver. One that shares an SSRC with an existing receiver of the same kind
    /// updates it, and gets its identifier.
    ///
    /// `InvalidParameters` if nothing identifies its packets; if an SSRC belongs to a receiver of
    /// another kind; if there is no SSRC to tell it from another receiver with the same MID and
    /// RID, or (without MID) the same payload type.
    pub(crate) fn declare(&mut self, declaration: Declaration) -> Result<ReceiverId> {
        let mut same = None;
        for ssrc in &declaration.ssrcs {
            match self.ssrcs.get(ssrc) {
                Some(binding) if binding.declared => match same {
                    Some(other) if other != binding.receiver => {
                        return Err(Error::invalid_parameters(
                            "the SSRCs belong to two different receivers",
                        ));
                    }
                    _ => same = Some(binding.receiver),
                },
                _ => {}
            }
        }
        match same {
            Some(id) => {
                self.update(id, declaration)?;
                Ok(id)
            }
            None => {
                let id = ReceiverId(self.next);
                self.check(id, &declaration)?;
                self.next = self.next.wrapping_add(1);
                self.bind_declared(id, &declaration);
                self.labels.add(id, &declaration);
                self.receivers.insert(id, declaration);
                Ok(id)
            }
        }
    }

    /// Replaces what was declared; SSRCs learnt from packets stay bound, unless it has another RID.
    pub(crate) fn update(&mut self, id: ReceiverId, declaration: Declaration) -> Result<()> {
        self.check(id, &declaration)?;
        let Some(current) = self.receivers.get_mut(&id) else {
            return Err(Error::invalid_parameters("no such receiver"));
        };
        if current.kind != declaration.kind {
            return Err(Error::invalid_parameters(format!(
                "the SSRC is already received as {}, not {}",
                current.kind, declaration.kind
            )));
        }
        let before = std::mem::replace(current, declaration.clone());
        self.labels.remove(id, &before);
        self.labels.add(id, &declaration);
        for ssrc in &before.ssrcs {
            let own = |binding: &Binding| binding.receiver == id && binding.declared;
            if self.ssrcs.get(ssrc).is_some_and(own) {
                self.forget(*ssrc);
            }
        }
        if declaration.rid.is_some() && declaration.rid != before.rid {
            self.forget_all(id);
        }
        self.bind_declared(id, &declaration);
        Ok(())
    }

    /// Forgets a receiver and its SSRCs.
    pub(crate) fn remove(&mut self, id: ReceiverId) {
        if let Some(declaration) = self.receivers.remove(&id) {
            self.labels.remove(id, &declaration);
        }
        self.forget_all(id);
    }

    fn forget_all(&mut self, id: ReceiverId) {
        let (first, last) = ((id, 0), (id, u32::MAX));
        while let Some(&(_, ssrc)) = self.bound.range(first..=last).next() {
            self.forget(ssrc);
        }
    }

    fn bind(&mut self, ssrc: u32, binding: Binding) {
        self.forget(ssrc);
        self.bound.insert((binding.receiver, ssrc));
        self.ssrcs.insert(ssrc, binding);
    }

    fn forget(&mut self, ssrc: u32) {
        if let Some(old) = self.ssrcs.remove(&ssrc) {
            self.bound.remove(&(old.receiver, ssrc));
            if let Some(end) = old.ended {
                self.ended.remove(&(end, ssrc));
            }
        }
    }

    /// The source of an SSRC ended, e.g. with a BYE. If it was learnt, it is bound anew by what its
    /// packets say, or without a word to the same receiver, and makes room for others.
    pub(crate) fn unbind(&mut self, ssrc: u32) {
        if let Some(binding) = self.ssrcs.get_mut(&ssrc)
            && !binding.declared
        {
            self.ends = self.ends.wrapping_add(1);
            let before = binding.ended.replace(self.ends);
            if let Some(before) = before {
                self.ended.remove(&(before, ssrc));
            }
            self.ended.insert((self.ends, ssrc));
        }
    }

    /// Makes room for new SSRCs; false if the others are all in use.
    fn make_room(&mut self, needed: usize) -> bool {
        while self.ssrcs.len().saturating_add(needed) > MAX_SSRCS {
            let Some(&(_, oldest)) = self.ended.first() else {
                return false;
            };
            self.forget(oldest);
        }
        true
    }

    /// The receiver that packets of the SSRC are for by now, if any came or were declared.
    pub(crate) fn bound(&self, ssrc: u32) -> Option<ReceiverId> {
        self.ssrcs.get(&ssrc).map(|binding| binding.receiver)
    }

    /// Finds the receiver. A match by anything but the SSRC binds the SSRC from then on.
    ///
    /// `Unknown` if nothing matches, or what matches is ambiguous.
    pub(crate) fn route(
        &mut self,
        ssrc: u32,
        payload_type: u8,
        mid: Option<&str>,
        rid: Option<&str>,
    ) -> Route {
        let known = self.ssrcs.get(&ssrc).copied();
        if let Some(binding) = known.filter(|binding| binding.ended.is_none()) {
            return Route::Receiver(binding.receiver);
        }
        let found = self.find(payload_type, mid, rid);
        let Some(receiver) = found.or(known.map(|binding| binding.receiver)) else {
            return Route::Unknown;
        };
        if known.is_none() && !self.make_room(1) {
            self.refused = self.refused.wrapping_add(1);
            return Route::Unknown;
        }
        self.bind(
            ssrc,
            Binding {
                receiver,
                declared: false,
                ended: None,
            },
        );
        Route::Receiver(receiver)
    }

    /// Packets that had a receiver but came from one SSRC too many.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// SSRCs bound to a receiver, declared and learnt.
    #[cfg(test)]
    pub(crate) fn ssrcs_of(&self, id: ReceiverId) -> impl Iterator<Item = u32> + '_ {
        self.ssrcs
            .iter()
            .filter(move |(_, binding)| binding.receiver == id && binding.ended.is_none())
            .map(|(ssrc, _)| *ssrc)
    }

    fn find(&self, payload_type: u8, mid: Option<&str>, rid: Option<&str>) -> Option<ReceiverId> {
        let labels = &self.labels;
        if let Some(named) = mid.and_then(|mid| labels.by_mid(mid)) {
            let rid_of = |id: &ReceiverId| self.receivers.get(id)?.rid.as_deref();
            return only(named.iter().filter(|id| rid_of(id) == rid))
                .or_else(|| only(named.iter().filter(|id| rid_of(id).is_none())))
                .or_else(|| only(named.iter().filter(|_| rid.is_none())));
        }
        // A packet with a MID that nobody declared is not for a receiver that declared another.
        let with_mid = mid.is_none();
        if let Some(rid) = rid
            && let Some(found) = only(labels.by_rid(rid, with_mid))
        {
            return Some(found);
        }
        // The payload type decides only for receivers without SSRC: the same payload type twice
        // is legal when SSRCs tell the streams apart. Those without MID come first.
        let with_rid = rid.is_none();
        let mut plain = labels.by_type(payload_type, false, with_rid).peekable();
        if plain.peek().is_some() {
            return only(plain);
        }
        only(labels.by_type(payload_type, with_mid, with_rid))
    }

    fn bind_declared(&mut self, receiver: ReceiverId, declaration: &Declaration) {
        let new = declaration.ssrcs.iter();
        self.make_room(new.filter(|ssrc| !self.ssrcs.contains_key(ssrc)).count());
        for ssrc in &declaration.ssrcs {
            self.bind(
                *ssrc,
                Binding {
                    receiver,
                    declared: true,
                    ended: None,
                },
            );
        }
    }

    fn check(&self, id: ReceiverId, new: &Declaration) -> Result<()> {
        if new.ssrcs.is_empty()
            && new.mid.is_none()
            && new.rid.is_none()
            && new.payload_types.is_empty()
        {
            return Err(Error::invalid_parameters(
                "nothing tells the packets of this track: no SSRC, MID, RID or payload type",
            ));
        }
        for payload_type in &new.payload_types {
            check_payload_type(*payload_type)?;
        }
        let mut added = 0usize;
        for ssrc in &new.ssrcs {
            match self.ssrcs.get(ssrc) {
                Some(binding) if binding.declared && binding.receiver != id => {
                    return Err(Error::invalid_parameters(format!(
                        "SSRC {ssrc} belongs to another receiver"
                    )));
                }
                Some(_) => {}
                None => added = added.saturating_add(1),
            }
        }
        let all = self.ssrcs.len();
        let in_use = || all.saturating_sub(self.ended.len());
        if all.saturating_add(added) > MAX_SSRCS && in_use().saturating_add(added) > MAX_SSRCS {
            return Err(Error::invalid_parameters(format!(
                "more than {MAX_SSRCS} SSRCs on one connection"
            )));
        }
        self.check_labels(id, new)
    }

    /// Whether something tells its packets from those of the others.
    fn check_labels(&self, id: ReceiverId, new: &Declaration) -> Result<()> {
        let other = |other: &ReceiverId| {
            let declaration = self.receivers.get(other);
            declaration.filter(|old| *other != id && old.rid == new.rid)
        };
        if let Some(mid) = &new.mid
            && let Some(named) = self.labels.by_mid(mid)
            && (named.iter().filter_map(other))
                .any(|old| new.ssrcs.is_empty() || old.ssrcs.is_empty())
        {
            return Err(Error::invalid_parameters(format!(
                "MID {mid:?} is used twice, and no SSRC tells the tracks apart"
            )));
        }
        if new.ssrcs.is_empty() && new.mid.is_none() {
            for payload_type in &new.payload_types {
                let mut same = self.labels.by_type(*payload_type, false, new.rid.is_some());
                if same.any(|old| other(old).is_some()) {
                    return Err(Error::invalid_parameters(format!(
                        "payload type {payload_type} is used twice, and no SSRC or MID tells the \
                         tracks apart"
                    )));
                }
            }
        }
        Ok(())
    }
}
