//! Which receiver a packet is for: SSRC, then MID, then RID, then payload type (conformance
//! row G24).

use std::collections::BTreeMap;

use super::demux::check_payload_type;
use crate::error::{Error, Result};

/// Bound on known SSRCs, declared and learnt. A packet of one more is `Unknown`, and counted;
/// declaring one more is an error.
const MAX_SSRCS: usize = 1_000;

/// A receiver, as the router numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ReceiverId(pub(crate) u32);

/// What the application said about the packets of one receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// "audio", "video", ...; an SSRC cannot change its kind.
    pub(crate) kind: &'static str,
    pub(crate) ssrcs: Vec<u32>,
    pub(crate) mid: Option<String>,
    pub(crate) rid: Option<String>,
    pub(crate) payload_types: Vec<u8>,
}

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
    receivers: Vec<(ReceiverId, Declaration)>,
    ssrcs: BTreeMap<u32, Binding>,
    next: u32,
    ends: u64,
    refused: u64,
}

impl Router {
    /// Declares a receiver. One that shares an SSRC with an existing receiver of the same kind
    /// updates it, and gets its identifier (conformance row G11).
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
                self.receivers.push((id, declaration));
                Ok(id)
            }
        }
    }

    /// Replaces what was declared; SSRCs learnt from packets stay bound.
    pub(crate) fn update(&mut self, id: ReceiverId, declaration: Declaration) -> Result<()> {
        self.check(id, &declaration)?;
        let Some((_, current)) = self.receivers.iter_mut().find(|(other, _)| *other == id) else {
            return Err(Error::invalid_parameters("no such receiver"));
        };
        if current.kind != declaration.kind {
            return Err(Error::invalid_parameters(format!(
                "the SSRC is already received as {}, not {}",
                current.kind, declaration.kind
            )));
        }
        *current = declaration.clone();
        self.ssrcs
            .retain(|_, binding| binding.receiver != id || !binding.declared);
        self.bind_declared(id, &declaration);
        Ok(())
    }

    /// Forgets a receiver and its SSRCs.
    pub(crate) fn remove(&mut self, id: ReceiverId) {
        self.receivers.retain(|(other, _)| *other != id);
        self.ssrcs.retain(|_, binding| binding.receiver != id);
    }

    /// The source of an SSRC ended, e.g. with a BYE. If it was learnt, it is bound anew by what its
    /// packets say, or without a word to the same receiver, and makes room for others.
    pub(crate) fn unbind(&mut self, ssrc: u32) {
        if let Some(binding) = self.ssrcs.get_mut(&ssrc)
            && !binding.declared
        {
            self.ends = self.ends.wrapping_add(1);
            binding.ended = Some(self.ends);
        }
    }

    /// Makes room for new SSRCs; false if the others are all in use.
    fn make_room(&mut self, needed: usize) -> bool {
        while self.ssrcs.len().saturating_add(needed) > MAX_SSRCS {
            let ended = self
                .ssrcs
                .iter()
                .filter_map(|(ssrc, b)| Some((b.ended?, *ssrc)));
            let Some((_, oldest)) = ended.min() else {
                return false;
            };
            self.ssrcs.remove(&oldest);
        }
        true
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
        self.ssrcs.insert(
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
    #[cfg(test)]
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
        if mid.is_some() && self.receivers.iter().any(|(_, d)| d.mid.as_deref() == mid) {
            let exact = |d: &Declaration| d.mid.as_deref() == mid && d.rid.as_deref() == rid;
            let any_rid = |d: &Declaration| d.mid.as_deref() == mid && d.rid.is_none();
            let any = |d: &Declaration| d.mid.as_deref() == mid && rid.is_none();
            return self
                .unique(exact)
                .or_else(|| self.unique(any_rid))
                .or_else(|| self.unique(any));
        }
        // A packet with a MID that nobody declared is not for a receiver that declared another.
        let fits_mid = |d: &Declaration| d.mid.is_none() || mid.is_none();
        if rid.is_some() {
            let found = self.unique(|d| fits_mid(d) && d.rid.as_deref() == rid);
            if found.is_some() {
                return found;
            }
        }
        // The payload type decides only for receivers without SSRC: the same payload type twice
        // is legal when SSRCs tell the streams apart. Those without MID come first.
        let by_type = |d: &Declaration| {
            d.ssrcs.is_empty()
                && (d.rid.is_none() || rid.is_none())
                && d.payload_types.contains(&payload_type)
        };
        if self
            .receivers
            .iter()
            .any(|(_, d)| d.mid.is_none() && by_type(d))
        {
            return self.unique(|d| d.mid.is_none() && by_type(d));
        }
        self.unique(|d| fits_mid(d) && by_type(d))
    }

    fn unique(&self, matches: impl Fn(&Declaration) -> bool) -> Option<ReceiverId> {
        let mut found = self.receivers.iter().filter(|(_, d)| matches(d));
        match (found.next(), found.next()) {
            (Some((id, _)), None) => Some(*id),
            _ => None,
        }
    }

    fn bind_declared(&mut self, receiver: ReceiverId, declaration: &Declaration) {
        let new = declaration.ssrcs.iter();
        self.make_room(new.filter(|ssrc| !self.ssrcs.contains_key(ssrc)).count());
        for ssrc in &declaration.ssrcs {
            self.ssrcs.insert(
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
        let in_use = || self.ssrcs.values().filter(|b| b.ended.is_none()).count();
        if all.saturating_add(added) > MAX_SSRCS && in_use().saturating_add(added) > MAX_SSRCS {
            return Err(Error::invalid_parameters(format!(
                "more than {MAX_SSRCS} SSRCs on one connection"
            )));
        }
        for (_, old) in self.receivers.iter().filter(|(other, _)| *other != id) {
            if !new.ssrcs.is_empty() && !old.ssrcs.is_empty() {
                continue;
            }
            if new.mid.is_some() && new.mid == old.mid && new.rid == old.rid {
                return Err(Error::invalid_parameters(format!(
                    "MID {:?} is used twice, and no SSRC tells the tracks apart",
                    new.mid.as_deref().unwrap_or_default()
                )));
            }
            let by_type_alone = |d: &Declaration| d.ssrcs.is_empty() && d.mid.is_none();
            if by_type_alone(new)
                && by_type_alone(old)
                && new.rid == old.rid
                && let Some(payload_type) = new
                    .payload_types
                    .iter()
                    .find(|payload_type| old.payload_types.contains(payload_type))
            {
                return Err(Error::invalid_parameters(format!(
                    "payload type {payload_type} is used twice, and no SSRC or MID tells the \
                     tracks apart"
                )));
            }
        }
        Ok(())
    }
}
