//! Who talked with whom, from when to when: one record for each stay in a room and for each call.

use std::collections::HashMap;

use ortc_rooms::desk::DeskEvent;
use ortc_rooms::signalling::{CallStatus, RoomName, UserId};
use serde_json::{Value, json};

/// Stays at once that are noted; later ones get no record.
const MOST: usize = 100_000;

/// The stays that go on: since when.
#[derive(Default)]
pub(crate) struct Records {
    stays: HashMap<RoomName, HashMap<UserId, u64>>,
    count: usize,
}

impl Records {
    /// The records that an event completes.
    pub(crate) fn after(&mut self, event: &DeskEvent, now: u64) -> Vec<Value> {
        match event {
            DeskEvent::Joined { room, userid } => {
                if self.count < MOST {
                    let stays = self.stays.entry(room.clone()).or_default();
                    if stays.insert(userid.clone(), now).is_none() {
                        self.count = self.count.saturating_add(1);
                    }
                }
                Vec::new()
            }
            DeskEvent::Left { room, userid, .. } => {
                let stays = self.stays.get_mut(room);
                let since = stays.and_then(|stays| stays.remove(userid));
                since
                    .map(|since| self.stay(room, userid, since, now))
                    .into_iter()
                    .collect()
            }
            DeskEvent::RoomClosed { room } => {
                let stays = self.stays.remove(room).unwrap_or_default();
                let mut stays: Vec<_> = stays.into_iter().collect();
                stays.sort();
                let stays = stays.into_iter();
                stays
                    .map(|(userid, since)| self.stay(room, &userid, since, now))
                    .collect()
            }
            DeskEvent::Call {
                call,
                from,
                to,
                status,
                lasted_ms,
                ..
            } => {
                let ended = !matches!(status, CallStatus::Ringing | CallStatus::Accepted);
                let lasted = lasted_ms.unwrap_or(0);
                let record = || {
                    json!({
                        "kind": "call",
                        "call": call,
                        "from": from,
                        "to": to,
                        "status": status,
                        "began": now.saturating_sub(lasted),
                        "ended": now,
                        "seconds": seconds(lasted),
                    })
                };
                ended.then(record).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn stay(&mut self, room: &RoomName, userid: &UserId, since: u64, now: u64) -> Value {
        self.count = self.count.saturating_sub(1);
        json!({
            "kind": "stay",
            "room": room,
            "userid": userid,
            "began": since,
            "ended": now,
            "seconds": seconds(now.saturating_sub(since)),
        })
    }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ortc_rooms::signalling::{CallId, LeftReason, SessionKind};

    #[test]
    fn d28_stays_and_calls_are_recorded_with_their_length() {
        let mut records = Records::default();
        let room = RoomName::new("demo").unwrap();
        let [anna, bert] = ["anna", "bert"].map(|name| UserId::new(name).unwrap());
        let joined = |userid: &UserId| DeskEvent::Joined {
            room: room.clone(),
            userid: userid.clone(),
        };
        assert!(records.after(&joined(&anna), 1_000).is_empty());
        assert!(records.after(&joined(&bert), 2_000).is_empty());
        let left = DeskEvent::Left {
            room: room.clone(),
            userid: bert.clone(),
            reason: LeftReason::Left,
        };
        let [stay] = &records.after(&left, 5_500)[..] else {
            panic!()
        };
        assert_eq!(
            (&stay["userid"], &stay["seconds"]),
            (&json!("bert"), &json!(3.5))
        );
        let closed = DeskEvent::RoomClosed { room: room.clone() };
        let [stay] = &records.after(&closed, 11_000)[..] else {
            panic!()
        };
        assert_eq!(
            (&stay["userid"], &stay["seconds"]),
            (&json!("anna"), &json!(10.0))
        );
        assert_eq!(records.count, 0);
        let call = |status, lasted_ms| DeskEvent::Call {
            call: CallId::new("1").unwrap(),
            from: anna.clone(),
            to: bert.clone(),
            status,
            lasted_ms,
            session: SessionKind::default(),
        };
        assert!(
            records
                .after(&call(CallStatus::Ringing, None), 0)
                .is_empty()
        );
        assert!(
            records
                .after(&call(CallStatus::Accepted, None), 0)
                .is_empty()
        );
        let [record] = &records.after(&call(CallStatus::Gone, Some(61_000)), 100_000)[..] else {
            panic!()
        };
        assert_eq!(
            (&record["began"], &record["seconds"]),
            (&json!(39_000), &json!(61.0))
        );
        assert_eq!(
            (&record["from"], &record["to"]),
            (&json!("anna"), &json!("bert"))
        );
    }
}
