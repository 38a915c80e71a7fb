//! Names that a peer chose: what they may be on this side's disk, and how they are shown.

use std::fmt::Write as _;

/// The longest component, in bytes: file systems take 255, and the names beside it are longer.
const MAX_NAME: usize = 200;
/// The file that grows, and what is known of it, are named so behind the name.
pub(super) const PART: &str = ".ortc.part";
/// See [`PART`].
pub(super) const STATE: &str = ".ortc.state";

/// Names that Windows gives to devices, with whatever extension.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// A name for one component of a path that means nothing but itself on any system.
pub(crate) fn sanitised(name: &str) -> String {
    let mut clean = String::new();
    for c in name.chars() {
        clean.push(match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '~' => '_',
            c if is_unseen(c) || is_lookalike(c) => '_',
            c => c,
        });
        if clean.len() > MAX_NAME {
            break;
        }
    }
    let clean = cut(&clean, MAX_NAME);
    // Windows drops those at the end, and with it the difference between names.
    let kept = clean.trim_end_matches(['.', ' ']).trim_start();
    let mut clean = match kept.is_empty() {
        true => "_".repeat(clean.len().clamp(1, 8)),
        false => kept.to_owned(),
    };
    if is_device(&clean) || clean.starts_with('.') {
        // No hidden files either: what a shell reads at its start is such a one.
        clean.insert(0, '_');
    }
    let lower = clean.to_lowercase();
    if [PART, STATE].iter().any(|end| lower.ends_with(end)) {
        clean.push('_');
    }
    clean
}

/// At most so many bytes of a text.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev();
    let mut ends = end.filter_map(|end| text.get(..end));
    ends.next().unwrap_or_default()
}

/// Control characters, those that turn the direction of text, and those without width.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What looks like, or is normalised to, a character that separates or means something.
fn is_lookalike(c: char) -> bool {
    matches!(c,
        '\u{2024}'..='\u{2026}' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f8}' | '\u{29f9}'
        | '\u{fe52}' | '\u{fe55}' | '\u{fe68}' | '\u{ff0e}' | '\u{ff0f}' | '\u{ff1a}' | '\u{ff3c}'
        | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{3000}' | '\u{fe19}' | '\u{a789}')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_lowercase();
    if DEVICES.iter().any(|device| *device == stem) {
        return true;
    }
    let numbered = stem
        .strip_prefix("com")
        .or_else(|| stem.strip_prefix("lpt"));
    // The superscripts 1 to 3 are digits to Windows, too.
    let digit = |c: char| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³');
    numbered.is_some_and(|rest| {
        let mut rest = rest.chars();
        rest.next().is_some_and(digit) && rest.next().is_none()
    })
}

/// Text from a peer as a terminal or a log may show it: what could steer it is escaped.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unseen(c) {
            true => drop(write!(shown, "\\u{{{:x}}}", u32::from(c))),
            false => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_i02_what_steers_a_terminal_is_escaped() {
        let hostile = "a\u{1b}[31mred\n\u{202e}gpj.exe\u{7}\u{9b}2J\u{200b}\u{feff}";
        let shown = shown(hostile);
        assert!(!shown.chars().any(is_unseen), "{shown:?}");
        assert!(shown.starts_with("a\\u{1b}[31mred\\u{a}\\u{202e}gpj.exe"));
        assert_eq!(super::shown("Grüße 日本 🙂.txt"), "Grüße 日本 🙂.txt");
    }

    #[test]
    fn r_i01_plain_names_stay() {
        for name in [
            "photo.jpg",
            "Grüße 日本 🙂.txt",
            "a.b.c",
            "console",
            "common.txt",
            "x y",
        ] {
            assert_eq!(sanitised(name), name);
        }
    }

    #[test]
    fn r_i01_devices_are_no_names() {
        for name in [
            "con", "NUL.txt", "Com1", "lpt9.log", "aux.", "COM²", "prn .x",
        ] {
            assert_eq!(sanitised(name).chars().next(), Some('_'), "{name}");
        }
        assert_eq!(sanitised("x.ORTC.part"), "x.ORTC.part_");
    }
}
