//! Calls.

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{CallRequest, Event};
use ortc_rooms::signalling::{CallStatus, Role, SessionKind};

use crate::support::{Member, Source, count, id, limited, more, options};

fn request(event: &Event) -> Option<CallRequest> {
    match event {
        Event::CallRequest(request) => Some(request.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn c13_c75_c77_c78_a_guest_calls_an_admin() {
    limited(calls()).await;
}

async fn calls() {
    let desk = Desk::default();
    let of = |name, role| options(name).with_role(role);
    let mut guest = Member::with(&desk, of("guest", Role::Guest)).await;
    let mut admin = Member::with(&desk, of("admin", Role::Admin)).await;
    let source = Source::new(true, false);
    guest.session.add_stream(&source.stream).unwrap();

    let mut call = guest
        .session
        .call(&id("admin"), SessionKind::audio_video())
        .unwrap();
    let asked = admin.until(request).await;
    assert_eq!(asked.from.userid, id("guest"));
    assert_eq!(asked.from.role, Role::Guest);
    // Nothing is sent before it is accepted.
    assert!(guest.session.rooms().is_empty() && admin.session.rooms().is_empty());
    let room = admin.session.accept(&asked).await.unwrap();
    assert_eq!(call.answered().await, Ok(CallStatus::Accepted));
    let own = call.enter().await.unwrap();
    assert_eq!(own.name(), room.name());
    let heard = count(admin.track(ortc::Kind::Audio).await);
    more(&heard, 5).await;
    // Two, and nobody else; nor does a lobby show it.
    let stranger = Member::new(&desk, "stranger").await;
    assert!(stranger.session.join(room.name()).await.is_err());
    call.cancel();
    own.leave().await.unwrap();
    room.leave().await.unwrap();

    let mut call = guest
        .session
        .call(&id("admin"), SessionKind::default())
        .unwrap();
    let asked = admin.until(request).await;
    admin.session.reject(&asked);
    assert_eq!(call.answered().await, Ok(CallStatus::Rejected));
    let mut call = guest
        .session
        .call(&id("admin"), SessionKind::default())
        .unwrap();
    let asked = admin.until(request).await;
    admin.session.busy(&asked);
    assert_eq!(call.answered().await, Ok(CallStatus::Busy));
    let mut call = guest
        .session
        .call(&id("admin"), SessionKind::default())
        .unwrap();
    admin.until(request).await;
    call.cancel();
    assert_eq!(call.answered().await, Ok(CallStatus::Cancelled));
    let status = admin.until(|event| match event {
        Event::CallStatus { status, .. } if *status == CallStatus::Cancelled => Some(*status),
        _ => None,
    });
    status.await;
    let mut call = guest
        .session
        .call(&id("nobody"), SessionKind::default())
        .unwrap();
    assert_eq!(call.answered().await, Ok(CallStatus::Gone));
    assert!(
        guest
            .until(|event| matches!(event, Event::CallStatus { .. }).then_some(true))
            .await
    );
}
