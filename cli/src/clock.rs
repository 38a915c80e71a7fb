//! What time it is where somebody is.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// The name of this machine's time zone in the database of IANA.
pub(crate) fn own_zone() -> Result<String, &'static str> {
    let zone = TimeZone::system();
    let name = zone.iana_name().filter(|name| *name != "Etc/Unknown");
    let name =
        name.ok_or("this machine does not say in which time zone it is; TZ=Europe/Berlin does");
    name.map(str::to_owned)
}

/// The time in the zone that somebody tells in `extra.tz`: hours and minutes. `None` if there is
/// none, or none of this name.
pub(crate) fn there(extra: &Value, now: Timestamp) -> Option<String> {
    let name = extra.get("tz")?.as_str().filter(|name| name.len() <= 64)?;
    let zone = TimeZone::get(name).ok()?;
    Some(now.to_zoned(zone).strftime("%H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn d27_the_time_there_is_that_of_the_zone() {
        // The fifteenth of January and of July 2026, noon of UTC.
        let (winter, summer) = ("2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z");
        for (zone, at, shown) in [
            ("Asia/Kathmandu", winter, "17:45"),
            ("Europe/Berlin", winter, "13:00"),
            ("Europe/Berlin", summer, "14:00"),
            ("America/New_York", summer, "08:00"),
        ] {
            let there = there(&json!({ "tz": zone }), at.parse().unwrap());
            assert_eq!(there.as_deref(), Some(shown), "{zone}");
        }
        let long = "x".repeat(100_000);
        for bad in ["", "Nowhere/Never", "../../etc/passwd", "\0", &*long] {
            assert_eq!(there(&json!({ "tz": bad }), winter.parse().unwrap()), None);
        }
        assert_eq!(there(&json!({ "tz": 1 }), winter.parse().unwrap()), None);
        assert_eq!(there(&json!(null), winter.parse().unwrap()), None);
    }
}
