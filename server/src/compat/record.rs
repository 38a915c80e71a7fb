//! A channel as the SDK's server kept it.

use ortc_rooms::room::RoomRecord;
use ortc_rooms::signalling::{RoomName, UserId};
use serde::Serialize;

/// The record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    channel: RoomName,
    timestamp: String,
    max_allowed: usize,
    users: Vec<UserId>,
    status: &'static str,
    endtimestamp: u64,
    log: Vec<String>,
}

/// Of a room.
pub(crate) fn record(room: &RoomRecord) -> Record {
    let users: Vec<UserId> = room
        .members
        .iter()
        .map(|member| member.user.userid.clone())
        .collect();
    let timestamp = written(room.epoch);
    // The first may have left; who owns the channel now then stands for it.
    let opener = room
        .members
        .first()
        .filter(|first| first.since <= room.epoch.saturating_add(1_000));
    let opener = opener.map_or(&room.owner, |first| &first.user.userid);
    let mut log = vec![format!(
        "{timestamp}:-channel created . User {opener} waiting "
    )];
    let later = room
        .members
        .iter()
        .filter(|member| member.user.userid != *opener);
    log.extend(later.map(|member| {
        format!(
            "{}:-User {} joined ",
            written(member.since),
            member.user.userid
        )
    }));
    Record {
        channel: room.room.clone(),
        timestamp,
        max_allowed: room.policy.places(),
        status: if users.len() > 1 { "active" } else { "waiting" },
        users,
        endtimestamp: 0,
        log,
    }
}

/// Milliseconds since 1970 as `12/18/2018, 10:18:01 PM`, in UTC.
fn written(at: u64) -> String {
    let seconds = at / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = match hour % 12 {
        0 => 12,
        hour => hour,
    };
    format!("{month}/{day}/{year}, {hour}:{minute:02}:{second:02} {half}")
}

/// Year, month and day of a day since 1970.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "days of milliseconds in 64 bits are few"
)]
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // 400 years have 146,097 days.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d53_times_are_written_as_in_the_seed() {
        assert_eq!(written(1_545_171_481_000), "12/18/2018, 10:18:01 PM");
        assert_eq!(written(0), "1/1/1970, 12:00:00 AM");
        assert_eq!(written(951_826_210_000), "2/29/2000, 12:10:10 PM");
        assert_eq!(written(1_709_210_096_789), "2/29/2024, 12:34:56 PM");
        assert!(written(u64::MAX).ends_with('M'));
    }
}
