//! Sessions of one process share its ports, among themselves too.

use std::collections::BTreeSet;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, RoomRequest};
use ortc_rooms::signalling::{Direction, SessionKind};

use crate::support::{Member, limited, options};

/// More than a process has ports.
const LISTENERS: usize = 36;

/// Each listener that is called on the same port has to answer on one of its own. When there is
/// none left it says so, and is called on another.
#[tokio::test(flavor = "multi_thread")]
async fn r_h10_sessions_of_one_process_do_not_run_out_of_ports() {
    let desk = Desk::default();
    let kind = SessionKind::audio_video().with_direction(Direction::OneWay);
    let request = RoomRequest::from("one process").session(kind);
    // The smaller id calls. An address of its own, as other tests have ports, too.
    let here = |userid: &str| {
        let mut options = options(userid);
        options.bind = Some(([127, 0, 0, 2], 0).into());
        options
    };
    let mut speaker = Member::with(&desk, here("a")).await;
    speaker.session.open(request.clone()).await.unwrap();
    let mut listeners = BTreeSet::new();
    let mut sessions = Vec::new();
    for number in 0..LISTENERS {
        let listener = Member::with(&desk, here(&format!("b{number:02}"))).await;
        listener.session.join(request.clone()).await.unwrap();
        listeners.insert(listener.session.userid());
        sessions.push(listener);
    }
    limited(async {
        while !listeners.is_empty() {
            speaker
                .until(|event| match event {
                    Event::Connected { user, .. } => Some(listeners.remove(&user.userid)),
                    _ => None,
                })
                .await;
        }
    })
    .await;
    assert_eq!(speaker.session.ports(), 32);
}
