use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::message::Text;
use super::pad::{MAX_TEXT, Pad, TextChange, To};
use crate::signalling::UserId;

fn id(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn random(seed: &mut u64) -> usize {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

/// Users of a room, and what is on its way between each two, which is kept in order.
#[derive(Default)]
struct Hall {
    pads: BTreeMap<UserId, Pad>,
    ways: BTreeMap<(UserId, UserId), Vec<Text>>,
    now: u64,
}

impl Hall {
    fn enter(&mut self, name: &str) {
        let me = id(name);
        let new = Pad::new();
        let others: Vec<(UserId, Text)> = self
            .pads
            .iter()
            .map(|(other, pad)| (other.clone(), pad.have()))
            .collect();
        for (other, have) in others {
            self.ways
                .entry((other.clone(), me.clone()))
                .or_default()
                .push(have);
            self.ways
                .entry((me.clone(), other))
                .or_default()
                .push(new.have());
        }
        self.pads.insert(me, new);
    }

    fn leave(&mut self, name: &str, seed: &mut u64) {
        let gone = id(name);
        self.pads.remove(&gone);
        for ((from, to), way) in &mut self.ways {
            if *to == gone {
                way.clear();
            } else if *from == gone {
                way.truncate(random(seed) % (way.len() + 1));
            }
        }
        while self.step(seed, |(from, _)| *from == gone) {}
        let mut said = Vec::new();
        for (who, pad) in &mut self.pads {
            pad.left(&gone);
            said.push((who.clone(), pad.have()));
        }
        for (from, have) in said {
            self.say(&from, vec![(None, have)]);
        }
    }

    fn say(&mut self, from: &UserId, say: Vec<(To, Text)>) {
        for (to, text) in say {
            for other in self.pads.keys() {
                if other != from && to.as_ref().is_none_or(|to| to == other) {
                    let way = (from.clone(), other.clone());
                    self.ways.entry(way).or_default().push(text.clone());
                }
            }
        }
    }

    fn step(&mut self, seed: &mut u64, which: impl Fn(&(UserId, UserId)) -> bool) -> bool {
        self.ways.retain(|_, way| !way.is_empty());
        let ways: Vec<(UserId, UserId)> =
            self.ways.keys().filter(|way| which(way)).cloned().collect();
        if ways.is_empty() {
            return false;
        }
        let way = ways[random(seed) % ways.len()].clone();
        let text = self.ways.get_mut(&way).unwrap().remove(0);
        let (from, to) = way;
        let now = self.now;
        if let Some(pad) = self.pads.get_mut(&to) {
            let before = pad.text();
            let heard = pad.hear(&from, text, now);
            assert_eq!(pad.refused, 0);
            assert_eq!(applied(&before, heard.change), pad.text());
            self.say(&to, heard.say);
        }
        true
    }

    fn settle(&mut self, seed: &mut u64) {
        let mut steps = 0;
        while self.step(seed, |_| true) {
            steps += 1;
            assert!(steps < 100_000, "they never stop talking");
        }
    }
}

/// What an event tells is what happened.
fn applied(before: &str, change: Option<TextChange>) -> String {
    let Some(change) = change else {
        return before.to_owned();
    };
    let mut characters: Vec<char> = before.chars().collect();
    characters.splice(
        change.at..change.at + change.deleted,
        change.inserted.chars(),
    );
    characters.into_iter().collect()
}

#[test]
fn d42_all_have_the_same_text_whatever_the_order_who_leaves_and_who_comes_back() {
    let words = ["tea ", "ü", "日本", "🙂", "\n", "a longer piece of text, "];
    let names = ["a", "b", "c", "d"];
    let mut letters = 0;
    for start in 1..=60_u64 {
        let seed = &mut (start * 7919);
        let mut hall = Hall {
            now: 1_000_000,
            ..Hall::default()
        };
        for name in names {
            hall.enter(name);
        }
        for _ in 0..60 {
            let me = id(names[random(seed) % names.len()]);
            hall.now += 10;
            let several = hall.pads.len() > 1;
            let Some(pad) = hall.pads.get_mut(&me) else {
                hall.enter(me.as_str());
                continue;
            };
            let length = pad.text().chars().count();
            let told = match random(seed) % 20 {
                0 if several => {
                    hall.leave(me.as_str(), seed);
                    continue;
                }
                1..=5 if length > 0 => {
                    let at = random(seed) % length;
                    let count = random(seed) % (length - at).min(9);
                    pad.edit(at, count, "").unwrap()
                }
                _ => {
                    let word = words[random(seed) % words.len()];
                    pad.edit(random(seed) % (length + 1), 0, word).unwrap()
                }
            };
            hall.say(&me, told.into_iter().map(|text| (None, text)).collect());
            for _ in 0..random(seed) % 12 {
                hall.step(seed, |_| true);
            }
        }
        hall.settle(seed);
        for name in names {
            hall.now += 10_000;
            if let Some(pad) = hall.pads.get(&id(name)) {
                let have = pad.have();
                hall.say(&id(name), vec![(None, have)]);
                hall.settle(seed);
            }
        }
        let texts: Vec<String> = hall.pads.values().map(Pad::text).collect();
        assert!(
            texts.iter().all(|text| *text == texts[0]),
            "seed {start}: {texts:?}"
        );
        letters += texts[0].chars().count();
    }
    assert!(letters > 2000, "{letters}");
}

#[test]
fn d42_a_long_text_crosses_in_bounded_messages() {
    let (mut a, mut b) = (Pad::new(), Pad::new());
    let long: String = (0..120_000_u64)
        .map(|n| char::from(b'a' + u8::try_from(n * n % 26).unwrap()))
        .collect();
    let told = a.edit(0, 0, &long).unwrap();
    assert!(told.len() > 4);
    for text in told {
        assert!(serde_json::to_string(&text).unwrap().len() < 48 * 1024);
        b.hear(&id("a"), text, 0);
    }
    assert_eq!(b.text(), long);
    assert_eq!(a.edit(0, 0, &"x".repeat(MAX_TEXT)), None);
    assert_eq!(
        (a.edit(120_001, 0, "x"), a.edit(0, 120_001, "")),
        (None, None)
    );
    assert!(a.edit(0, 120_000, "short").is_some());
    assert_eq!(a.text(), "short");
}

fn hear(pad: &mut Pad, json: Value) -> bool {
    let before = pad.refused;
    match serde_json::from_value(json) {
        Ok(text) => {
            pad.hear(&id("b"), text, 0);
        }
        Err(_) => pad.refused += 1,
    }
    pad.refused == before + 1
}

#[test]
fn d42_what_a_peer_may_not_say_is_dropped_and_counted() {
    let mut pad = Pad::new();
    pad.edit(0, 0, "tea").unwrap();
    let bytes = |bytes: &[u8]| STANDARD.encode(bytes);
    for json in [
        json!(null),
        json!({"have": {}}),
        json!({"have": {"vector": "§", "sum": 0}}),
        json!({"have": {"vector": "", "sum": 0}}),
        json!({"have": {"vector": bytes(&[0xff, 0xff, 0xff, 0x7f]), "sum": 0}}),
        json!({"have": {"vector": bytes(&[2, 1, 1]), "sum": 0}}),
        json!({"want": {"vector": "A".repeat(40_000)}}),
        json!({"update": {"data": "not base64"}}),
        json!({"update": {"data": bytes(&[9, 9, 9])}}),
        json!({"kept": {"data": bytes(&[0xff, 0xff, 0xff, 0xff, 0x0f])}}),
        json!({"dance": {}}),
    ] {
        assert!(hear(&mut pad, json.clone()), "{json}");
    }
    // More pieces than there may be.
    let piece = json!({"update": {"data": "A".repeat(50_000), "more": true}});
    let refused = (0..200).filter(|_| hear(&mut pad, piece.clone())).count();
    assert!(refused > 0);
    assert_eq!(pad.text(), "tea");
}

/// Updates that somebody has changed neither stop the program nor take its memory, and what is
/// written later still arrives.
#[test]
fn d42_altered_updates_do_no_harm() {
    let mut author = Pad::new();
    let mut updates = Vec::new();
    for (at, text) in [(0, "hello"), (5, " world"), (2, "🙂")] {
        updates.extend(author.edit(at, 0, text).unwrap());
    }
    updates.extend(author.edit(1, 3, "").unwrap());
    updates.extend(author.all());
    let rounds = if std::env::var_os("ORTC_SOAK").is_some() {
        200_000
    } else {
        1_500
    };
    let seed = &mut 42;
    let mut pad = Pad::new();
    for round in 0..rounds {
        if round % 50 == 0 {
            pad = Pad::new();
            pad.edit(0, 0, "mine").unwrap();
        }
        let (Text::Update(piece) | Text::Kept(piece)) = &updates[random(seed) % updates.len()]
        else {
            continue;
        };
        let mut bytes = STANDARD.decode(&piece.data).unwrap();
        for _ in 0..=random(seed) % 4 {
            let at = random(seed) % bytes.len();
            match random(seed) % 4 {
                0 => bytes[at] = u8::try_from(random(seed) & 0xff).unwrap(),
                1 => bytes[at] ^= 1 << (random(seed) % 8),
                2 => bytes.insert(at, 0xff),
                _ => bytes.truncate(at.max(1)),
            }
        }
        hear(
            &mut pad,
            json!({"update": {"data": STANDARD.encode(bytes)}}),
        );
        let _ = pad.have();
    }
}

#[test]
fn d42_what_is_said_has_the_form_of_the_golden_messages() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../spec/json/widgets/text.json"
    );
    let golden: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut pad = Pad::new();
    for json in &golden {
        let text: Text = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&text).unwrap(), *json);
        pad.hear(&id("b"), text, 0);
        assert_eq!(pad.refused, 0, "{json}");
    }
    assert_eq!((golden.len(), pad.text().as_str()), (5, "Tea 🙂 at five"));
    assert_eq!(serde_json::to_value(pad.have()).unwrap(), golden[0]);
}
