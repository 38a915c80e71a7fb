//! When messages can be sent is told once, whichever way it is that opens first.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Hub, SessionOptions};
use ortc_rooms::signalling::{RoomName, RoomPolicy, Topology};

use crate::support::{Member, id, options};
use crate::way::{Way, free_port};

/// The two are connected, and their channel does not open before that to the hub has.
#[tokio::test]
async fn e05_one_who_is_reached_by_the_hub_before_the_channel_opens_is_told_of() {
    let desk = Desk::default();
    let ports = [free_port(), free_port(), free_port()];
    let way = Way::between(&ports);
    way.mute.store(true, Ordering::Relaxed);
    let behind = |mut options: SessionOptions, n: u8| {
        options.bind = Some(([127, 0, 0, 1], ports[usize::from(n)]).into());
        options.external_addresses = vec![[127, 0, 0, 2 + n].into()];
        options.candidates.host = false;
        options
    };
    let mut alice = Member::with(&desk, behind(options("alice"), 0)).await;
    let mut bob = Member::with(&desk, behind(options("bob"), 1)).await;
    let room = alice.session.open("hall").await.unwrap();
    let other = bob.session.join("hall").await.unwrap();
    alice.connected("bob").await;
    bob.connected("alice").await;
    let mut policy = RoomPolicy::default();
    policy.topology = Topology::Hub;
    room.set_policy(policy).await.unwrap();
    let name = RoomName::new("hall").unwrap();
    let mut own = SessionOptions::new();
    own.include_loopback = true;
    let hub = Hub::enter(&desk, &name, behind(own, 2)).await.unwrap();
    for (member, other) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        let opens = |event: &Event| match event {
            Event::Open { user, .. } if user.userid == id(other) => Some(()),
            _ => None,
        };
        member.until(opens).await;
    }
    // It does, too: what is said comes, and nothing more is told of it.
    way.mute.store(false, Ordering::Relaxed);
    room.send("hello").unwrap();
    other.send("hello").unwrap();
    for member in [&mut alice, &mut bob] {
        let heard = |event: &Event| match event {
            Event::Message(message) => Some(message.data.text() == Some("hello")),
            Event::Open { .. } | Event::DataClosed { .. } => Some(false),
            _ => None,
        };
        assert!(member.until(heard).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for member in [&mut alice, &mut bob] {
        while let Some(event) = member.events.try_next() {
            let again = matches!(event, Event::Open { .. } | Event::DataClosed { .. });
            assert!(!again, "{event:?}");
        }
    }
    drop(hub);
}
