//! What is kept of a recording beside its bytes, and what its name may be.

use ortc_rooms::signalling::{RoomName, UserId};
use serde::{Deserialize, Serialize};

/// The most letters of a name.
const LETTERS: usize = 80;
/// What is kept as what it says it is; all else is bytes.
const TYPES: &[&str] = &[
    "video/webm",
    "video/mp4",
    "video/x-matroska",
    "video/x-ivf",
    "audio/webm",
    "audio/ogg",
    "audio/mp4",
    "image/png",
    "image/webp",
    "application/json",
];

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) id: String,
    pub(crate) room: RoomName,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) media_type: String,
    pub(crate) bytes: u64,
    /// In seconds since 1970.
    pub(crate) time: u64,
    /// Who left it, as its token said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) userid: Option<UserId>,
}

impl About {
    /// The file in the folder: begins with the id, whatever the name is.
    pub(crate) fn file(&self) -> String {
        format!("{}-{}", self.id, clean(&self.name))
    }
}

/// A name that is one in every file system: no folder, no hidden file, nothing that a terminal or a
/// header obeys.
pub(crate) fn clean(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || " ._-()+".contains(c);
    let letters = name.chars().map(|c| if fits(c) { c } else { '_' });
    let mut name: String = letters.take(LETTERS).collect();
    // 255 bytes are the most of a name, and there is more than this in it.
    while name.len() > 2 * LETTERS {
        name.pop();
    }
    match name.trim_matches([' ', '.']) {
        "" => "recording".to_owned(),
        // What is not whole yet is called so.
        name if name.ends_with(".part") => format!("{name}_"),
        name => name.to_owned(),
    }
}

/// A media type without its parameters, if it is one that is kept.
pub(crate) fn media_type(said: &str) -> &'static str {
    let said = said.split(';').next().unwrap_or_default().trim();
    let known = TYPES.iter().find(|known| known.eq_ignore_ascii_case(said));
    known.copied().unwrap_or("application/octet-stream")
}

/// Whether it may be an id: in no file system anything else.
pub(crate) fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (16..=64).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c34_names_of_recordings_are_names_of_files() {
        for (said, meant) in [
            ("Olga 2026.webm", "Olga 2026.webm"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "recording"),
            ("", "recording"),
            (".hidden", "hidden"),
            ("a\0b\r\nc\"d", "a_b__c_d"),
            ("gpj.\u{202e}exe", "gpj._exe"),
            ("C:\\a|b", "C__a_b"),
            ("Müller.webm", "Müller.webm"),
            ("name. . ", "name"),
            ("a.part", "a.part_"),
        ] {
            assert_eq!(clean(said), meant, "{said:?}");
        }
        assert!(clean(&"x".repeat(5_000)).len() <= LETTERS);
        assert!(clean(&"漢".repeat(5_000)).len() <= 2 * LETTERS);
        assert_eq!(media_type("Video/WebM;codecs=vp8"), "video/webm");
        assert_eq!(media_type("text/html"), "application/octet-stream");
        assert!(is_id("0123456789abcdef"));
        for bad in [
            "",
            "..",
            "0123456789abcdeF",
            "0123456789abcde/",
            "../../../../../../x",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
