//! A telephone: G.711 and digits. What it says are tones, each of which stands for a sentence that
//! a service would have recorded.

use std::f64::consts::TAU;
use std::time::Duration;

use ortc::dtmf::DTMFMediaStreamTrack;
use ortc::{MediaStream, MediaStreamTrack, RTCCodec};
use ortc_rooms::session::StreamOptions;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Of G.711, in Hz.
pub(crate) const RATE: f64 = 8_000.0;
/// What one packet carries.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
const SAMPLES: u32 = 160;
const LOUDNESS: f64 = 8_000.0;

/// A stream of its own, on which it says something at any time.
pub(crate) struct Phone {
    pub(crate) stream: MediaStream,
    /// Its keys.
    pub(crate) keys: DTMFMediaStreamTrack,
    says: watch::Sender<f64>,
}

impl Phone {
    pub(crate) fn new() -> Self {
        let (stream, keys) = (MediaStream::new(), DTMFMediaStreamTrack::new());
        let sound = stream.add_track(&MediaStreamTrack::audio());
        stream.add_track(&keys);
        let (says, heard) = watch::channel(0.0);
        tokio::spawn(speak(sound, heard));
        Self { stream, keys, says }
    }

    /// G.711 and digits, as telephones and their gateways have them.
    pub(crate) fn options() -> StreamOptions {
        StreamOptions::codecs([RTCCodec::ulaw(), RTCCodec::dtmf(101)])
    }

    /// Says this from now on; 0 is silence.
    pub(crate) fn say(&self, hertz: f64) {
        self.says.send_replace(hertz);
    }
}

/// Ends with the phone.
async fn speak(sound: MediaStreamTrack, mut says: watch::Receiver<f64>) {
    let mut clock = tokio::time::interval(FRAME);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut at = 0;
    loop {
        clock.tick().await;
        if says.has_changed().is_err() {
            return;
        }
        let frame = tone(*says.borrow_and_update(), at);
        at += SAMPLES;
        // Nobody may listen yet.
        let _ = sound.write_sample(frame, FRAME);
    }
}

/// 20 ms of a tone, from this sample on.
pub(crate) fn tone(hertz: f64, at: u32) -> Vec<u8> {
    let sample = |at: u32| LOUDNESS * (TAU * hertz * f64::from(at) / RATE).sin();
    (at..at + SAMPLES)
        .map(|at| compressed(sample(at) as i16))
        .collect()
}

/// Which of these tones is in a frame, if one is clearly (the algorithm of Goertzel).
pub(crate) fn which(frame: &[u8], tones: &[f64]) -> Option<f64> {
    let samples: Vec<f64> = frame.iter().map(|byte| expanded(*byte)).collect();
    let all: f64 = samples.iter().map(|sample| sample * sample).sum();
    let part = |hertz: f64| {
        let factor = 2.0 * (TAU * hertz / RATE).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in &samples {
            (one, two) = (sample + factor * one - two, one);
        }
        (one * one + two * two - factor * one * two) / (all * samples.len() as f64 / 2.0)
    };
    let loud = all > 1e6 * samples.len() as f64;
    tones
        .iter()
        .copied()
        .find(|hertz| loud && part(*hertz) > 0.7)
}

/// ITU-T G.711, mu-law.
fn compressed(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let exponent = 8 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

/// And back.
fn expanded(byte: u8) -> f64 {
    let byte = !byte;
    let magnitude = (i32::from(byte & 0x0f) << 3) + 132;
    let magnitude = (magnitude << ((byte & 0x70) >> 4)) - 132;
    f64::from(if byte & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    })
}
