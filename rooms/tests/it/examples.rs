//! The examples run.

use crate::support::limited;

macro_rules! example {
    ($row:ident, $name:ident, $path:literal) => {
        #[path = $path]
        #[allow(dead_code)]
        mod $name;

        #[tokio::test]
        async fn $row() {
            limited($name::run()).await.unwrap();
        }
    };
}

example!(c81_one_page_runs, one_page, "../../examples/one_page.rs");
example!(
    c10_group_room_runs,
    group_room,
    "../../examples/group_room.rs"
);
example!(
    c63_c86_multi_session_runs,
    multi_session,
    "../../examples/multi_session.rs"
);
example!(c80_helpdesk_runs, helpdesk, "../../examples/helpdesk.rs");
example!(
    c22_c23_e17_own_signalling_runs,
    own_signalling,
    "../../examples/own_signalling.rs"
);
example!(e15_ivr_runs, ivr, "../../examples/ivr.rs");
example!(
    e15_rtp_bridge_runs,
    rtp_bridge,
    "../../examples/rtp_bridge.rs"
);
