//! What users believe of their rooms is what is so, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::desk::DeskOptions;

/// Random numbers from a seed (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }
}

/// A client, and what it believes.
struct Believer {
    guest: Guest,
    name: String,
    rooms: BTreeMap<String, (String, BTreeSet<String>)>,
    /// The last number that each sender said in each room.
    heard: BTreeMap<(String, String), u64>,
    said: u64,
    away: bool,
}

impl Believer {
    async fn new(desk: &Desk, name: String) -> Self {
        Self {
            guest: arrive(desk, &name).await,
            name,
            rooms: BTreeMap::new(),
            heard: BTreeMap::new(),
            said: 0,
            away: false,
        }
    }

    /// Reads what there is.
    async fn read(&mut self) {
        loop {
            let next = tokio::time::timeout(Duration::from_micros(1), self.guest.next());
            let Ok(message) = next.await else { return };
            self.believe(&message);
        }
    }

    fn believe(&mut self, message: &Value) {
        let (kind, of) = message.as_object().unwrap().iter().next().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let room = text(&of["room"]);
        match kind.as_str() {
            "room" => {
                let users = of["users"].as_array().unwrap().iter();
                let users = users.map(|user| text(&user["userid"])).collect();
                self.rooms.insert(room, (text(&of["owner"]), users));
            }
            "joined" => {
                let users = &mut self.rooms.get_mut(&room).unwrap().1;
                users.insert(text(&of["user"]["userid"]));
            }
            "left" => {
                let users = &mut self.rooms.get_mut(&room).unwrap().1;
                assert!(
                    users.remove(&text(&of["userid"])),
                    "{message} at {}",
                    self.name
                );
            }
            "owner" => self.rooms.get_mut(&room).unwrap().0 = text(&of["userid"]),
            "closed" => {
                // One that it believed itself in before it came back anew is told as lost.
                let known = self.rooms.remove(&room).is_some();
                assert!(
                    known || of["reason"] == "lost",
                    "{message} at {}",
                    self.name
                );
            }
            "said" => {
                let from = text(&of["from"]);
                assert!(self.rooms.contains_key(&room), "{message} at {}", self.name);
                let number = of["body"].as_u64().unwrap();
                let before = self.heard.insert((room, from), number);
                assert!(before.unwrap_or(0) < number, "{message} after {before:?}");
            }
            _ => {}
        }
    }

    async fn back(&mut self, desk: &Desk) {
        if let Err(refusal) = self.guest.back(desk).await {
            println!("{}: {refusal:?}", self.name);
            self.guest = arrive(desk, &self.name).await;
        }
        if self.guest.welcome["resumed"] != true || self.guest.welcome["seen"] == 0 {
            // The state of each room follows.
            self.rooms.clear();
            self.heard.clear();
        }
        self.away = false;
    }
}

async fn live(seed: u64, steps: usize) {
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let desk = Desk::new(DeskOptions::default());
    let mut users = Vec::new();
    for number in 0..10 {
        users.push(Believer::new(&desk, format!("u{number}")).await);
    }
    let rooms = ["red", "green", "blue"];
    for step in 0..steps {
        let at = dice.below(users.len());
        let other = format!("u{}", dice.below(10));
        let room = rooms[dice.below(rooms.len())];
        let user = &mut users[at];
        if user.away {
            if dice.below(3) == 0 {
                user.back(&desk).await;
                user.read().await;
            }
        } else {
            let number = user.said + 1;
            match dice.below(14) {
                0..=2 => user.guest.say(json!({"openOrJoin": {"room": room}})).await,
                3 => user.guest.say(json!({"leave": {"room": room}})).await,
                4 => {
                    let eject = json!({"room": room, "userid": other});
                    user.guest.say(json!({ "eject": eject })).await;
                }
                5 => {
                    user.guest
                        .say(json!({"owner": {"room": room, "userid": other}}))
                        .await
                }
                6 if dice.below(4) == 0 => user.guest.say(json!({"close": {"room": room}})).await,
                7 => {
                    user.guest.lose();
                    user.away = true;
                }
                8 => user.back(&desk).await,
                9 => {
                    user.guest
                        .say(json!({"say": {"room": room, "to": other, "body": number}}))
                        .await
                }
                10 => user.read().await,
                _ => {
                    user.guest
                        .say(json!({"say": {"room": room, "body": number}}))
                        .await
                }
            }
            user.said = number;
        }
        if dice.below(20) == 0 {
            tokio::time::sleep(Duration::from_secs(dice.below(25) as u64)).await;
        }
        if step % 100 == 99 {
            compare(&desk, &mut users).await;
        }
    }
    // Those who are away leave.
    tokio::time::sleep(Duration::from_secs(40)).await;
    users.retain(|user| !user.away);
    compare(&desk, &mut users).await;
    assert_eq!(desk.users(), users.len());
    for mut user in users {
        user.guest.say(json!({"bye": {}})).await;
    }
    assert_eq!((desk.users(), desk.room_count()), (0, 0));
}

async fn compare(desk: &Desk, users: &mut [Believer]) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    for user in users.iter_mut().filter(|user| !user.away) {
        user.read().await;
    }
    let mut truth = BTreeMap::new();
    for info in desk.rooms() {
        let record = desk.room(&info.sessionid).unwrap();
        let users = record
            .members
            .iter()
            .map(|member| member.user.userid.to_string());
        let users: BTreeSet<String> = users.collect();
        truth.insert(
            info.sessionid.to_string(),
            (record.owner.to_string(), users),
        );
    }
    for user in users.iter().filter(|user| !user.away) {
        let mut own = truth.clone();
        own.retain(|_, (_, users)| users.contains(&user.name));
        assert_eq!(user.rooms, own, "{}", user.name);
    }
}

#[tokio::test(start_paused = true)]
async fn r_h11_what_users_believe_is_the_truth() {
    let soak = std::env::var_os("ORTC_SOAK").is_some();
    let (seeds, steps) = if soak { (60, 5000) } else { (6, 1500) };
    for seed in 1..=seeds {
        live(seed, steps).await;
    }
}

#[tokio::test(start_paused = true)]
async fn r_h03_nothing_reaches_another_room() {
    let soak = std::env::var_os("ORTC_SOAK").is_some();
    let tries = if soak { 100_000 } else { 20_000 };
    let mut dice = Dice::new(7);
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    let mut eve = arrive(&desk, "eve").await;
    olga.say(json!({"open": {"room": "demo", "policy": {"hidden": true}}}))
        .await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    eve.say(json!({"open": {"room": "hers"}})).await;
    for guest in [&mut olga, &mut paul, &mut eve] {
        guest.told().await;
    }
    let rooms = ["demo", "hers", "none", "demo/", "Demo", "de", "hers/demo"];
    let users = ["olga", "paul", "eve", "nobody", "*"];
    for number in 0..tries {
        let room = rooms[dice.below(rooms.len())];
        let (user, from) = (
            users[dice.below(users.len())],
            users[dice.below(users.len())],
        );
        let message = match dice.below(9) {
            0 => json!({"say": {"room": room, "from": from, "body": number}}),
            1 => json!({"say": {"room": room, "to": user, "from": from, "body": number}}),
            2 => json!({"say": {"room": room, "to": [user], "body": number}}),
            3 => json!({"eject": {"room": room, "userid": user}}),
            4 => json!({"owner": {"room": room, "userid": user}}),
            5 => json!({"policy": {"room": room, "policy": {}}}),
            6 => json!({"present": {"room": room, "userid": user, "on": true}}),
            7 => json!({"said": {"room": room, "from": from, "body": number}}),
            _ => json!({"say": {"room": room, "to": null, "userid": from, "body": number}}),
        };
        eve.say(message).await;
        if number % 50 == 0 {
            let told = eve.told().await;
            assert!(told.iter().all(|told| !told.contains("demo")), "{told:?}");
        }
    }
    assert_eq!(olga.told().await, Vec::<String>::new());
    assert_eq!(paul.told().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn c12_a_thousand_cycles_leave_nothing() {
    let desk = desk();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut olga = arrive(&desk, "olga").await;
    olga.say(json!({"open": {"room": "demo", "policy": {"closeAt": u64::MAX}}}))
        .await;
    olga.say(json!({"rooms": {"watch": true}})).await;
    let before = tasks();
    for cycle in 0..1000 {
        let mut paul = arrive(&desk, "paul").await;
        paul.say(json!({"rooms": {"watch": true}})).await;
        paul.say(json!({"join": {"room": "demo"}})).await;
        paul.say(json!({"open": {"room": format!("own {cycle}")}}))
            .await;
        paul.say(json!({"call": {"call": "a", "to": "olga"}})).await;
        match cycle % 3 {
            0 => paul.say(json!({"bye": {}})).await,
            1 => paul.seat.take().unwrap().gone().await,
            _ => {
                paul.lose();
                tokio::time::sleep(Duration::from_secs(31)).await;
            }
        }
        olga.told().await;
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!((desk.users(), desk.room_count()), (1, 1));
    assert_eq!(tasks(), before);
    let room = "demo".parse().unwrap();
    assert_eq!(desk.room(&room).unwrap().members.len(), 1);
}
