//! Two channels, joined to one.

use ortc::RTCDataChannel;

/// Both ways.
pub(super) async fn pipe_both(one: &RTCDataChannel, other: &RTCDataChannel) {
    tokio::join!(pipe(one, other), pipe(other, one));
}

/// Until either ends. What is not taken is not read, and so its sender waits.
async fn pipe(from: &RTCDataChannel, to: &RTCDataChannel) {
    while let Some(message) = from.recv().await {
        if to.send(message).await.is_err() {
            break;
        }
    }
    let _ = to.flush().await;
    to.close();
    from.close();
}
