//! What people do together, between sessions over loopback.

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Room};
use ortc_rooms::widgets::{Colour, Drawing, Point, Stroke};

use crate::support::{Member, limited};

const RED: Colour = Colour {
    red: 200,
    green: 0,
    blue: 0,
};

struct Painter {
    events: Events,
    drawing: Drawing,
}

impl Painter {
    fn new(room: Room, member: Member) -> (ortc_rooms::session::Session, Self) {
        let drawing = Drawing::new(room);
        let events = member.events;
        (member.session, Self { events, drawing })
    }

    /// Until the drawing is as it has to be.
    async fn until(&mut self, wanted: impl Fn(&[Stroke]) -> bool) -> Vec<Stroke> {
        limited(async {
            loop {
                let strokes: Vec<Stroke> = self.drawing.strokes().collect();
                if wanted(&strokes) {
                    return strokes;
                }
                let event: Event = self.events.next().await.expect("no end");
                let followed = self.drawing.follow(&event);
                followed.unwrap();
            }
        })
        .await
    }
}

#[tokio::test]
async fn d41_a_drawing_is_the_same_for_all_and_for_who_comes_later() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let room = alice.session.open("demo").await.unwrap();
    let (_alice, mut alice) = Painter::new(room, alice);
    let room = bob.session.join("demo").await.unwrap();
    bob.connected("alice").await;
    let (bobs, mut bob) = Painter::new(room, bob);
    let line = |y| [Point { x: 0, y }, Point { x: 65_535, y }];
    bob.drawing.draw(RED, 300, &line(1)).unwrap();
    bob.drawing.draw(RED, 300, &line(2)).unwrap();
    alice.until(|strokes| strokes.len() == 2).await;
    alice.drawing.draw(RED, 500, &line(3)).unwrap();
    assert!(bob.drawing.undo().unwrap());
    let ys =
        |strokes: &[Stroke]| -> Vec<u16> { strokes.iter().map(|one| one.points[0].y).collect() };
    bob.until(|strokes| ys(strokes) == [1, 3]).await;
    alice.until(|strokes| ys(strokes) == [1, 3]).await;

    // Who drew part of it leaves; who comes then has all of it.
    bobs.leave().await.unwrap();
    drop(bobs);
    while !matches!(alice.events.next().await, Some(Event::Left { .. })) {}
    let carol = Member::new(&desk, "carol").await;
    let room = carol.session.join("demo").await.unwrap();
    let (_carol, mut carol) = Painter::new(room, carol);
    // Alice goes on answering until Carol, who has seen all, takes it away.
    let carols = async {
        let seen = carol.until(|strokes| strokes.len() == 2).await;
        carol.drawing.clear().unwrap();
        seen
    };
    let (seen, left) = tokio::join!(carols, alice.until(<[Stroke]>::is_empty));
    assert_eq!((ys(&seen), left.len()), (vec![1, 3], 0));
    assert_eq!((alice.drawing.refused(), carol.drawing.refused()), (0, 0));
}

#[tokio::test]
async fn d41_who_looks_on_sees_the_drawing_and_draws_nothing() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let room = alice.session.open("demo").await.unwrap();
    let (_alice, mut alice) = Painter::new(room, alice);
    alice
        .drawing
        .draw(RED, 300, &[Point { x: 1, y: 2 }])
        .unwrap();
    let mut options = crate::support::options("ida");
    options.role = Some(ortc_rooms::signalling::Role::Inspector);
    let ida = Member::with(&desk, options).await;
    let room = ida.session.join("demo").await.unwrap();
    let (_ida, mut ida) = Painter::new(room, ida);
    assert!(ida.drawing.draw(RED, 300, &[Point { x: 3, y: 4 }]).is_err());
    let seen = async {
        tokio::select! {
            seen = ida.until(|strokes| strokes.iter().any(|stroke| stroke.points[0].x == 1)) => seen,
            _ = alice.until(|strokes| strokes.len() > 1) => panic!("she drew"),
        }
    };
    assert!(!limited(seen).await.is_empty());
}

#[cfg(feature = "text")]
#[tokio::test]
async fn d42_a_text_is_the_same_for_all_and_for_who_comes_later() {
    use ortc_rooms::widgets::SharedText;

    async fn until(text: &mut SharedText, events: &mut Events, wanted: impl Fn(&str) -> bool) {
        limited(async {
            while !wanted(&text.text()) {
                let event = events.next().await.expect("no end");
                text.follow(&event).unwrap();
            }
        })
        .await;
    }

    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let mut ours = SharedText::new(alice.session.open("demo").await.unwrap());
    let mut his = SharedText::new(bob.session.join("demo").await.unwrap());
    bob.connected("alice").await;
    alice.connected("bob").await;
    ours.insert(0, "tea").unwrap();
    until(&mut his, &mut bob.events, |text| text == "tea").await;
    // At once, at both ends.
    ours.insert(0, "green ").unwrap();
    his.insert(3, " for two").unwrap();
    his.delete(0, 1).unwrap();
    his.insert(0, "T").unwrap();
    let wanted = |text: &str| {
        let all = ["ea for two", "green", "T"];
        all.iter().all(|part| text.contains(part)) && !text.contains("tea")
    };
    until(&mut ours, &mut alice.events, wanted).await;
    until(&mut his, &mut bob.events, wanted).await;
    assert_eq!(ours.text(), his.text());
    assert!(ours.insert(500, "x").is_err() && ours.delete(3, 500).is_err());

    bob.session.leave().await.unwrap();
    let mut carol = Member::new(&desk, "carol").await;
    let mut hers = SharedText::new(carol.session.join("demo").await.unwrap());
    let carols = async {
        until(&mut hers, &mut carol.events, wanted).await;
        let length = hers.text().chars().count();
        hers.delete(0, length).unwrap();
    };
    tokio::join!(carols, until(&mut ours, &mut alice.events, str::is_empty));
    assert_eq!((ours.refused(), hers.refused()), (0, 0));
}

#[tokio::test]
async fn d36_cursors_are_seen_where_they_are_and_gone_when_they_are() {
    use ortc_rooms::widgets::{Cursor, Cursors};

    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../spec/json/widgets/cursor.json"
    );
    let golden = std::fs::read_to_string(path).unwrap();
    let golden: Vec<serde_json::Value> = serde_json::from_str(&golden).unwrap();
    for json in &golden {
        let cursor: Cursor = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&cursor).unwrap(), *json);
    }

    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let bob = Member::new(&desk, "bob").await;
    let mut ours = Cursors::new(alice.session.open("demo").await.unwrap());
    let mut his = Cursors::new(bob.session.join("demo").await.unwrap());
    // Bob's hand goes on, whatever is lost; Alice sees where it is.
    let moving = async {
        for x in 0..u16::MAX {
            his.show("draw", Point { x, y: 7 }).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let seeing = async {
        let mut before = 0;
        while ours.shown().count() == 0 || before < 5 {
            let event = alice.events.next().await.expect("no end");
            if ours.follow(&event) {
                let (whose, place) = ours.shown().next().unwrap();
                assert_eq!(
                    (whose.as_str(), place.over.as_str(), place.y),
                    ("bob", "draw", 7)
                );
                before += 1;
            }
        }
    };
    limited(async {
        tokio::select! {
            () = moving => {}
            () = seeing => {}
        }
    })
    .await;
    let hiding = async {
        loop {
            his.hide().unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let seeing = async {
        while ours.shown().count() > 0 {
            let event = alice.events.next().await.expect("no end");
            ours.follow(&event);
        }
    };
    limited(async {
        tokio::select! {
            () = hiding => {}
            () = seeing => {}
        }
    })
    .await;
}
