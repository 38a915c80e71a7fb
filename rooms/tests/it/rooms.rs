//! Rooms: entered, left, closed, watched.

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Error, Event, RoomRequest};
use ortc_rooms::signalling::{ClosedReason, ErrorCode, LeftReason};

use crate::support::{Member, id};

fn code(error: Error) -> Option<ErrorCode> {
    match error {
        Error::Refused { code, .. } => Some(code),
        _ => None,
    }
}

#[tokio::test]
async fn c20_c56_d15_rooms_are_opened_and_joined() {
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let missing = bob.session.join("demo").await.unwrap_err();
    assert_eq!(code(missing), Some(ErrorCode::NoSuchRoom));
    let mut lobby = bob.session.watch_rooms(None);
    let request = RoomRequest::from("demo").password("chalk");
    let room = alice.session.open(request).await.unwrap();
    let twice = bob.session.open("demo").await.unwrap_err();
    assert_eq!(code(twice), Some(ErrorCode::RoomExists));
    while lobby.rooms().is_empty() {
        lobby.next().await.unwrap();
    }
    let info = lobby.rooms().remove(0);
    assert!(info.password && info.userid == id("alice"));
    let without = bob.session.join(&info).await.unwrap_err();
    assert_eq!(code(without), Some(ErrorCode::BadPassword));
    let request = RoomRequest::from(&info.sessionid).password("chalk");
    let joined = bob.session.join(request).await.unwrap();
    assert_eq!(joined.users().len(), 2);
    alice.connected("bob").await;
    bob.connected("alice").await;

    // Bob may not, Alice may.
    let refused = joined.eject(&id("alice"), false).await.unwrap_err();
    assert_eq!(code(refused), Some(ErrorCode::NotAllowed));
    room.eject(&id("bob"), true).await.unwrap();
    let reason = bob
        .until(|event| match event {
            Event::Closed { reason, .. } => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, ClosedReason::Banned);
    assert_eq!(
        joined.send("hello"),
        Err(Error::NotInRoom(joined.name().clone()))
    );
    let request = RoomRequest::from(&info.sessionid).password("chalk");
    let banned = bob.session.join(request).await.unwrap_err();
    assert_eq!(code(banned), Some(ErrorCode::Banned));
}

#[tokio::test]
async fn c10_the_owner_goes_and_the_room_stays() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let mut carol = Member::new(&desk, "carol").await;
    for member in [&alice, &bob, &carol] {
        member.session.open_or_join("demo").await.unwrap();
    }
    bob.connected("carol").await;
    drop(alice);
    let reason = carol
        .until(|event| match event {
            Event::Left { user, reason, .. } if user.userid == id("alice") => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, LeftReason::Left);
    let owner = carol
        .until(|event| match event {
            Event::Owner { userid, .. } => Some(userid.clone()),
            _ => None,
        })
        .await;
    assert_eq!(owner, id("bob"));
    assert!(bob.session.peer(&id("carol")).unwrap().is_connected());
}
