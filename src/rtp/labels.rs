//! Receivers by what may tell their packets, so that finding one costs the same among many.

use std::collections::{BTreeMap, BTreeSet};

use super::declaration::{Declaration, ReceiverId};

type Ids = BTreeSet<ReceiverId>;

#[derive(Debug, Default)]
pub(super) struct Labels {
    mids: BTreeMap<String, Ids>,
    /// By RID, those without MID apart from those with one.
    rids: BTreeMap<(String, bool), Ids>,
    /// Those without SSRC by payload type, and by whether they have a MID and a RID.
    types: BTreeMap<(u8, bool, bool), Ids>,
}

/// The only one of them.
pub(super) fn only<'a>(mut ids: impl Iterator<Item = &'a ReceiverId>) -> Option<ReceiverId> {
    match (ids.next(), ids.next()) {
        (Some(id), None) => Some(*id),
        _ => None,
    }
}

fn take<K: Ord>(map: &mut BTreeMap<K, Ids>, key: K, id: ReceiverId) {
    if let Some(ids) = map.get_mut(&key) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(&key);
        }
    }
}

impl Labels {
    pub(super) fn add(&mut self, id: ReceiverId, of: &Declaration) {
        let has_mid = of.mid.is_some();
        if let Some(mid) = &of.mid {
            self.mids.entry(mid.clone()).or_default().insert(id);
        }
        if let Some(rid) = &of.rid {
            let key = (rid.clone(), has_mid);
            self.rids.entry(key).or_default().insert(id);
        }
        if of.ssrcs.is_empty() {
            for payload_type in &of.payload_types {
                let key = (*payload_type, has_mid, of.rid.is_some());
                self.types.entry(key).or_default().insert(id);
            }
        }
    }

    /// The opposite of `add` with the same declaration.
    pub(super) fn remove(&mut self, id: ReceiverId, of: &Declaration) {
        let has_mid = of.mid.is_some();
        if let Some(mid) = &of.mid {
            take(&mut self.mids, mid.clone(), id);
        }
        if let Some(rid) = &of.rid {
            take(&mut self.rids, (rid.clone(), has_mid), id);
        }
        for payload_type in &of.payload_types {
            let key = (*payload_type, has_mid, of.rid.is_some());
            take(&mut self.types, key, id);
        }
    }

    pub(super) fn by_mid(&self, mid: &str) -> Option<&Ids> {
        self.mids.get(mid)
    }

    /// Those without MID, and `with_mid` those that have one.
    pub(super) fn by_rid(&self, rid: &str, with_mid: bool) -> impl Iterator<Item = &ReceiverId> {
        let of = |has_mid| self.rids.get(&(rid.to_owned(), has_mid));
        let with = with_mid.then(|| of(true)).flatten();
        of(false).into_iter().chain(with).flatten()
    }

    /// Those without SSRC, MID and RID, and, where asked for, those that have the latter two.
    pub(super) fn by_type(
        &self,
        payload_type: u8,
        with_mid: bool,
        with_rid: bool,
    ) -> impl Iterator<Item = &ReceiverId> {
        let keys = [(false, false), (false, true), (true, false), (true, true)];
        keys.into_iter()
            .filter(move |(mid, rid)| (with_mid || !mid) && (with_rid || !rid))
            .filter_map(move |(mid, rid)| self.types.get(&(payload_type, mid, rid)))
            .flatten()
    }
}
