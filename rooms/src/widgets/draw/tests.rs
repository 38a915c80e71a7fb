use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::canvas::{Canvas, To};
use super::message::{Clear, Draw, Have, Kept, KeptStroke, Want};
use super::stroke::{Colour, MAX_STROKES, Point, StrokeId};
use crate::signalling::UserId;

const INK: Colour = Colour {
    red: 1,
    green: 2,
    blue: 3,
};

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
struct Hall {
    canvases: BTreeMap<UserId, Canvas>,
    ways: BTreeMap<(UserId, UserId), Vec<Draw>>,
    now: u64,
}

impl Hall {
    fn new() -> Self {
        Self {
            canvases: BTreeMap::new(),
            ways: BTreeMap::new(),
            now: 1_000_000,
        }
    }

    fn enter(&mut self, name: &str) {
        let me = id(name);
        let new = Canvas::new(me.clone());
        let greetings: Vec<(UserId, Have)> = self
            .canvases
            .iter()
            .map(|(other, canvas)| (other.clone(), canvas.have()))
            .collect();
        for (other, have) in greetings {
            self.post(&other, &me, Draw::Have(have));
            self.post(&me, &other, Draw::Have(new.have()));
        }
        self.canvases.insert(me, new);
    }

    /// Without a word, and what was on its way is lost in part.
    fn leave(&mut self, name: &str, seed: &mut u64) {
        let gone = id(name);
        self.canvases.remove(&gone);
        for ((from, to), way) in &mut self.ways {
            if *to == gone {
                way.clear();
            } else if *from == gone {
                way.truncate(random(seed) % (way.len() + 1));
            }
        }
        while self.step(seed, |(from, _)| *from == gone) {}
        let said: Vec<(UserId, Draw)> = self
            .canvases
            .iter_mut()
            .filter_map(|(who, canvas)| canvas.left(&gone).map(|draw| (who.clone(), draw)))
            .collect();
        for (from, draw) in said {
            self.say(&from, vec![(None, draw)]);
        }
    }

    fn post(&mut self, from: &UserId, to: &UserId, draw: Draw) {
        let draw = serde_json::from_value(serde_json::to_value(draw).unwrap()).unwrap();
        self.ways
            .entry((from.clone(), to.clone()))
            .or_default()
            .push(draw);
    }

    fn say(&mut self, from: &UserId, say: Vec<(To, Draw)>) {
        for (to, draw) in say {
            let all: Vec<UserId> = self.canvases.keys().cloned().collect();
            for other in all {
                if other != *from && to.as_ref().is_none_or(|to| *to == other) {
                    self.post(from, &other, draw.clone());
                }
            }
        }
    }

    fn does(&mut self, name: &str, work: impl FnOnce(&mut Canvas, u64) -> Vec<Draw>) {
        self.now += 10;
        let me = id(name);
        let told = work(self.canvases.get_mut(&me).unwrap(), self.now);
        self.say(&me, told.into_iter().map(|draw| (None, draw)).collect());
    }

    /// One message of a way that is chosen by chance; false if none is.
    fn step(&mut self, seed: &mut u64, which: impl Fn(&(UserId, UserId)) -> bool) -> bool {
        self.ways.retain(|_, way| !way.is_empty());
        let ways: Vec<(UserId, UserId)> =
            self.ways.keys().filter(|way| which(way)).cloned().collect();
        if ways.is_empty() {
            return false;
        }
        let (from, to) = ways[random(seed) % ways.len()].clone();
        let draw = self
            .ways
            .get_mut(&(from.clone(), to.clone()))
            .unwrap()
            .remove(0);
        let here: Vec<UserId> = self.canvases.keys().cloned().collect();
        if let Some(canvas) = self.canvases.get_mut(&to) {
            let heard = canvas.hear(&from, draw, self.now, &|who| here.contains(who));
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

    fn same(&self, seed: u64) -> usize {
        let mut pictures = self.canvases.iter();
        let (first, canvas) = pictures.next().unwrap();
        let picture: Vec<_> = canvas.strokes().collect();
        for (other, canvas) in pictures {
            assert_eq!(
                canvas.strokes().collect::<Vec<_>>(),
                picture,
                "{first} and {other}, seed {seed}"
            );
        }
        picture.len()
    }
}

fn line(seed: &mut u64) -> Vec<Point> {
    let count = 1 + random(seed) % 40;
    let mut part = || u16::try_from(random(seed) & 0xffff).unwrap();
    (0..count)
        .map(|_| Point {
            x: part(),
            y: part(),
        })
        .collect()
}

#[test]
fn d41_all_see_the_same_whatever_the_order_who_leaves_and_who_comes_back() {
    let (mut shown, mut most) = (0, 0);
    for start in 1..=200_u64 {
        let seed = &mut (start * 7919);
        let mut hall = Hall::new();
        let names = ["a", "b", "c", "d"];
        for name in names {
            hall.enter(name);
        }
        for _ in 0..60 {
            let name = names[random(seed) % names.len()];
            let here = hall.canvases.contains_key(&id(name));
            match random(seed) % 30 {
                0 if here && hall.canvases.len() > 1 => hall.leave(name, seed),
                1 if here => hall.does(name, |canvas, now| vec![canvas.clear(now)]),
                2..=5 if here => hall.does(name, |canvas, _| canvas.undo().into_iter().collect()),
                _ if here => {
                    let points = line(seed);
                    hall.does(name, |canvas, now| canvas.draw(now, INK, 300, &points));
                }
                _ => hall.enter(name),
            }
            for _ in 0..random(seed) % 12 {
                hall.step(seed, |_| true);
            }
        }
        hall.settle(seed);
        // Answers that were lost with their teller are asked for when time is up and somebody speaks.
        for name in names {
            hall.now += 10_000;
            if hall.canvases.contains_key(&id(name)) {
                hall.does(name, |canvas, _| vec![Draw::Have(canvas.have())]);
                hall.settle(seed);
            }
        }
        let count = hall.same(start);
        shown += count;
        most = most.max(count);
    }
    assert!(
        shown > 1000 && most > 10,
        "{shown} strokes in all, {most} at most"
    );
}

#[test]
fn d41_pieces_in_any_order_twice_are_the_stroke() {
    let part = |at: usize, points: &[u16]| json!({"stroke": {"by": "b", "n": 9, "colour": "#010203", "width": 20, "at": at, "points": points}});
    let pieces = [
        part(0, &[1, 2]),
        part(1, &[3, 4, 5, 6]),
        part(3, &[7, 8]),
        part(1, &[3, 4]),
    ];
    for start in 0..24 {
        let mut canvas = Canvas::new(id("a"));
        let seed = &mut (start + 5);
        let mut order: Vec<&Value> = pieces.iter().chain(&pieces).collect();
        while !order.is_empty() {
            let piece = order.remove(random(seed) % order.len());
            hear(&mut canvas, "b", piece);
        }
        let shown: Vec<_> = canvas.strokes().collect();
        let [stroke] = shown.as_slice() else {
            panic!("{shown:?}")
        };
        let flat: Vec<u16> = stroke
            .points
            .iter()
            .flat_map(|point| [point.x, point.y])
            .collect();
        assert_eq!((flat, canvas.refused), ((1..9).collect(), 0));
    }
}

/// What a peer says; everybody named here is in the room.
fn hear(canvas: &mut Canvas, from: &str, json: &Value) -> Vec<(To, Draw)> {
    let present = |who: &UserId| ["a", "b", "c"].contains(&who.as_str());
    match serde_json::from_value(json.clone()) {
        Ok(draw) => {
            canvas
                .hear(&id(from), draw, 1_764_359_600_000, &present)
                .say
        }
        Err(_) => {
            canvas.refused += 1;
            Vec::new()
        }
    }
}

#[test]
fn d41_what_a_peer_may_not_say_is_dropped_and_counted() {
    let mut canvas = Canvas::new(id("a"));
    let mine = canvas.draw(999_000, INK, 300, &[Point { x: 1, y: 1 }]);
    let Some(Draw::Stroke(own)) = mine.first() else {
        panic!()
    };
    let own = own.id.n;
    let stroke = |with: Value| {
        let mut stroke = json!({"by": "b", "n": 999_001, "colour": "#010203", "width": 20, "at": 0, "points": [1, 2]});
        stroke
            .as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        stroke
    };
    let said = [
        json!({"stroke": stroke(json!({"by": "c"}))}),
        json!({"stroke": stroke(json!({"by": "a"}))}),
        json!({"stroke": stroke(json!({"n": 999_999_999_999_999_u64}))}),
        json!({"stroke": stroke(json!({"n": -1}))}),
        json!({"stroke": stroke(json!({"n": 1.5}))}),
        json!({"stroke": stroke(json!({"width": 0}))}),
        json!({"stroke": stroke(json!({"width": 60_000}))}),
        json!({"stroke": stroke(json!({"colour": "red"}))}),
        json!({"stroke": stroke(json!({"colour": "#ggg000"}))}),
        json!({"stroke": stroke(json!({"colour": "#é0000"}))}),
        json!({"stroke": stroke(json!({"points": []}))}),
        json!({"stroke": stroke(json!({"points": [1]}))}),
        json!({"stroke": stroke(json!({"points": [1, 70_000]}))}),
        json!({"stroke": stroke(json!({"at": 512}))}),
        json!({"stroke": stroke(json!({"at": u64::MAX}))}),
        json!({"stroke": stroke(json!({"by": ""}))}),
        json!({"erase": {"by": "a", "n": own}}),
        json!({"clear": {"n": u64::MAX}}),
        json!({"have": {"clear": u64::MAX, "by": {}}}),
        json!({"have": {"clear": 0, "by": {"x": [1]}}}),
        json!({"kept": {"strokes": [stroke(json!({"by": "c"}))], "last": true}}),
        json!({"kept": {"strokes": [{"by": "c", "n": 5, "erased": true}], "last": true}}),
        json!({"kept": {"strokes": [{"by": "b", "n": 5, "erased": false}], "last": true}}),
        json!({"want": {"by": (0..1001).map(|n| n.to_string()).collect::<Vec<_>>()}}),
        json!({"dance": {}}),
        json!(null),
        json!([]),
    ];
    for (count, json) in said.iter().enumerate() {
        let before = canvas.refused;
        assert_eq!(before, count as u64);
        hear(&mut canvas, "b", json);
        assert_eq!(canvas.refused, before + 1, "{json}");
    }
    // Nor of this user's stroke, of which it knows itself.
    hear(
        &mut canvas,
        "b",
        &json!({"kept": {"strokes": [{"by": "a", "n": own, "erased": true}], "last": true}}),
    );
    let left: Vec<_> = canvas.strokes().map(|stroke| stroke.id.n).collect();
    assert_eq!(left, [own]);
}

#[test]
fn d41_a_drawing_is_bounded_and_the_newest_stays() {
    let mut canvas = Canvas::new(id("a"));
    let dot = [Point { x: 5, y: 5 }];
    for n in 0..3000 {
        let stroke = json!({"stroke": {"by": "b", "n": n + 1, "colour": "#010203", "width": 20, "at": 0, "points": [1, 2]}});
        hear(&mut canvas, "b", &stroke);
    }
    canvas.draw(10, INK, 300, &dot);
    let kept: Vec<_> = canvas.strokes().map(|stroke| stroke.id.n).collect();
    assert_eq!(
        (kept.len(), kept[0], *kept.last().unwrap()),
        (MAX_STROKES, 2002, 3001)
    );
    // The longest line that there can be goes in pieces that are messages.
    let long: Vec<Point> = (0..40_000)
        .map(|n| Point {
            x: n,
            y: 65_535 - n,
        })
        .collect();
    let told = canvas.draw(20, INK, 300, &long);
    assert_eq!(told.len(), 79);
    let told = hear(&mut canvas, "b", &json!({"want": {"by": ["a"]}}));
    assert!(told.len() > 10);
    for (_, draw) in &told {
        assert!(serde_json::to_string(draw).unwrap().len() < 60_000);
    }
    assert!(matches!(
        told.last(),
        Some((_, Draw::Kept(Kept { last: true, .. })))
    ));
}

#[test]
fn d41_what_is_said_has_the_form_of_the_golden_messages() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../spec/json/widgets/draw.json"
    );
    let golden: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for json in &golden {
        let draw: Draw = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&draw).unwrap(), *json);
    }
    assert_eq!(golden.len(), 7);
    // The sums of marks are the same everywhere.
    let mut canvas = Canvas::new(id("a"));
    for json in golden.iter().filter(|json| json.get("stroke").is_some()) {
        hear(&mut canvas, "b", json);
    }
    let have: Have = serde_json::from_value(golden[3]["have"].clone()).unwrap();
    assert_eq!(canvas.have().by, have.by);
    let _ = (
        Want { by: vec![] },
        Clear { n: 0 },
        StrokeId { n: 0, by: id("a") },
    );
    let _ = KeptStroke::Erased {
        id: StrokeId { n: 0, by: id("a") },
        erased: true,
    };
}

#[cfg(feature = "png")]
#[test]
fn d41_a_drawing_is_a_picture() {
    let mut canvas = Canvas::new(id("a"));
    let across = [
        Point { x: 0, y: 32_768 },
        Point {
            x: 65_535,
            y: 32_768,
        },
    ];
    canvas.draw(
        5,
        Colour {
            red: 255,
            green: 0,
            blue: 0,
        },
        3000,
        &across,
    );
    canvas.draw(
        5,
        Colour {
            red: 0,
            green: 0,
            blue: 255,
        },
        6000,
        &[Point { x: 8192, y: 8192 }],
    );
    let png = super::png::picture(canvas.strokes(), 400, 300).unwrap();
    let picture = tiny_skia::Pixmap::decode_png(&png).unwrap();
    let at = |x, y| {
        let pixel = picture.pixel(x, y).unwrap();
        (pixel.red(), pixel.green(), pixel.blue())
    };
    assert_eq!((picture.width(), picture.height()), (400, 300));
    assert_eq!(at(200, 150), (255, 0, 0));
    assert_eq!(at(200, 100), (255, 255, 255));
    assert_eq!(at(50, 37), (0, 0, 255));
    for (width, height) in [(0, 5), (5, 0), (9000, 5)] {
        assert!(super::png::picture(canvas.strokes(), width, height).is_err());
    }
}
