//! Names of users, rooms and calls: what may be one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing, or nothing but blanks.
    #[error("a {0} needs at least one character")]
    Empty(&'static str),
    /// More bytes than the limit, which is the second.
    #[error("a {0} has at most {1} bytes")]
    Long(&'static str, usize),
    /// Control characters, line breaks, or blanks at an end.
    #[error("a {0} has no control characters, and no blank at its ends")]
    Character(&'static str),
}

fn checked(text: &str, what: &'static str, limit: usize) -> Result<(), BadName> {
    if text.trim().is_empty() {
        Err(BadName::Empty(what))
    } else if text.len() > limit {
        Err(BadName::Long(what, limit))
    } else if text.trim() != text || text.chars().any(char::is_control) {
        Err(BadName::Character(what))
    } else {
        Ok(())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most bytes that one has.
            pub const MAX_BYTES: usize = $limit;

            /// # Errors
            ///
            /// [`BadName`] if the text is empty, too long or has characters that no name has.
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                checked(&text, $what, Self::MAX_BYTES)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Who somebody is, unique among those who are connected to a server.
    UserId,
    "user id",
    64
);
name!(
    /// What a room is called. `channel/room` is a room of a channel: lobbies can be asked for the
    /// rooms of one channel.
    RoomName,
    "room's name",
    128
);
name!(
    /// One call, from its request to its end; the caller chooses it, unique among its own.
    CallId,
    "call id",
    64
);

impl RoomName {
    /// What stands before the last slash; empty without one.
    pub fn channel(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(channel, _)| channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_characters_and_no_blanks_at_their_ends() {
        for good in ["a", "müller", "Room 7", "channel/room", &"x".repeat(64)] {
            assert_eq!(UserId::new(good).unwrap().as_str(), good);
        }
        assert_eq!(UserId::new(" "), Err(BadName::Empty("user id")));
        let long = "x".repeat(65);
        assert_eq!(UserId::new(long), Err(BadName::Long("user id", 64)));
        for bad in [" a", "a\t", "a\nb", "a\0b", "\u{7f}"] {
            assert_eq!(
                UserId::new(bad),
                Err(BadName::Character("user id")),
                "{bad:?}"
            );
        }
        let read: Result<UserId, _> = serde_json::from_str("\" a\"");
        assert!(
            read.unwrap_err()
                .to_string()
                .contains("no blank at its ends")
        );
    }

    #[test]
    fn a_room_may_belong_to_a_channel() {
        let channel = |name: &str| RoomName::new(name).unwrap().channel().to_owned();
        assert_eq!(channel("demo"), "");
        assert_eq!(channel("team/demo"), "team");
        assert_eq!(channel("a/b/c"), "a/b");
    }
}
