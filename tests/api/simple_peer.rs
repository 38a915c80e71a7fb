//! The draft's example "Simple Peer-to-peer", end to end: the peers exchange JSON messages with
//! `iceInfo`, `candidate` and `track`, and nothing else.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use crate::common::{FRAME, candidate, loopback, while_writing, within};
use ortc::{
    Kind, LocalCandidates, MediaStream, MediaStreamTrack, PeerIdentity, RTCConnection,
    RTCConnectionEvent, RTCConnectionEvents, RTCConnectionSide,
};
use serde_json::{Value, json};

/// A page of the example: `conn`, what `getUserMedia` gave, what it has to say.
struct Page {
    conn: RTCConnection,
    events: RTCConnectionEvents,
    microphone: MediaStreamTrack,
    camera: MediaStreamTrack,
    outbox: VecDeque<String>,
    received: Vec<MediaStreamTrack>,
    connected: bool,
}

impl Page {
    /// `start()` of the example.
    fn start() -> Self {
        let options = loopback()
            .identity(PeerIdentity::Deferred)
            .local_candidates(LocalCandidates::OnSet);
        let (conn, events) = RTCConnection::new(options).unwrap();
        let mut outbox = VecDeque::new();
        let local = conn.local();
        let ice_info = json!({
            "usernameFrag": local.ice.username_frag,
            "password": local.ice.password,
        });
        outbox.push_back(json!({ "iceInfo": ice_info }).to_string());
        let stream = MediaStream::new();
        let microphone = stream.add_track(&MediaStreamTrack::audio());
        let camera = stream.add_track(&MediaStreamTrack::video());
        conn.add_stream(&stream).unwrap();
        for track in conn.tracks() {
            outbox.push_back(json!({ "track": track.description().unwrap() }).to_string());
        }
        Self {
            conn,
            events,
            microphone,
            camera,
            outbox,
            received: Vec::new(),
            connected: false,
        }
    }

    /// `conn.oncandidate` and the other handlers of the example.
    fn on_event(&mut self, event: &RTCConnectionEvent) {
        if let Some(found) = candidate(event) {
            self.conn.set_local_candidate(&found).unwrap();
            self.outbox
                .push_back(json!({ "candidate": found }).to_string());
        }
        match event {
            // The example trusts whoever its signalling channel leads to.
            RTCConnectionEvent::PeerFingerprint(_) => self.conn.accept_peer().unwrap(),
            RTCConnectionEvent::Connected => self.connected = true,
            _ => {}
        }
    }

    /// `signalingChannel.onmessage` of the example.
    fn on_message(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        if let Some(info) = message.get("iceInfo") {
            let side: RTCConnectionSide = serde_json::from_value(info.clone()).unwrap();
            self.conn.set_remote(side).unwrap();
            self.conn.connect().unwrap();
        }
        if let Some(candidate) = message.get("candidate") {
            let candidate = serde_json::from_value(candidate.clone()).unwrap();
            self.conn.set_remote_candidate(&candidate).unwrap();
        }
        if let Some(track) = message.get("track") {
            let description = serde_json::from_value(track.clone()).unwrap();
            self.received
                .push(self.conn.receive_track(description).unwrap());
        }
    }

    /// Handles events until there is a message to send, or the page is connected.
    async fn step(&mut self) {
        while self.outbox.is_empty() && !self.connected {
            let event = self.events.next().await.unwrap();
            self.on_event(&event);
        }
    }

    fn received(&self, kind: Kind) -> &MediaStreamTrack {
        let mut tracks = self.received.iter();
        tracks.find(|track| track.kind() == kind).unwrap()
    }
}

/// Runs both pages until they are connected; `reorder` arranges what a page says at once.
async fn run(caller: &mut Page, callee: &mut Page, reorder: impl Fn(&mut Vec<String>)) {
    within(10, async {
        while !(caller.connected && callee.connected) {
            tokio::select! {
                () = caller.step(), if !caller.connected || !caller.outbox.is_empty() => {
                    let mut messages: Vec<_> = caller.outbox.drain(..).collect();
                    reorder(&mut messages);
                    messages.iter().for_each(|text| callee.on_message(text));
                }
                () = callee.step(), if !callee.connected || !callee.outbox.is_empty() => {
                    let mut messages: Vec<_> = callee.outbox.drain(..).collect();
                    reorder(&mut messages);
                    messages.iter().for_each(|text| caller.on_message(text));
                }
            }
        }
    })
    .await;
}

/// Audio and video in both directions, bit by bit, and the streams that `onaddstream` gives.
async fn assert_media(caller: &Page, callee: &Page) {
    for (from, to) in [(caller, callee), (callee, caller)] {
        let picture = vec![0x10; 5000];
        from.camera.write_sample(picture.clone(), FRAME).unwrap();
        let got = within(5, to.received(Kind::Video).recv_sample()).await;
        assert_eq!(got.unwrap().data, picture);
        let sound = to.received(Kind::Audio).recv_sample();
        let got = while_writing(&from.microphone, sound).await.unwrap();
        assert_eq!(got.data.len(), 40);
        let streams = to.conn.receiving_streams();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].tracks().len(), 2);
        assert_eq!(streams[0].id(), from.conn.sending_streams()[0].id());
    }
}

#[tokio::test]
async fn a117_g018_the_example_runs_end_to_end() {
    let mut caller = Page::start();
    // The callee's page starts when the first message arrives.
    let first = caller.outbox.pop_front().unwrap();
    assert!(first.contains("iceInfo") && !first.contains("fingerprint"));
    let mut callee = Page::start();
    callee.on_message(&first);
    run(&mut caller, &mut callee, |_| {}).await;
    assert_media(&caller, &callee).await;
    // No fingerprint was exchanged: each knows the other's from the handshake alone.
    let seen = callee.conn.remote().unwrap().dtls.fingerprint.unwrap();
    let own = caller.conn.local().dtls.fingerprint.unwrap();
    assert_eq!(seen.get("sha-256"), own.get("sha-256"));
}

#[tokio::test]
async fn a118_messages_in_any_order_work() {
    // Every order of what the caller says: iceInfo, two tracks and its candidate.
    for order in 0..24usize {
        let mut caller = Page::start();
        let event = within(5, caller.events.next()).await.unwrap();
        caller.on_event(&event);
        let mut said: Vec<_> = caller.outbox.drain(..).collect();
        assert_eq!(said.len(), 4);
        let mut rest = order;
        for i in (1..said.len()).rev() {
            said.swap(i, rest % (i + 1));
            rest /= i + 1;
        }
        let mut callee = Page::start();
        for text in &said {
            callee.on_message(text);
        }
        run(&mut caller, &mut callee, |messages| messages.reverse()).await;
        assert_media(&caller, &callee).await;
    }
}
