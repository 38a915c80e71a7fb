//! Text without the addresses of people.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

/// What stands in the place of one.
const ADDRESS: &str = "[address]";

/// The text, without addresses of IP and without signed tokens, wherever in it they stand.
pub(crate) fn scrubbed(text: &str) -> String {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let of_v4 = |_: Option<char>, run: &str, _: Option<char>| run.parse::<Ipv4Addr>().is_ok();
    let text = without(text, digits, of_v4, ADDRESS);
    let hexes = |c: char| c.is_ascii_hexdigit() || c == ':';
    // In `ortc::engine` there is none.
    let whole = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let is_v6 = |before: Option<char>, run: &str, after: Option<char>| {
        run.parse::<Ipv6Addr>().is_ok() && whole(before) && whole(after)
    };
    let text = without(&text, hexes, is_v6, ADDRESS);
    // Three parts in Base64, of which the first begins with `{"`: RFC 7519 section 3.
    let base64 = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_token = |_: Option<char>, run: &str, _: Option<char>| {
        run.contains("eyJ") && run.matches('.').count() >= 2
    };
    without(&text, base64, is_token, "[token]")
}

/// Puts a word in the place of each run of such characters that is one of those, which are told
/// what stands before and behind it. What ends a sentence is not of the run.
fn without(
    text: &str,
    of_run: impl Fn(char) -> bool,
    is_one: impl Fn(Option<char>, &str, Option<char>) -> bool,
    instead: &str,
) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&of_run) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !of_run(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        let bare = run
            .strip_suffix(['.', ':'])
            .filter(|run| !run.ends_with([':', '.']));
        let bare = bare.unwrap_or(run);
        clean.push_str(before);
        let tail = run.get(bare.len()..).unwrap_or_default();
        let next = tail.chars().chain(after.chars()).next();
        let one = is_one(clean.chars().next_back(), bare, next);
        clean.push_str(if one { instead } else { bare });
        clean.push_str(tail);
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// The same of each text in it.
pub(crate) fn scrub(value: &mut Value) {
    match value {
        Value::String(text) => *text = scrubbed(text),
        Value::Array(values) => values.iter_mut().for_each(scrub),
        Value::Object(members) => members.values_mut().for_each(scrub),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d39_reports_have_no_addresses() {
        for (said, kept) in [
            (
                "from 192.0.2.1:5000 to [2001:db8::1]:80.",
                "from [address]:5000 to [[address]]:80.",
            ),
            ("CP127.0.0.1:7-192.0.2.2:8", "CP[address]:7-[address]:8"),
            ("CP[fd00::2]:7-[::1]:8", "CP[[address]]:7-[[address]]:8"),
            ("(fe80::1%eth0)", "([address]%eth0)"),
            ("192.0.2.1/24, ::1", "[address]/24, [address]"),
            ("\"10.0.0.1\" 10.0.0.1.", "\"[address]\" [address]."),
            ("2001:db8:0:0:0:0:0:1: no", "[address]: no"),
            (
                "ortc::engine at 12:30:45.5, 1.2.3",
                "ortc::engine at 12:30:45.5, 1.2.3",
            ),
            ("AB:CD:EF:00:11:22", "AB:CD:EF:00:11:22"),
            ("...:::.. Müller 1", "...:::.. Müller 1"),
            ("", ""),
        ] {
            assert_eq!(scrubbed(said), kept);
        }
        let token = format!("eyJ{}.eyJ{}.x", "a".repeat(30), "b".repeat(30));
        assert_eq!(scrubbed(&format!("?token={token}&a")), "?token=[token]&a");
    }
}
