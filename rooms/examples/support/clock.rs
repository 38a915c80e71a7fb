//! A picture to send: a clock in VP8, over and over.

use std::time::Duration;

use ortc::{MediaStream, MediaStreamTrack, MediaStreamTrackEvent};

const CLOCK: &[u8] = include_bytes!("../../../examples/media/clock.ivf");
/// Each so many frames there is one that a decoder can begin with.
const KEY_INTERVAL: usize = 25;

/// A stream with the clock in it, at so many pictures a second: 25 show the time. It runs as long as
/// the program.
pub(crate) fn stream(pictures: u32) -> MediaStream {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::video());
    tokio::spawn(play(track, Duration::from_secs(1) / pictures));
    stream
}

/// The frames of the file: 32 bytes of header, then each behind 12 bytes of size and time.
fn frames() -> Vec<Vec<u8>> {
    let mut rest = CLOCK.get(32..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<12>() {
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let Some((frame, behind)) = behind.split_at_checked(size as usize) else {
            break;
        };
        frames.push(frame.to_vec());
        rest = behind;
    }
    frames
}

async fn play(track: MediaStreamTrack, frame_time: Duration) -> ortc::Result<()> {
    let frames = frames();
    let mut clock = tokio::time::interval(frame_time);
    let mut at = 0;
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if let Some(frame) = frames.get(at) {
                    track.write_sample(frame.clone(), frame_time)?;
                }
                at = (at + 1) % frames.len().max(1);
            }
            event = track.next_event() => {
                // Whoever comes late waits for no more than one of these.
                if event == Some(MediaStreamTrackEvent::KeyframeRequested) {
                    at = at.next_multiple_of(KEY_INTERVAL) % frames.len().max(1);
                }
            }
        }
    }
}
