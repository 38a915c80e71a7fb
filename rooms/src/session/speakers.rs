//! Who speaks, by how loud each is: no decoding, and no more than levels and times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ortc::AudioLevel;

use crate::signalling::UserId;

/// Between two looks at the levels.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Whoever is this loud, in -dBov, begins to speak: voices are, rooms and fans are not.
const BEGINS: u8 = 45;
/// Whoever speaks still does while it is this loud.
const GOES_ON: u8 = 55;
/// A sound that is over sooner was no speech.
const SOUND: Duration = Duration::from_millis(300);
/// A pause in what is no speech yet.
const GAP: Duration = Duration::from_millis(150);
/// A pause in speech.
const BREATH: Duration = Duration::from_millis(1_500);
/// All are told no more often.
const RATE: Duration = Duration::from_millis(250);
/// Those who are named, who spoke last first.
const MOST: usize = 16;

/// Who speaks, and who spoke before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranking {
    /// Who spoke last, that one first.
    pub(super) order: Vec<UserId>,
    /// Those of them who speak now.
    pub(super) speaking: Vec<UserId>,
}

/// What was heard of all.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    voices: BTreeMap<UserId, Voice>,
    told: Ranking,
    told_at: Option<Instant>,
    looked: Option<Instant>,
    /// Time in which nobody looked.
    missed: Duration,
}

#[derive(Debug, Default)]
struct Voice {
    /// Since when it is loud, and when it last was.
    loud: Option<(Instant, Instant)>,
    /// Since when it speaks.
    speaks: Option<Instant>,
    /// When it last spoke.
    spoke: Option<Instant>,
}

impl Voice {
    fn hear(&mut self, now: Instant, level: Option<AudioLevel>) {
        let (least, pause) = match self.speaks {
            Some(_) => (GOES_ON, BREATH),
            None => (BEGINS, GAP),
        };
        let is_loud = level.is_some_and(|level| level.level <= least);
        self.loud = match self.loud {
            Some((since, _)) if is_loud => Some((since, now)),
            None if is_loud => Some((now, now)),
            Some((_, last)) if now.saturating_duration_since(last) > pause => None,
            other => other,
        };
        match self.loud {
            None => self.speaks = None,
            Some((since, last)) => {
                if self.speaks.is_none() && last.saturating_duration_since(since) >= SOUND {
                    self.speaks = Some(since);
                }
                if self.speaks.is_some() {
                    self.spoke = Some(last);
                }
            }
        }
    }

    /// The greater comes first: who speaks, and of those who began last; else who spoke last.
    fn rank(&self) -> Option<(bool, Instant)> {
        let speaks = self.speaks.map(|since| (true, since));
        speaks.or(self.spoke.map(|spoke| (false, spoke)))
    }
}

impl Speakers {
    /// Takes in how loud each of those who are there is; what all are to be told, if it is another
    /// than before.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        levels: BTreeMap<UserId, Option<AudioLevel>>,
    ) -> Option<Ranking> {
        let now = self.without_gaps(now);
        self.voices.retain(|userid, _| levels.contains_key(userid));
        for (userid, level) in levels {
            let voice = self.voices.entry(userid).or_default();
            voice.hear(now, level);
        }
        let told = self.told_at.map(|at| now.saturating_duration_since(at));
        if told.is_some_and(|since| since < RATE) {
            return None;
        }
        let ranking = self.ranking();
        if ranking == self.told {
            return None;
        }
        self.told_at = Some(now);
        self.told = ranking.clone();
        Some(ranking)
    }

    /// A machine that stood still has heard nothing meanwhile: that is no pause of anybody's.
    fn without_gaps(&mut self, now: Instant) -> Instant {
        let since = self.looked.replace(now);
        let since = since.map(|looked| now.saturating_duration_since(looked));
        let gap = since
            .unwrap_or_default()
            .saturating_sub(LOOK.saturating_mul(2));
        self.missed = self.missed.saturating_add(gap);
        now.checked_sub(self.missed).unwrap_or(now)
    }

    /// What all were told last.
    pub(super) fn told(&self) -> &Ranking {
        &self.told
    }

    fn ranking(&self) -> Ranking {
        let voices = self.voices.iter();
        let mut ranked: Vec<_> = voices
            .filter_map(|(userid, voice)| Some((voice.rank()?, userid)))
            .collect();
        ranked.sort_by(|(one, _), (other, _)| other.cmp(one));
        ranked.truncate(MOST);
        let speaking = ranked.iter().filter(|((speaks, _), _)| *speaks);
        Ranking {
            speaking: speaking.map(|(_, userid)| (*userid).clone()).collect(),
            order: ranked.iter().map(|(_, userid)| (*userid).clone()).collect(),
        }
    }
}

impl Ranking {
    /// What one is told of it who may hear these.
    pub(super) fn of(&self, may: impl Fn(&UserId) -> bool) -> Self {
        let kept = |all: &[UserId]| all.iter().filter(|one| may(one)).cloned().collect();
        Self {
            order: kept(&self.order),
            speaking: kept(&self.speaking),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOUD: u8 = 30;
    const QUIET: u8 = 70;

    /// A clock of looks, and what was told at which of them.
    struct Hall {
        start: Instant,
        ms: u64,
        speakers: Speakers,
        told: Vec<(u64, String)>,
    }

    impl Hall {
        fn new() -> Self {
            Self {
                start: Instant::now(),
                ms: 0,
                speakers: Speakers::default(),
                told: Vec::new(),
            }
        }

        /// So many milliseconds at these levels; 255: nothing comes.
        fn hear(&mut self, ms: u64, levels: &[(&str, u8)]) {
            for _ in 0..ms / 100 {
                let heard = levels.iter().map(|(who, level)| {
                    let level = Some(*level).filter(|level| *level < 128);
                    let level = level.map(|level| AudioLevel {
                        voice: false,
                        level,
                    });
                    (UserId::new(*who).unwrap(), level)
                });
                let now = self.start + Duration::from_millis(self.ms);
                if let Some(told) = self.speakers.hear(now, heard.collect()) {
                    let speaks = told
                        .order
                        .iter()
                        .map(|who| match told.speaking.contains(who) {
                            true => who.to_string().to_uppercase(),
                            false => who.to_string(),
                        });
                    let words: Vec<String> = speaks.collect();
                    self.told.push((self.ms, words.join(" ")));
                }
                self.ms += 100;
            }
        }

        fn words(&self) -> Vec<&str> {
            self.told.iter().map(|(_, words)| words.as_str()).collect()
        }
    }

    #[test]
    fn e05_who_speaks_is_told_soon_and_once_and_stays_known() {
        let mut hall = Hall::new();
        hall.hear(1_000, &[("a", QUIET), ("b", QUIET)]);
        hall.hear(2_000, &[("a", LOUD), ("b", QUIET)]);
        // Half a second after it began, and nothing more while it goes on.
        assert_eq!(hall.told, [(1_300, "A".to_owned())]);
        hall.hear(1_000, &[("a", LOUD), ("b", LOUD)]);
        hall.hear(3_000, &[("a", QUIET), ("b", LOUD)]);
        hall.hear(3_000, &[("a", QUIET), ("b", 255)]);
        assert_eq!(hall.words(), ["A", "B A", "B a", "b a"]);
        // Nobody speaks for a minute: who did is still known, and nothing is told again.
        hall.hear(60_000, &[("a", QUIET), ("b", QUIET)]);
        assert_eq!(hall.told.len(), 4);
        hall.hear(1_000, &[("a", LOUD), ("b", QUIET)]);
        assert_eq!(hall.words().last(), Some(&"A b"));
        // Who has left is named no more.
        hall.hear(1_000, &[("b", QUIET)]);
        assert_eq!(hall.words().last(), Some(&"b"));
    }

    #[test]
    fn e05_a_knock_is_no_speech_and_a_breath_no_end() {
        let mut hall = Hall::new();
        for _ in 0..20 {
            hall.hear(200, &[("a", 10)]);
            hall.hear(300, &[("a", 127)]);
        }
        assert_eq!(hall.told, []);
        for _ in 0..20 {
            hall.hear(500, &[("a", 40)]);
            hall.hear(1_000, &[("a", 90)]);
        }
        // Quieter than at the beginning is speech still.
        hall.hear(5_000, &[("a", 50)]);
        assert_eq!(hall.words(), ["A"]);
        // What is no louder than that is none to begin with.
        hall.hear(5_000, &[("a", 127)]);
        hall.hear(5_000, &[("a", 50)]);
        assert_eq!(hall.words(), ["A", "a"]);
    }

    #[test]
    fn e05_a_machine_that_stood_still_ends_nobodys_speech() {
        let mut hall = Hall::new();
        hall.hear(1_000, &[("a", LOUD)]);
        hall.ms += 10_000;
        hall.hear(100, &[("a", 255)]);
        hall.hear(1_000, &[("a", LOUD)]);
        assert_eq!(hall.words(), ["A"]);
    }

    #[test]
    fn e05_a_hundred_who_shout_at_once_are_told_four_times_a_second() {
        let mut hall = Hall::new();
        let names: Vec<String> = (0..100).map(|at| format!("user{at}")).collect();
        // Each begins and ends at a time of its own.
        for round in 0..100u64 {
            let levels = names.iter().zip(0u64..).map(|(name, at)| {
                let loud = (round + at) / 9 % 3 == 0;
                (name.as_str(), if loud { LOUD } else { QUIET })
            });
            hall.hear(100, &levels.collect::<Vec<_>>());
        }
        assert!(
            hall.told
                .windows(2)
                .all(|pair| pair[1].0 - pair[0].0 >= 250)
        );
        assert!(hall.told.len() > 10);
        let named = hall.told.iter().map(|(_, words)| words.split(' ').count());
        assert_eq!(named.max(), Some(MOST));
    }
}
