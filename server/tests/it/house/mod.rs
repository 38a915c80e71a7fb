//! Rooms of one server and of two that keep them together: the same tests for both.

mod faults;
mod guest;
pub(crate) mod nats;
mod suite;

use std::sync::Arc;
use std::time::Duration;

use ortc_rooms::desk::{Desk, DeskOptions};
use ortc_server::cluster::{Cluster, ClusterOptions, connect};

use guest::{Guest, arrive};
use nats::Nats;

/// How long one whose connection is lost may take to come back.
const GRACE: Duration = Duration::from_secs(3);

/// Two doors into the same rooms.
struct House {
    one: Desk,
    two: Desk,
    _nats: Option<Nats>,
}

fn options() -> DeskOptions {
    let mut options = DeskOptions::default();
    options.grace = GRACE;
    options
}

async fn join(nats: &Nats) -> (Desk, Arc<Cluster>) {
    join_with(nats, false).await
}

async fn join_with(nats: &Nats, on_disk: bool) -> (Desk, Arc<Cluster>) {
    let mut of = ClusterOptions::default();
    of.on_disk = on_disk;
    of.grace = GRACE;
    of.beat = Duration::from_millis(100);
    of.missed = 15;
    of.patience = Duration::from_secs(2);
    let cluster = connect(&nats.url(), of).await.unwrap();
    (Desk::with_store(options(), cluster.clone()), cluster)
}

async fn one() -> House {
    let desk = Desk::new(options());
    House {
        one: desk.clone(),
        two: desk,
        _nats: None,
    }
}

async fn two() -> House {
    let nats = Nats::start().await;
    House {
        one: join(&nats).await.0,
        two: join(&nats).await.0,
        _nats: Some(nats),
    }
}

async fn in_time(test: impl Future<Output = ()>) {
    let limit = Duration::from_secs(120);
    tokio::time::timeout(limit, test).await.expect("too slow");
}

/// Each test by one server, and by two.
macro_rules! both {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn one_server() {
                    use crate::house::{in_time, one, suite};
                    in_time(async { suite::$name(&one().await).await }).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn two_servers() {
                    use crate::house::{in_time, suite, two};
                    in_time(async { suite::$name(&two().await).await }).await;
                }
            }
        )*
    };
}

both! {
    c20_c40_open_join_and_close
    c10_c38_the_owner_is_lost
    c08_c39_eject_and_ban
    c62_d11_places
    c66_password
    c75_c77_c78_c79_calls
    c75_two_who_call_each_other
    c21_user_ids_are_unique
    c55_c58_the_lobby
    d30_one_presenter
    c54_extra_and_owner
    r_h04_resume_by_the_other_door
    r_h11_many_at_once
    r_h11_order_of_each_sender
    r_h03_nothing_from_another_room
}
