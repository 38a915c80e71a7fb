//! Programs that stream and players, by WHIP and WHEP.

use std::time::Duration;

use ortc::{
    Fingerprint, Kind, MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent,
    RTCConnectionEvents, RTCConnectionOptions, RTCConnectionSide, RTCDtlsRole, RTCIceRole,
    RTCTrackDescription,
};
use ortc_rooms::session::{Event, Events, RoomRequest, Session, SessionOptions};
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::client::{PATIENCE, server};
use crate::http::{Answer, ask};

const SDP: &str = "Content-Type: application/sdp\r\n";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag\r\n";

/// A program that streams, or a player.
struct Program {
    connection: RTCConnection,
    events: RTCConnectionEvents,
    candidates: String,
}

impl Program {
    async fn new() -> Self {
        let options = RTCConnectionOptions::default()
            .bind(([127, 0, 0, 1], 0).into())
            .include_loopback(true)
            .role(RTCIceRole::Controlling);
        let (connection, mut events) = RTCConnection::new(options).unwrap();
        let mut candidates = String::new();
        loop {
            match events.next().await.unwrap() {
                RTCConnectionEvent::Candidate(found) => {
                    let line = found.to_candidate_line().unwrap();
                    candidates.push_str(&format!("a={line}\r\n"));
                }
                RTCConnectionEvent::EndOfCandidates => break,
                _ => {}
            }
        }
        Self {
            connection,
            events,
            candidates,
        }
    }

    fn credentials(&self) -> String {
        let ice = self.connection.local().ice;
        format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            ice.username_frag, ice.password
        )
    }

    /// An offer of these sections.
    fn offer(&self, sections: &[String]) -> String {
        let side = self.connection.local();
        let mut text =
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n".to_owned();
        text.push_str(&self.credentials());
        for one in side.dtls.fingerprint.unwrap().iter() {
            text.push_str(&format!(
                "a=fingerprint:{} {}\r\n",
                one.algorithm,
                one.value()
            ));
        }
        text.push_str("a=setup:actpass\r\n");
        for (mid, section) in sections.iter().enumerate() {
            let (first, rest) = section.split_once("\r\n").unwrap();
            text.push_str(&format!(
                "{first}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n{rest}"
            ));
        }
        text
    }

    /// Takes the answer, and connects.
    async fn connect(&mut self, answer: &str) {
        let ice = |name| value(answer, name).expect(name).to_owned();
        let mut side = RTCConnectionSide::new(ice("ice-ufrag"), ice("ice-pwd"));
        let told = value(answer, "fingerprint").unwrap();
        let (name, told) = told.split_once(' ').unwrap();
        let bytes = told
            .split(':')
            .map(|pair| u8::from_str_radix(pair, 16).unwrap());
        side.dtls.fingerprint = Some(
            Fingerprint::new(name, bytes.collect::<Vec<u8>>())
                .unwrap()
                .into(),
        );
        assert_eq!(value(answer, "setup"), Some("passive"));
        side.dtls.role = Some(RTCDtlsRole::Server);
        self.connection.set_remote(side).unwrap();
        for line in answer
            .lines()
            .filter(|line| line.starts_with("a=candidate:"))
        {
            self.connection
                .set_remote_candidate(&line[2..].parse().unwrap())
                .unwrap();
        }
        self.connection.connect().unwrap();
        timeout(PATIENCE, self.connection.connected())
            .await
            .unwrap()
            .unwrap();
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("a="));
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

const CODECS: [&str; 2] = [
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n",
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
];
const HEADS: [&str; 2] = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n",
];

/// A stream whose tracks are fed for ever.
struct Source {
    stream: MediaStream,
    task: tokio::task::JoinHandle<()>,
}

impl Source {
    fn new(mark: u8) -> Self {
        let stream = MediaStream::new();
        let voice = stream.add_track(&MediaStreamTrack::audio());
        let picture = stream.add_track(&MediaStreamTrack::video());
        // A VP8 key frame of nothing: its first bytes.
        let mut frame = vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
        frame.resize(400, mark);
        let task = tokio::spawn(async move {
            let mut clock = interval(Duration::from_millis(20));
            loop {
                clock.tick().await;
                let _ = voice.write_sample(vec![mark; 40], Duration::from_millis(20));
                let _ = picture.write_sample(frame.clone(), Duration::from_millis(20));
            }
        });
        Self { stream, task }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The sections of what a stream sends.
fn sent(program: &Program, source: &Source) -> Vec<String> {
    program.connection.add_stream(&source.stream).unwrap();
    let tracks = source.stream.tracks();
    let sections = tracks.iter().map(|track| {
        let at = usize::from(track.kind() == Kind::Video);
        let sent = program.connection.track(track).unwrap();
        let mut codecs = vec![ortc::RTCCodec::opus(111)];
        if at == 1 {
            codecs = vec![ortc::RTCCodec::vp8(96), ortc::RTCCodec::rtx(97, 96)];
        }
        sent.set_codecs(codecs).unwrap();
        let told = sent.description().unwrap();
        let ssrc = told.ssrc.unwrap();
        let repair = told.rtx.and_then(|rtx| rtx.ssrc);
        let group = repair.map(|rtx| format!("a=ssrc-group:FID {ssrc} {rtx}\r\n"));
        format!(
            "{}a=sendonly\r\na=rtcp-mux\r\na=msid:s t\r\n{}a=ssrc:{ssrc} cname:c\r\n{}",
            HEADS[at],
            CODECS[at],
            group.unwrap_or_default()
        )
    });
    sections.collect()
}

/// The sections of a player.
fn wanted() -> Vec<String> {
    let pairs = HEADS.iter().zip(CODECS);
    pairs
        .map(|(head, codecs)| format!("{head}a=recvonly\r\na=rtcp-mux\r\n{codecs}"))
        .collect()
}

/// The track of an answer's section.
fn received(program: &Program, answer: &str, kind: Kind) -> MediaStreamTrack {
    let at = answer.find(&format!("m={kind}")).unwrap();
    let section = &answer[at..];
    let section = section[2..]
        .find("m=")
        .map_or(section, |end| &section[..end + 2]);
    assert!(section.contains("a=sendonly"), "{section}");
    let codecs = match kind {
        Kind::Video => vec![ortc::RTCCodec::vp8(96), ortc::RTCCodec::rtx(97, 96)],
        _ => vec![ortc::RTCCodec::opus(111)],
    };
    let mut track = RTCTrackDescription::new(kind, codecs);
    let ssrc = value(section, "ssrc").unwrap().split(' ').next().unwrap();
    track.ssrc = Some(ssrc.parse().unwrap());
    track.msid = vec!["watched".to_owned()];
    program.connection.receive_track(track).unwrap()
}

fn options(userid: &str) -> SessionOptions {
    let mut options = SessionOptions::new().with_userid(userid).unwrap();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    options
}

/// The tracks that come from somebody, audio first.
async fn tracks(events: &mut Events) -> (String, [MediaStreamTrack; 2]) {
    let (mut audio, mut video) = (None, None);
    let found = async {
        loop {
            if let Event::Track { userid, track, .. } = events.next().await.expect("no end") {
                match track.kind() {
                    Kind::Audio => audio = Some(track),
                    _ => video = Some(track),
                }
                if let (Some(audio), Some(video)) = (&audio, &video) {
                    return (userid.to_string(), [audio.clone(), video.clone()]);
                }
            }
        }
    };
    timeout(PATIENCE, found).await.expect("both tracks")
}

async fn shows(track: &MediaStreamTrack, mark: u8) {
    let seen =
        async { while track.recv_sample().await.expect("no end").data.last() != Some(&mark) {} };
    timeout(PATIENCE, seen)
        .await
        .expect("a sample with the mark");
}

/// A program publishes, somebody in the room sees it and is watched by a player; the player's own
/// choice, and what both are told to the room.
#[tokio::test]
async fn a_program_publishes_somebody_sees_it_and_a_player_watches() {
    let server = server(|config| config.whip = true).await;
    let at = server.address();
    let (anna, mut hears) = Session::connect(format!("ws://{at}/ws"), options("anna"))
        .await
        .unwrap();
    let room = anna.open_or_join("show").await.unwrap();
    let own = Source::new(7);
    room.add_stream(&own.stream).unwrap();

    let mut program = Program::new().await;
    let source = Source::new(3);
    let offer = program.offer(&sent(&program, &source));
    let made = ask(at, "POST /whip/show?name=Studio", SDP, &offer).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(header(&made, "content-type"), Some("application/sdp"));
    assert!(header(&made, "etag").is_some());
    program.connect(&made.body).await;
    // What it came with later is taken, too (RFC 9725 section 4.3.2).
    let place = header(&made, "location").unwrap().to_owned();
    let more = format!(
        "{}{}a=mid:0\r\n{}",
        HEADS[0],
        program.credentials(),
        program.candidates
    );
    let tagged = format!("{FRAGMENT}If-Match: {}\r\n", header(&made, "etag").unwrap());
    let what = format!("PATCH {place}");
    assert_eq!(ask(at, &what, &tagged, &more).await.status, 204);
    assert_eq!(ask(at, &what, FRAGMENT, &more).await.status, 428);
    let other = format!("{FRAGMENT}If-Match: \"nonsense\"\r\n");
    assert_eq!(ask(at, &what, &other, &more).await.status, 412);
    assert_eq!(ask(at, &what, SDP, &more).await.status, 415);

    let (who, [voice, picture]) = tracks(&mut hears).await;
    assert!(who.starts_with("whip."), "{who}");
    let user = room
        .users()
        .into_iter()
        .find(|user| user.userid.as_str() == who)
        .unwrap();
    let extra: Value = serde_json::to_value(&user.extra).unwrap();
    assert_eq!(extra["name"], json!("Studio"));
    shows(&voice, 3).await;
    shows(&picture, 3).await;

    let mut player = Program::new().await;
    let offer = player.offer(&wanted());
    let watched = ask(at, "POST /whep/show/anna", SDP, &offer).await;
    assert_eq!(watched.status, 201, "{watched:?}");
    let seen = received(&player, &watched.body, Kind::Video);
    let heard = received(&player, &watched.body, Kind::Audio);
    player.connect(&watched.body).await;
    shows(&seen, 7).await;
    shows(&heard, 7).await;

    // The other one of the room, by its name.
    let mut second = Program::new().await;
    let offer = second.offer(&wanted());
    let watched = ask(at, &format!("POST /whep/show/{who}"), SDP, &offer).await;
    assert_eq!(watched.status, 201, "{watched:?}");
    let seen = received(&second, &watched.body, Kind::Video);
    second.connect(&watched.body).await;
    shows(&seen, 3).await;

    // ICE is restarted (RFC 9725 section 4.3.3), and pictures go on.
    program.connection.restart().unwrap();
    let fresh = format!(
        "{}a=mid:0\r\n{}{}",
        HEADS[0],
        program.credentials(),
        program.candidates
    );
    let restart = format!("{FRAGMENT}If-Match: \"*\"\r\n").replace("\"*\"", "*");
    let told = ask(at, &what, &restart, &fresh).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_ne!(header(&told, "etag"), header(&made, "etag"));
    let mut side = program.connection.remote().unwrap();
    side.ice.username_frag = value(&told.body, "ice-ufrag").unwrap().to_owned();
    side.ice.password = value(&told.body, "ice-pwd").unwrap().to_owned();
    program.connection.set_remote(side).unwrap();
    for line in told
        .body
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
    {
        program
            .connection
            .set_remote_candidate(&line[2..].parse().unwrap())
            .unwrap();
    }
    timeout(PATIENCE, program.connection.connected())
        .await
        .unwrap()
        .unwrap();
    shows(&picture, 3).await;

    assert_eq!(
        ask(at, &format!("DELETE {place}"), "", "").await.status,
        200
    );
    assert_eq!(
        ask(at, &format!("DELETE {place}"), "", "").await.status,
        404
    );
    let left = async {
        loop {
            match hears.next().await.expect("no end") {
                Event::Left { user, .. } if user.userid.as_str() == who => return,
                _ => {}
            }
        }
    };
    timeout(PATIENCE, left).await.expect("it leaves");
    let ended = async {
        loop {
            match program.events.next().await {
                Some(RTCConnectionEvent::Disconnected { .. }) | None => return,
                Some(_) => {}
            }
        }
    };
    timeout(PATIENCE, ended).await.expect("its connection ends");
    server.shut_down().await;
}

#[tokio::test]
async fn r_h01_who_may_not_come_is_refused_and_nothing_is_left() {
    let off = server(|_| {}).await;
    let program = Program::new().await;
    let offer = program.offer(&wanted());
    let sent = offer.replace("recvonly", "sendonly");
    assert_eq!(
        ask(off.address(), "POST /whip/show", SDP, &sent)
            .await
            .status,
        404
    );
    let secret = "0123456789abcdef0123456789abcdef";
    let server = server(|config| {
        config.whip = true;
        config.token_secret = Some(secret.to_owned());
        config.token_required = true;
        config.api_token = Some("the-servers-own-token".to_owned());
    })
    .await;
    let at = server.address();
    let status = async |what: &str, head: &str, body: &str| ask(at, what, head, body).await.status;
    assert_eq!(status("POST /whip/show", SDP, &sent).await, 401);
    let wrong = format!("{SDP}Authorization: Bearer nonsense\r\n");
    assert_eq!(status("POST /whip/show", &wrong, &sent).await, 401);
    let own = format!("{SDP}Authorization: Bearer the-servers-own-token\r\n");
    // What is offered the wrong way round, in the wrong form, or not at all.
    assert_eq!(status("POST /whip/show", &own, &offer).await, 422);
    assert_eq!(status("POST /whip/show", &own, "v=0").await, 422);
    let plain = own.replace("application/sdp", "text/plain");
    assert_eq!(status("POST /whip/show", &plain, &sent).await, 415);
    assert_eq!(status("POST /whip/a%00b", &own, &sent).await, 400);
    let none = sent.replace("opus", "speex").replace("VP8", "theora");
    assert_eq!(status("POST /whip/show", &own, &none).await, 406);
    // A room that is not there, and a page of another server.
    assert_eq!(status("POST /whep/nowhere", &own, &offer).await, 404);
    let foreign = format!("{own}Origin: https://example.org\r\n");
    assert_eq!(status("POST /whip/show", &foreign, &sent).await, 403);
    assert_eq!(status("GET /whip/show", "", "").await, 204);
    let told = ask(at, "OPTIONS /whip/show", "", "").await;
    assert_eq!(header(&told, "accept-post"), Some("application/sdp"));
    let rooms = ask(at, "GET /api/rooms", &own, "").await.json();
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(0), "{rooms}");

    // With a token it comes, and its place is for that token alone.
    let made = ask(at, "POST /whip/show", &own, &sent).await;
    assert_eq!(made.status, 201, "{made:?}");
    let place = header(&made, "location").unwrap();
    assert_eq!(status(&format!("DELETE {place}"), "", "").await, 401);
    assert_eq!(status(&format!("DELETE {place}"), &wrong, "").await, 401);
    assert_eq!(status(&format!("DELETE {place}"), &own, "").await, 200);
    let empty = async {
        loop {
            let rooms = ask(at, "GET /api/rooms", &own, "").await.json();
            if rooms["rooms"].as_array().is_some_and(Vec::is_empty) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, empty).await.expect("the room ends");
}

/// Where a room has a password, it is what stands where a token would; the figures say who is there.
#[tokio::test]
async fn a_rooms_password_lets_programs_and_players_in() {
    let server = server(|config| config.whip = true).await;
    let at = server.address();
    let (anna, _hears) = Session::connect(format!("ws://{at}/ws"), options("anna"))
        .await
        .unwrap();
    let locked = RoomRequest::from("locked").password("open sesame");
    let room = anna.open(locked).await.unwrap();
    let own = Source::new(7);
    room.add_stream(&own.stream).unwrap();
    let with = |word: &str| format!("{SDP}Authorization: Bearer {word}\r\n");
    let program = Program::new().await;
    let source = Source::new(3);
    let offer = program.offer(&sent(&program, &source));
    let player = Program::new().await;
    let wish = player.offer(&wanted());
    for (what, offer) in [("POST /whip/locked", &offer), ("POST /whep/locked", &wish)] {
        for head in [SDP.to_owned(), with("open simsim")] {
            let refused = ask(at, what, &head, offer).await;
            assert_eq!(refused.status, 401, "{refused:?}");
        }
        let made = ask(at, what, &with("open sesame"), offer).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    // What is no token is none for a room without a password, nor becomes one.
    let second = Program::new().await;
    let offer = second.offer(&sent(&second, &source));
    let made = ask(at, "POST /whip/free", &with("a word"), &offer).await;
    assert_eq!(made.status, 201, "{made:?}");
    anna.join("free").await.unwrap();
    let metrics = ask(at, "GET /metrics", "", "").await.body;
    for line in [
        "ortc_bridges{by=\"whip\"} 2",
        "ortc_bridges{by=\"whep\"} 1",
        "ortc_bridges_total{by=\"whip\"} 2",
        "ortc_bridges_refused_total{status=\"401\"} 4",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // Who does not connect, or leaves, is counted no longer.
    let place = header(&made, "location").unwrap();
    let gone = ask(at, &format!("DELETE {place}"), &with("a word"), "").await;
    assert_eq!(gone.status, 200);
    let counted = async {
        while !ask(at, "GET /metrics", "", "")
            .await
            .body
            .contains("ortc_bridges{by=\"whip\"} 1")
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("one fewer");
}
