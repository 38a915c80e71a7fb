//! Codes of three words: the first names the room, all three are the secret of both ends.
//!
//! The words are the English ones of BIP-39, 2,048 that differ in their first four letters. The
//! server learns the first; of the other two it can try one pair at a time, as anybody can.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

use crate::failed::Failed;

const WORDS: &str = include_str!("words.txt");
const COUNT: usize = 3;

/// Three words.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code([&'static str; COUNT]);

impl Code {
    pub(crate) fn random() -> Result<Self, Failed> {
        let words: Vec<&str> = WORDS.lines().collect();
        let mut bytes = [[0_u8; 2]; COUNT];
        for pair in &mut bytes {
            SystemRandom::new()
                .fill(pair)
                .map_err(|_| "the system gives no random numbers")?;
        }
        // The list has 2^11 words, so that each has the same chance.
        let word = |pair: [u8; 2]| {
            let number = usize::from(u16::from_be_bytes(pair)) % 2048;
            words.get(number).copied().unwrap_or_default()
        };
        Ok(Self(bytes.map(word)))
    }

    /// Where both ends meet. All that the server learns of the code.
    pub(crate) fn room(&self) -> String {
        format!("code/{}", self.word())
    }

    /// The first word, which is no secret.
    pub(crate) fn word(&self) -> &'static str {
        let [first, ..] = self.0;
        first
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, two, three] = self.0;
        write!(f, "{one}-{two}-{three}")
    }
}

/// Not to be in logs by chance.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

impl FromStr for Code {
    type Err = String;

    /// Takes words in any case, with `-` or spaces between, and their first four letters for them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_lowercase();
        let mut said = lower.split(|c: char| c == '-' || c.is_whitespace());
        let mut code = [""; COUNT];
        for word in &mut code {
            let typed = said.next().unwrap_or_default();
            *word = known(typed).ok_or_else(|| match typed.is_empty() {
                true => "a code has three words, like above-ladder-zebra".to_owned(),
                false => format!("{typed:?} is no word of a code"),
            })?;
        }
        match said.next() {
            None => Ok(Self(code)),
            Some(_) => Err("a code has three words".to_owned()),
        }
    }
}

fn known(typed: &str) -> Option<&'static str> {
    let exact = WORDS.lines().find(|word| *word == typed);
    exact.or_else(|| {
        let begins = |word: &&str| typed.len() >= 4 && word.starts_with(typed);
        WORDS.lines().find(begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e01_the_list_has_2048_words_that_four_letters_tell() {
        let mut begins: Vec<&str> = WORDS
            .lines()
            .map(|word| &word[..word.len().min(4)])
            .collect();
        assert_eq!(begins.len(), 2048);
        begins.sort_unstable();
        begins.dedup();
        assert_eq!(begins.len(), 2048);
        assert!(
            WORDS
                .lines()
                .all(|word| word.chars().all(|c| c.is_ascii_lowercase()))
        );
    }

    #[test]
    fn e01_a_code_is_read_as_people_type_it() {
        let code = Code::random().unwrap();
        assert_eq!(code.to_string().parse(), Ok(code.clone()));
        assert_eq!(
            code.to_string().to_uppercase().replace('-', " ").parse(),
            Ok(code.clone())
        );
        assert!("abov ladder  zebra".parse::<Code>().is_err());
        assert_eq!(
            "abov ladd zebr".parse::<Code>().unwrap().to_string(),
            "above-ladder-zebra"
        );
        assert!(!format!("{code:?}").contains('-'));
        for bad in [
            "",
            "above",
            "above-ladder",
            "above-ladder-zebra-zoo",
            "above-ladder-xyzzy",
        ] {
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
    }
}
