//! Two connections in one process, over real sockets on loopback.
#![allow(clippy::unwrap_used)]

use crate::common::{pair, within};

#[tokio::test]
async fn two_connections_connect_over_loopback() {
    let (a, b) = pair().await;
    within(5, async {
        a.connection.connected().await.unwrap();
        b.connection.connected().await.unwrap();
    })
    .await;
    assert_eq!(a.connection.state(), ortc::RTCConnectionState::Connected);
}
