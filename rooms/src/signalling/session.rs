//! What a session carries, and who sends to whom.

use serde::{Deserialize, Serialize};

/// What is sent in a session, and in which directions: the flags of the message `session`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionKind {
    /// Microphones.
    #[serde(skip_serializing_if = "is_false")]
    pub audio: bool,
    /// Cameras.
    #[serde(skip_serializing_if = "is_false")]
    pub video: bool,
    /// Messages and files.
    #[serde(skip_serializing_if = "is_false")]
    pub data: bool,
    /// Screens.
    #[serde(skip_serializing_if = "is_false")]
    pub screen: bool,
    /// The owner sends, all others only receive.
    #[serde(skip_serializing_if = "is_false")]
    pub oneway: bool,
    /// The owner and each of the others send to each other; the others do not.
    #[serde(skip_serializing_if = "is_false")]
    pub broadcast: bool,
    /// Everybody sends to everybody.
    #[serde(rename = "many-to-many", skip_serializing_if = "is_false")]
    pub many_to_many: bool,
    /// The same said as one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Who sends to whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Direction {
    /// Everybody to everybody.
    #[default]
    ManyToMany,
    /// The owner to each, and each to the owner.
    OneToMany,
    /// Two, to each other.
    OneToOne,
    /// The owner to each.
    OneWay,
}

/// A session that says two things about who sends to whom.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session cannot be both {0} and {1}")]
pub struct Contradiction(pub &'static str, pub &'static str);

impl SessionKind {
    /// Audio and video, in all directions.
    pub fn audio_video() -> Self {
        Self {
            audio: true,
            video: true,
            ..Self::default()
        }
    }

    /// Messages and files alone.
    pub fn data() -> Self {
        Self {
            data: true,
            ..Self::default()
        }
    }

    /// The same with messages and files.
    pub fn and_data(self) -> Self {
        Self { data: true, ..self }
    }

    /// The same in this direction. Flags that say another one are cleared.
    pub fn with_direction(self, direction: Direction) -> Self {
        Self {
            oneway: false,
            broadcast: false,
            many_to_many: false,
            direction: Some(direction),
            ..self
        }
    }

    /// Who sends to whom; without a word about it, everybody to everybody.
    ///
    /// # Errors
    ///
    /// [`Contradiction`] if two flags, or a flag and `direction`, differ.
    pub fn direction(&self) -> Result<Direction, Contradiction> {
        let said = [
            (self.oneway, "oneway", Direction::OneWay),
            (self.broadcast, "broadcast", Direction::OneToMany),
            (self.many_to_many, "many-to-many", Direction::ManyToMany),
        ];
        let mut found: Option<(&'static str, Direction)> = self
            .direction
            .map(|direction| (direction.name(), direction));
        for (_, name, direction) in said.into_iter().filter(|(set, ..)| *set) {
            match found {
                Some((other, before)) if before != direction => {
                    return Err(Contradiction(other, name));
                }
                _ => found = Some((name, direction)),
            }
        }
        Ok(found.map_or(Direction::ManyToMany, |(_, direction)| direction))
    }
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Direction::ManyToMany => "many-to-many",
            Direction::OneToMany => "one-to-many",
            Direction::OneToOne => "one-to-one",
            Direction::OneWay => "one-way",
        }
    }

    /// True if one of the two, told apart by whether it owns the room, sends to the other.
    pub fn sends(self, from_owner: bool, to_owner: bool) -> bool {
        match self {
            Direction::ManyToMany | Direction::OneToOne => true,
            Direction::OneToMany => from_owner || to_owner,
            Direction::OneWay => from_owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> SessionKind {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn c15_the_flags_have_the_names_of_the_seed() {
        let all = r#"{"audio":true,"video":true,"data":true,"screen":true,"oneway":true,"broadcast":true,"many-to-many":true}"#;
        let kind = read(all);
        assert!(kind.audio && kind.video && kind.data && kind.screen);
        assert!(kind.oneway && kind.broadcast && kind.many_to_many);
        assert_eq!(serde_json::to_string(&kind).unwrap(), all);
        assert_eq!(
            serde_json::to_string(&SessionKind::default()).unwrap(),
            "{}"
        );
    }

    #[test]
    fn c16_contradictions_are_errors() {
        let flags = ["oneway", "broadcast", "many-to-many"];
        let of = [
            Direction::OneWay,
            Direction::OneToMany,
            Direction::ManyToMany,
        ];
        let words = [
            ("many-to-many", Direction::ManyToMany),
            ("one-to-many", Direction::OneToMany),
            ("one-to-one", Direction::OneToOne),
            ("one-way", Direction::OneWay),
        ];
        for set in 0..8_usize {
            let on: Vec<usize> = (0..3).filter(|bit| set & (1 << bit) != 0).collect();
            let members: Vec<String> = on
                .iter()
                .map(|&i| format!("\"{}\":true", flags[i]))
                .collect();
            let kind = read(&format!("{{{}}}", members.join(",")));
            match on[..] {
                [] => assert_eq!(kind.direction(), Ok(Direction::ManyToMany)),
                [one] => assert_eq!(kind.direction(), Ok(of[one])),
                _ => assert!(kind.direction().is_err(), "{members:?}"),
            }
            for (word, direction) in words {
                let mut members = members.clone();
                members.push(format!("\"direction\":\"{word}\""));
                let kind = read(&format!("{{{}}}", members.join(",")));
                let fits = on.iter().all(|&i| of[i] == direction);
                assert_eq!(
                    kind.direction().ok(),
                    fits.then_some(direction),
                    "{members:?}"
                );
            }
        }
    }

    #[test]
    fn c16_who_sends_to_whom() {
        let of = |direction: Direction| {
            [(true, false), (false, true), (false, false)]
                .map(|(from, to)| direction.sends(from, to))
        };
        assert_eq!(of(Direction::ManyToMany), [true, true, true]);
        assert_eq!(of(Direction::OneToMany), [true, true, false]);
        assert_eq!(of(Direction::OneToOne), [true, true, true]);
        assert_eq!(of(Direction::OneWay), [true, false, false]);
    }
}
