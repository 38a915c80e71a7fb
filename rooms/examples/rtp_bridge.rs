//! Between a room and a SIP box: voice and digits, both ways, as plain RTP on a UDP port of one's
//! own network. The box does the signalling of the telephone's side: it is told to send its G.711
//! to this port. Without arguments a box of this process is at the other end.
//!
//! ```text
//! cargo run -p ortc-rooms --example rtp_bridge -- ws://127.0.0.1:8080/ws ROOM 0.0.0.0:4000 10.0.0.5:4000
//! ```

#[path = "support/phone.rs"]
mod phone;
#[path = "support/plain_rtp.rs"]
mod plain_rtp;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack};
use ortc::{Kind, MediaStream, MediaStreamTrack};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Origin, Room, Session, SessionOptions};
use ortc_rooms::signalling::SessionKind;
use ortc_rooms::signalling::memory::Memory;
use phone::Phone;
use plain_rtp::{Heard, Writer, read};
use tokio::net::UdpSocket;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The tones of the two who talk in the demonstration.
const VOICES: [f64; 2] = [600.0, 1_200.0];

/// After so long without a word of it a key is up.
const LOST: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, room, port, to] = arguments.as_slice() else {
        return run().await;
    };
    let (session, events) = Session::connect(server.clone(), SessionOptions::new()).await?;
    let room = session.open_or_join(room.as_str()).await?;
    bridge(room, events, UdpSocket::bind(port).await?, to.parse()?).await
}

/// Carries between a room and a box until the session ends.
async fn bridge(room: Room, mut events: Events, socket: UdpSocket, to: SocketAddr) -> Result<()> {
    let (stream, keys) = (MediaStream::new(), DTMFMediaStreamTrack::new());
    let sound = stream.add_track(&MediaStreamTrack::audio());
    stream.add_track(&keys);
    room.add_stream_with(&stream, Phone::options())?;
    let listens = async {
        loop {
            let (voice, keys) = other(&mut events).await?;
            // Until it ends: one at a time has the line.
            speak(&voice, &keys, &socket, to).await?;
        }
    };
    tokio::select! {
        done = listen(&sound, &keys, &socket, to) => done,
        done = listens => done,
    }
}

/// From the box into the room.
async fn listen(
    sound: &MediaStreamTrack,
    keys: &DTMFMediaStreamTrack,
    socket: &UdpSocket,
    box_at: SocketAddr,
) -> Result<()> {
    let mut datagram = [0; 2_048];
    let mut down = None;
    let mut heard = Instant::now();
    loop {
        let (length, from) = socket.recv_from(&mut datagram).await?;
        // Plain RTP proves nothing of itself: the box alone is heard.
        if from != box_at {
            continue;
        }
        match (read(&datagram[..length]), down) {
            (Some(Heard::Key { .. }), _) => heard = Instant::now(),
            // Its end was lost.
            (_, Some((timestamp, true))) if heard.elapsed() > LOST => {
                keys.tonestop()?;
                down = Some((timestamp, false));
            }
            _ => {}
        }
        match read(&datagram[..length]) {
            Some(Heard::Voice(frame)) => {
                let duration = Duration::from_micros(frame.len() as u64 * 125);
                sound.write_sample(frame.to_vec(), duration)?;
            }
            Some(Heard::Key {
                up: true,
                timestamp,
                ..
            }) if down == Some((timestamp, true)) => {
                keys.tonestop()?;
                down = Some((timestamp, false));
            }
            Some(Heard::Key {
                digit,
                up: false,
                timestamp,
            }) if down.is_none_or(|(one, _)| one != timestamp) => {
                keys.tonestart(digit)?;
                down = Some((timestamp, true));
            }
            _ => {}
        }
    }
}

/// From the room to the box.
async fn speak(
    voice: &MediaStreamTrack,
    keys: &DTMFMediaStreamTrack,
    socket: &UdpSocket,
    to: SocketAddr,
) -> Result<()> {
    let mut writer = Writer::new(std::process::id());
    loop {
        let packets = tokio::select! {
            frame = voice.recv_sample() => match frame {
                Some(frame) => vec![writer.voice(&frame.data)],
                None => return Ok(()),
            },
            event = keys.next_event() => match event {
                Some(DTMFEvent::ToneStart { digit }) => writer.down(digit).into_iter().collect(),
                Some(DTMFEvent::ToneStop { .. }) => writer.up(),
                Some(_) => Vec::new(),
                None => return Ok(()),
            },
        };
        for packet in packets {
            socket.send_to(&packet, to).await?;
        }
    }
}

/// Voice and keys of who comes next.
async fn other(events: &mut Events) -> Result<(MediaStreamTrack, DTMFMediaStreamTrack)> {
    loop {
        if let Event::Stream(event) = events.next().await.ok_or("the session has ended")?
            && event.origin == Origin::Remote
        {
            let mut tracks = event.stream.tracks().into_iter();
            let voice = tracks.find(|track| track.kind() == Kind::Audio);
            if let Some(both) = voice.zip(event.stream.dtmf_tracks().pop()) {
                return Ok(both);
            }
        }
    }
}

/// The demonstration: somebody in a room and a box say something to each other, and press keys.
pub(crate) async fn run() -> Result<()> {
    let desk = Desk::default();
    let own = UdpSocket::bind("127.0.0.1:0").await?;
    let sip = UdpSocket::bind("127.0.0.1:0").await?;
    let (bridge_at, box_at) = (own.local_addr()?, sip.local_addr()?);
    let (_gateway, events, room) = enter(&desk, "gateway").await?;
    let carried = tokio::spawn(bridge(room, events, own, box_at));
    let (_caller, mut events, room) = enter(&desk, "caller").await?;
    let phone = Phone::new();
    room.add_stream_with(&phone.stream, Phone::options())?;
    phone.say(VOICES[0]);
    phone.keys.play("7#")?;
    let at_box = tokio::spawn(telephone(sip, bridge_at));
    let (voice, keys) = other(&mut events).await?;
    let (mut digits, mut frames) = (String::new(), 0);
    while digits != "5*" || frames < 10 {
        tokio::select! {
            frame = voice.recv_sample() => {
                let frame = frame.ok_or("the line is dead")?;
                let heard = frame.payload_type == 0
                    && phone::which(&frame.data, &VOICES) == Some(VOICES[1]);
                frames += usize::from(heard);
            }
            event = keys.next_event() => if let Some(DTMFEvent::Tone(tone)) = event {
                digits.push_str(&tone.digits);
            },
        }
    }
    println!("the room heard the box, and {digits}");
    println!("the box heard the room, and {}", at_box.await??);
    carried.abort();
    Ok(())
}

async fn enter(desk: &Desk, name: &str) -> Result<(Session, Events, Room)> {
    let options = SessionOptions::new().with_userid(name)?;
    let signaller = Memory::connect(desk, options.hello()).await?;
    let (session, events) = Session::with(signaller, options).await?;
    let kind = SessionKind::audio_video().and_data();
    let request = ortc_rooms::session::RoomRequest::from("telephone").session(kind);
    let room = session.open_or_join(request).await?;
    Ok((session, events, room))
}

/// A box that says its tone, presses two keys, and ends once it has heard the other two.
async fn telephone(socket: UdpSocket, to: SocketAddr) -> Result<String> {
    let mut clock = tokio::time::interval(phone::FRAME);
    let mut writer = Writer::new(1);
    let (mut number, mut frames, mut pressed) = (0_u32, 0, None);
    let mut digits = String::new();
    let mut datagram = [0; 2_048];
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let mut packets = vec![writer.voice(&phone::tone(VOICES[1], number * 160))];
                number += 1;
                match number % 100 {
                    50 if number < 200 => packets.extend(writer.down(if number < 100 { '5' } else { '*' })),
                    57 => packets.extend(writer.up()),
                    _ => {}
                }
                for packet in packets {
                    socket.send_to(&packet, to).await?;
                }
            }
            received = socket.recv_from(&mut datagram) => match read(&datagram[..received?.0]) {
                Some(Heard::Voice(frame)) => {
                    frames += usize::from(phone::which(frame, &VOICES) == Some(VOICES[0]));
                }
                Some(Heard::Key { digit, up: true, timestamp }) if pressed != Some(timestamp) => {
                    pressed = Some(timestamp);
                    digits.push(digit);
                }
                _ => {}
            },
        }
        if digits == "7#" && frames >= 10 && number > 200 {
            return Ok(digits);
        }
    }
}
