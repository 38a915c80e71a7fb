//! A room as its users see it: what each is told, and what is refused.

use super::*;
use crate::signalling::*;

fn id(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn entrant(name: &str, role: Role) -> Entrant {
    Entrant {
        user: User::new(id(name), role),
        node: String::new(),
        verified: None,
        about: None,
    }
}

fn opening(policy: RoomPolicy) -> Opening {
    Opening {
        room: RoomName::new("demo").unwrap(),
        session: SessionKind::audio_video(),
        policy,
        verifier: None,
    }
}

fn opened(policy: RoomPolicy) -> RoomRecord {
    RoomRecord::open(opening(policy), entrant("olga", Role::Participant), 1)
        .unwrap()
        .0
}

/// A room of the users, who came in this order, after olga who opened it.
fn room_of(policy: RoomPolicy, users: &[(&str, Role)]) -> RoomRecord {
    let mut room = opened(policy);
    for (time, (name, role)) in (2..).zip(users) {
        room.join(entrant(name, *role), time).unwrap();
    }
    room
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ErrorCode {
    result.unwrap_err().code
}

fn names(room: &RoomRecord) -> Vec<&str> {
    room.members
        .iter()
        .map(|member| member.user.userid.as_str())
        .collect()
}

/// Who is told what, in short.
fn told(notices: &[Notice]) -> Vec<String> {
    let one = |notice: &Notice| {
        let to = match &notice.to {
            To::One(userid) => userid.to_string(),
            To::All => "all".to_owned(),
            To::AllBut(userid) => format!("all but {userid}"),
        };
        let what = match &notice.message {
            ServerMessage::Room(state) => format!("room of {}", state.users.len()),
            ServerMessage::Joined { user, .. } => format!("{} joined", user.userid),
            ServerMessage::Left { userid, reason, .. } => format!("{userid} left: {reason:?}"),
            ServerMessage::Owner { userid, .. } => format!("owner {userid}"),
            ServerMessage::Closed { reason, .. } => format!("closed: {reason:?}"),
            ServerMessage::Presenter {
                userid: Some(userid),
                ..
            } => format!("{userid} presents"),
            ServerMessage::Presenter { userid: None, .. } => "nobody presents".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{to}: {what}")
    };
    notices.iter().map(one).collect()
}

#[test]
fn c20_who_opens_a_room_is_in_it_and_owns_it() {
    let (room, notices) = RoomRecord::open(
        opening(RoomPolicy::default()),
        entrant("olga", Role::Participant),
        7,
    )
    .unwrap();
    assert_eq!(told(&notices), ["olga: room of 1"]);
    assert_eq!((room.owner.as_str(), room.epoch), ("olga", 7));
    let refused = RoomRecord::open(
        opening(RoomPolicy::default()),
        entrant("ida", Role::Inspector),
        7,
    );
    assert_eq!(code(refused), ErrorCode::NotAllowed);
}

#[test]
fn c16_a_session_that_contradicts_itself_opens_no_room() {
    let mut opening = opening(RoomPolicy::default());
    opening.session.oneway = true;
    opening.session.broadcast = true;
    let refusal = RoomRecord::open(opening, entrant("olga", Role::Admin), 1).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::BadSession);
    assert_eq!(
        refusal.message,
        "a session cannot be both oneway and broadcast"
    );
}

#[test]
fn c62_a_room_takes_its_owner_and_as_many_as_the_policy_says() {
    for allowed in [1_u32, 2, 9] {
        let policy = RoomPolicy {
            max_participants_allowed: allowed,
            ..RoomPolicy::default()
        };
        let mut room = opened(policy);
        for number in 0..allowed {
            room.join(entrant(&format!("user {number}"), Role::Participant), 2)
                .unwrap();
        }
        assert_eq!(
            code(room.join(entrant("late", Role::Admin), 3)),
            ErrorCode::RoomFull
        );
        room.leave(&id("user 0"), LeftReason::Lost).unwrap();
        room.join(entrant("late", Role::Participant), 4).unwrap();
        assert_eq!(room.members.len(), allowed as usize + 1);
    }
    assert_eq!(RoomPolicy::default().max_participants_allowed, 256);
}

#[test]
fn a_session_of_two_has_two_places() {
    let mut two = opening(RoomPolicy::default());
    two.session = two.session.with_direction(Direction::OneToOne);
    let (mut room, _) = RoomRecord::open(two, entrant("olga", Role::Participant), 1).unwrap();
    room.join(entrant("paul", Role::Participant), 2).unwrap();
    assert_eq!(
        code(room.join(entrant("quinn", Role::Participant), 3)),
        ErrorCode::RoomFull
    );
    room.set_policy(&id("olga"), RoomPolicy::default()).unwrap();
    assert_eq!(
        code(room.join(entrant("quinn", Role::Participant), 3)),
        ErrorCode::RoomFull
    );
}

#[test]
fn c66_a_password_that_was_verified_against_an_older_verifier_does_not_count() {
    let mut locked = opening(RoomPolicy::default());
    locked.verifier = Some("$argon2id$abc".to_owned());
    let (mut room, _) = RoomRecord::open(locked, entrant("olga", Role::Participant), 1).unwrap();
    for verified in [None, Some("$argon2id$old")] {
        let mut paul = entrant("paul", Role::Participant);
        paul.verified = verified.map(str::to_owned);
        assert_eq!(code(room.join(paul, 2)), ErrorCode::BadPassword);
    }
    let mut paul = entrant("paul", Role::Participant);
    paul.verified = Some("$argon2id$abc".to_owned());
    room.join(paul, 2).unwrap();
    assert!(!format!("{room:?}").contains("$argon2id$abc"));
}

#[test]
fn c10_the_owner_leaves_and_the_room_lives() {
    let users = [
        ("ida", Role::Inspector),
        ("gus", Role::Guest),
        ("paul", Role::Participant),
        ("pia", Role::Participant),
        ("anna", Role::Admin),
        ("adam", Role::Admin),
    ];
    let mut room = room_of(RoomPolicy::default(), &users);
    let notices = room.leave(&id("olga"), LeftReason::Lost).unwrap();
    assert_eq!(told(&notices), ["all: olga left: Lost", "all: owner anna"]);
    // The rest in order: admins, then participants, then guests, each the longest present first.
    for (leaves, next) in [
        ("anna", "adam"),
        ("adam", "paul"),
        ("paul", "pia"),
        ("pia", "gus"),
    ] {
        room.leave(&id(leaves), LeftReason::Left).unwrap();
        assert_eq!(room.owner.as_str(), next);
    }
    // An inspector owns nothing: the room ends.
    let notices = room.leave(&id("gus"), LeftReason::Left).unwrap();
    assert_eq!(
        told(&notices),
        [
            "gus: closed: Left",
            "all: gus left: Left",
            "ida: closed: OwnerLeft"
        ]
    );
    assert!(room.ended());
}

#[test]
fn one_whose_connection_is_lost_inherits_last() {
    let users = [("anna", Role::Admin), ("paul", Role::Participant)];
    let mut room = room_of(RoomPolicy::default(), &users);
    room.lost(&id("anna"), 5);
    room.leave(&id("olga"), LeftReason::Left).unwrap();
    assert_eq!(room.owner.as_str(), "paul");
}

#[test]
fn c41_a_room_may_end_with_its_owner() {
    let policy = RoomPolicy {
        close_when_owner_leaves: true,
        ..RoomPolicy::default()
    };
    let mut room = room_of(
        policy,
        &[("paul", Role::Participant), ("anna", Role::Admin)],
    );
    let notices = room.leave(&id("olga"), LeftReason::Left).unwrap();
    let wanted = [
        "olga: closed: Left",
        "all: olga left: Left",
        "paul: closed: OwnerLeft",
        "anna: closed: OwnerLeft",
    ];
    assert_eq!(told(&notices), wanted);
    assert!(room.ended());
}

#[test]
fn c39_owner_and_admins_eject_and_nobody_ejects_the_owner() {
    let users = [
        ("anna", Role::Admin),
        ("paul", Role::Participant),
        ("pia", Role::Participant),
    ];
    let mut room = room_of(RoomPolicy::default(), &users);
    assert_eq!(
        code(room.eject(&id("paul"), &id("pia"), false)),
        ErrorCode::NotAllowed
    );
    assert_eq!(
        code(room.eject(&id("anna"), &id("olga"), false)),
        ErrorCode::NotAllowed
    );
    assert_eq!(
        code(room.eject(&id("anna"), &id("zoe"), false)),
        ErrorCode::NoSuchUser
    );
    assert_eq!(
        code(room.eject(&id("zoe"), &id("paul"), false)),
        ErrorCode::NotInRoom
    );

    let notices = room.eject(&id("anna"), &id("paul"), false).unwrap();
    assert_eq!(
        told(&notices),
        ["paul: closed: Ejected", "all: paul left: Ejected"]
    );
    room.join(entrant("paul", Role::Participant), 9).unwrap();

    let notices = room.eject(&id("olga"), &id("paul"), true).unwrap();
    assert_eq!(told(&notices)[0], "paul: closed: Banned");
    assert_eq!(
        code(room.join(entrant("paul", Role::Admin), 10)),
        ErrorCode::Banned
    );
    assert_eq!(names(&room), ["olga", "anna", "pia"]);
}

#[test]
fn c42_close_ends_the_room_for_all() {
    let mut room = room_of(RoomPolicy::default(), &[("paul", Role::Participant)]);
    assert_eq!(code(room.close(&id("paul"))), ErrorCode::NotAllowed);
    let notices = room.close(&id("olga")).unwrap();
    assert_eq!(
        told(&notices),
        ["olga: closed: Closed", "paul: closed: Closed"]
    );
    assert!(room.ended());
}

#[test]
fn ownership_is_handed_over() {
    let users = [("paul", Role::Participant), ("ida", Role::Inspector)];
    let mut room = room_of(RoomPolicy::default(), &users);
    assert_eq!(
        code(room.hand_over(&id("paul"), &id("paul"))),
        ErrorCode::NotAllowed
    );
    assert_eq!(
        code(room.hand_over(&id("olga"), &id("ida"))),
        ErrorCode::NotAllowed
    );
    assert_eq!(
        code(room.hand_over(&id("olga"), &id("zoe"))),
        ErrorCode::NoSuchUser
    );
    let notices = room.hand_over(&id("olga"), &id("paul")).unwrap();
    assert_eq!(told(&notices), ["all: owner paul"]);
    assert_eq!(code(room.close(&id("olga"))), ErrorCode::NotAllowed);
}

#[test]
fn d30_one_presents_at_a_time() {
    let policy = RoomPolicy {
        one_presenter: true,
        ..RoomPolicy::default()
    };
    let users = [
        ("paul", Role::Participant),
        ("pia", Role::Participant),
        ("ida", Role::Inspector),
    ];
    let mut room = room_of(policy, &users);
    assert_eq!(
        told(&room.present(&id("paul"), true).unwrap()),
        ["all: paul presents"]
    );
    assert_eq!(
        code(room.present(&id("pia"), true)),
        ErrorCode::PresenterTaken
    );
    assert_eq!(code(room.present(&id("ida"), true)), ErrorCode::NotAllowed);
    assert_eq!(code(room.present(&id("zoe"), true)), ErrorCode::NotInRoom);
    assert!(room.present(&id("pia"), false).unwrap().is_empty());
    assert_eq!(
        told(&room.present(&id("olga"), true).unwrap()),
        ["all: olga presents"]
    );
    assert_eq!(
        told(&room.present(&id("olga"), false).unwrap()),
        ["all: nobody presents"]
    );
    // Who leaves presents no longer.
    room.present(&id("pia"), true).unwrap();
    let notices = room.leave(&id("pia"), LeftReason::Lost).unwrap();
    assert_eq!(
        told(&notices),
        ["all: pia left: Lost", "all: nobody presents"]
    );
}

#[test]
fn a_refusal_changes_nothing() {
    let users = [("paul", Role::Participant), ("ida", Role::Inspector)];
    let mut room = room_of(RoomPolicy::default(), &users);
    let before = room.clone();
    assert!(room.join(entrant("paul", Role::Participant), 9).is_err());
    assert!(room.eject(&id("paul"), &id("ida"), true).is_err());
    assert!(room.close(&id("ida")).is_err());
    assert!(room.hand_over(&id("paul"), &id("ida")).is_err());
    assert!(room.set_policy(&id("paul"), RoomPolicy::default()).is_err());
    assert!(room.set_extra(&id("zoe"), Extra::Null).is_err());
    assert!(room.present(&id("ida"), true).is_err());
    assert!(room.leave(&id("zoe"), LeftReason::Left).is_err());
    assert!(room.returned(&id("zoe"), "b").is_err());
    assert_eq!(room, before);
}

#[test]
fn a_record_is_what_its_text_says() {
    let policy = RoomPolicy {
        one_presenter: true,
        ..RoomPolicy::default()
    };
    let mut room = room_of(policy, &[("paul", Role::Participant), ("pia", Role::Guest)]);
    room.eject(&id("olga"), &id("pia"), true).unwrap();
    room.present(&id("paul"), true).unwrap();
    room.lost(&id("paul"), 77);
    let text = serde_json::to_string(&room).unwrap();
    assert_eq!(serde_json::from_str::<RoomRecord>(&text).unwrap(), room);
}

#[test]
fn c55_those_who_watch_see_rooms_that_are_not_hidden() {
    let mut room = room_of(RoomPolicy::default(), &[("paul", Role::Participant)]);
    room.set_extra(&id("olga"), serde_json::json!({"username": "Olga"}))
        .unwrap();
    let info = serde_json::to_value(room.info().unwrap()).unwrap();
    let wanted = serde_json::json!({
        "sessionid": "demo",
        "userid": "olga",
        "extra": {"username": "Olga"},
        "session": {"audio": true, "video": true},
        "users": 2,
        "places": 257,
    });
    assert_eq!(info, wanted);
    let hidden = RoomPolicy {
        hidden: true,
        ..RoomPolicy::default()
    };
    room.set_policy(&id("olga"), hidden).unwrap();
    assert_eq!(room.info(), None);
}
