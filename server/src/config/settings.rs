//! Each setting's name, how it is written, and its sentence: files, environment, flags and the
//! README have them from here.

/// How a setting is written where all is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// As it is.
    Text,
    /// Several, with commas between them.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`; as a flag, its name alone.
    Switch,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Setting {
    /// The key in a TOML file. `ORTC_` and it in capitals is the variable, with hyphens it is the flag.
    pub name: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// What it does.
    pub help: &'static str,
    /// It is a secret: not to be shown, better not given as a flag, which others can see.
    pub secret: bool,
}

const fn of(name: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting {
        name,
        kind,
        help,
        secret: false,
    }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        kind: Kind::Text,
        help,
        secret: true,
    }
}

use Kind::{List, Number, Switch, Text};

/// All settings, in the order in which a reader wants them.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    of("listen", Text, "Address and port of page, WebSocket and REST, one port for all [default: 127.0.0.1:8080]"),
    of("https_port", Number, "The port in place of that of `listen`, with TLS"),
    of("rest_port", Number, "REST, metrics and health on a port of their own, and no longer on that of the page"),
    of("hostname", Text, "The name under which the server is reached: for the address that is printed, its own certificate, and STUN"),
    of("external_ip", Text, "The address that others see, or OUTSIDE/INSIDE behind a NAT that keeps ports"),
    of("js_debug", Switch, "The page logs what it does"),
    of("cert", Text, "A certificate chain in PEM; `key` belongs to it"),
    of("key", Text, "The private key in PEM"),
    of("self_signed", Switch, "TLS with a certificate that the server makes itself; its SHA-256 is printed"),
    of("insecure_http", Switch, "Plain HTTP on an address that others reach: for a proxy that speaks TLS. Browsers give pages of plain HTTP no camera"),
    of("state_dir", Text, "A folder for the key that lets clients come back after a restart, and for the certificate made by `self_signed`"),
    of("web_dir", Text, "A folder with the page, in place of the one inside the program"),
    of("allow_origins", List, "Pages of other servers that may connect, such as https://example.org; `*` for all"),
    of("allow_missing_origin", Switch, "Programs that are no browsers need not say an Origin"),
    of("trusted_proxies", List, "Addresses of proxies whose X-Forwarded-For is believed"),
    secret("token_secret", "The secret of signed tokens (HS256), at least 32 characters; also signs invitations"),
    of("token_public_key", Text, "The public key of signed tokens (EdDSA), a PEM file"),
    of("token_required", Switch, "Nobody comes without a token"),
    of("roles_free", Switch, "Whoever comes without a token has the role that it asks for, admin too"),
    secret("resume_secret", "What lets clients come back is sealed with this, at least 32 characters [default: a file in `state_dir`, or chosen at each start; a cluster has one for all]"),
    secret("api_token", "What REST wants as `Authorization: Bearer …`; without it there is no REST"),
    of("stun_port", Number, "The UDP port that answers STUN; 0: none [default: the number of the page's port]"),
    of("stun", List, "Other STUN servers that clients are told of, such as stun:example.org:3478"),
    of("turn", List, "TURN servers that clients are told of, such as turn:example.org:3478?transport=udp"),
    secret("turn_secret", "The secret shared with the TURN server (coturn: static-auth-secret), for credentials that expire"),
    of("turn_username", Text, "The TURN server's fixed user, where it has no shared secret"),
    secret("turn_password", "That user's password"),
    of("turn_seconds", Number, "How long credentials hold that `turn_secret` makes [default: 43200]"),
    of("webhook", Text, "A URL to which each event of a room is posted"),
    secret("webhook_secret", "Signs what is posted: header `Ortc-Signature: sha256=…`, HMAC-SHA256 of the body in hex"),
    of("audit_log", Text, "A file that gets one line of JSON for each event"),
    of("call_records", Text, "A file that gets one line of JSON for each call and each stay in a room: who, from, to, seconds"),
    of("recordings", Text, "A folder for recordings that are posted to /recordings, by whom a token lets; without it none are taken"),
    of("recordings_open", Switch, "Recordings are taken without a token, too; to list and to fetch them still wants one"),
    of("recording_mb", Number, "The largest recording that is taken, in MB [default: 2048]"),
    of("recordings_mb", Number, "How much all recordings together may have, in MB [default: 20480]"),
    of("reports", Text, "A folder for the reports of people whom something went wrong for, which the page posts to /report; without it none are taken"),
    of("reports_mb", Number, "How much all reports together may have, in MB [default: 256]"),
    of("whip", Switch, "Programs that stream come into rooms by WHIP, at /whip/ROOM, and players watch by WHEP, at /whep/ROOM"),
    of("whip_port", Number, "The UDP port of all who come by WHIP and WHEP [default: a free one]"),
    of("cluster", Text, "Several servers are one: the NATS server they share, such as nats://127.0.0.1:4222"),
    of("node", Text, "This server's name in the cluster [default: chosen anew at each start]"),
    of("max_connections", Number, "The most connections at once [default: 20000]"),
    of("connections_per_address", Number, "The most connections of one address at once [default: 10000]"),
    of("connects_per_second", Number, "The most new WebSockets of one address within any second [default: 100]"),
    of("messages_per_second", Number, "The most messages of one client in a second, over five seconds [default: 50]"),
    of("max_rooms", Number, "The most rooms at once [default: 10000]"),
    of("hub", Switch, "Rooms that grow beyond their `meshUpTo` go by this server: each sends once, and the server to all"),
    of("hub_port", Number, "The UDP port of media that go by this server [default: chosen at each start]"),
    of("hub_rooms", Number, "The most rooms at once that go by this server; others stay as they are [default: 100]"),
    of("hub_people", Number, "The most people at once in all rooms that go by this server, when another is to [default: 500]"),
    of("record", Text, "A folder into which this server records rooms that go by it: those whose rules say `record`, and those that REST names; all in them are told"),
    of("record_all", Switch, "All rooms are recorded that can be, and so go by this server however few are in them"),
    of("keep_files", Text, "A folder for files that go by this server: each comes once, goes to whoever wants it, and, where its sender says so, to those who come later, until the room is over"),
    of("keep_files_minutes", Number, "How long a file is kept for those who come later, from when it was offered [default: until the room is over]"),
    of("keep_files_mb", Number, "How much all those files together may have, in MB; what there is no place for goes on from its sender to each [default: 4096]"),
    of("grace_seconds", Number, "How long a client that lost its connection keeps its place [default: 30]"),
    of("return_after_seconds", Number, "At shutdown: when clients may come back [default: 2]"),
];

impl Setting {
    /// The variable of the environment.
    pub fn variable(&self) -> String {
        format!("ORTC_{}", self.name.to_ascii_uppercase())
    }

    /// The flag, without its two hyphens.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// The setting whose name is meant, if one is near.
pub(super) fn meant(word: &str) -> Option<&'static str> {
    let plain = |text: &str| -> Vec<char> {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    let word = plain(word);
    let near = SETTINGS
        .iter()
        .map(|setting| (distance(&word, &plain(setting.name)), setting.name));
    let (steps, name) = near.min_by_key(|(steps, _)| *steps)?;
    (steps.saturating_mul(3) <= word.len()).then_some(name)
}

/// How many letters to add, drop or change.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut corner = i;
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (b, above) in other.iter().zip(row.iter().skip(1)) {
            let change = corner.saturating_add(usize::from(a != b));
            left = change
                .min(left.saturating_add(1))
                .min(above.saturating_add(1));
            next.push(left);
            corner = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fields::ServerConfig;

    #[test]
    fn d6_each_setting_has_a_sentence_and_each_sentence_a_setting() {
        let all = toml::Table::try_from(ServerConfig {
            // Absent values are not written.
            ..ServerConfig::default()
        })
        .unwrap();
        for name in all.keys() {
            assert!(
                SETTINGS.iter().any(|setting| setting.name == name),
                "{name}"
            );
        }
        for setting in SETTINGS {
            let value = match setting.kind {
                Kind::Text => "\"127.0.0.1:1\"",
                Kind::List => "[]",
                Kind::Number => "1",
                Kind::Switch => "true",
            };
            let line = format!("{} = {value}", setting.name);
            toml::from_str::<ServerConfig>(&line).unwrap();
        }
    }

    #[test]
    fn d6_the_readme_has_all_settings_with_their_sentences() {
        let readme = include_str!("../../README.md");
        for setting in SETTINGS {
            assert!(
                readme.contains(&format!("| `{}` |", setting.name)),
                "{}",
                setting.name
            );
            assert!(readme.contains(setting.help), "{}", setting.help);
        }
    }

    #[test]
    fn d6_a_name_that_is_nearly_one_is_understood() {
        assert_eq!(meant("httpsPort"), Some("https_port"));
        assert_eq!(meant("jsdebug"), Some("js_debug"));
        assert_eq!(meant("lissten"), Some("listen"));
        assert_eq!(meant("restport"), Some("rest_port"));
        assert_eq!(meant("colour"), None);
    }
}
