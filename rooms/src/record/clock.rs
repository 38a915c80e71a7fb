//! When a frame was: RTP timestamps of several tracks of one sender on one time line.
//!
//! A sender's reports say what its tracks' timestamps are in its own clock, which all of them
//! share (RFC 3550 section 6.4.1); that clock is set against this side's once. Before the first
//! report, and where reports cannot be true, times go by when packets came: the one that was
//! least on its way tells how the two clocks stand.

use std::time::Instant;

use ortc::SenderClock;

const SECOND: i64 = 1_000_000_000;
/// A frame is not held to have come earlier than it was made, but for what clocks drift.
const AHEAD: i64 = SECOND / 2;
/// Nor is it so long on its way.
const BEHIND: i64 = 3 * SECOND;
/// A pause in what is sent that the timestamps do not know of.
const PAUSE: i64 = SECOND;

/// What the tracks of one sender share: how its clock stands to that of this side.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// Nanoseconds to be added to the sender's time.
    offset: Option<i64>,
}

/// The times of one track.
#[derive(Debug)]
pub(super) struct TrackClock {
    rate: i64,
    last: Option<(u32, i64)>,
    /// By arrival: nanoseconds to be added to media time.
    arrival: Option<i64>,
    given: Option<i64>,
}

/// Nanoseconds from one moment to another, which may be before it.
pub(super) fn between(from: Instant, to: Instant) -> i64 {
    let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos());
    match to.checked_duration_since(from) {
        Some(after) => nanos(after).unwrap_or(i64::MAX),
        None => nanos(from.saturating_duration_since(to)).map_or(i64::MIN, i64::saturating_neg),
    }
}

impl TrackClock {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: i64::from(rate.max(1)),
            last: None,
            arrival: None,
            given: None,
        }
    }

    /// When a frame was, in nanoseconds of the time line that `arrived` is of; never before the one
    /// before it.
    pub(super) fn at(
        &mut self,
        timestamp: u32,
        arrived: i64,
        sender: Option<SenderClock>,
        common: &mut Common,
    ) -> i64 {
        let ticks = self.unwrapped(timestamp);
        let by_arrival = self.by_arrival(ticks, arrived);
        let by_report = sender.and_then(|sender| {
            // The report is near the frame: the difference wraps.
            let since = timestamp.wrapping_sub(sender.rtp_timestamp).cast_signed();
            let sent = ntp_nanos(sender.ntp)?.checked_add(self.nanos(i64::from(since)))?;
            self.common_time(sent, arrived, common)
        });
        let time = by_report.unwrap_or(by_arrival);
        let time = match self.given {
            Some(given) => time.max(given.saturating_add(SECOND / 1000)),
            None => time,
        };
        self.given = Some(time);
        time
    }

    fn common_time(&self, sent: i64, arrived: i64, common: &mut Common) -> Option<i64> {
        let offset = common.offset.or_else(|| arrived.checked_sub(sent))?;
        let time = sent.checked_add(offset)?;
        let late = arrived.checked_sub(time)?;
        if !(-AHEAD..BEHIND).contains(&late) {
            // The sender's clock was set, or what it says is not true: from here on anew.
            common.offset = None;
            return None;
        }
        common.offset = Some(offset);
        Some(time)
    }

    fn by_arrival(&mut self, ticks: i64, arrived: i64) -> i64 {
        let media = self.nanos(ticks);
        let now = arrived.saturating_sub(media);
        let offset = match self.arrival {
            Some(known) if now >= known && now.saturating_sub(known) < PAUSE => known,
            _ => now,
        };
        self.arrival = Some(offset);
        media.saturating_add(offset)
    }

    fn nanos(&self, ticks: i64) -> i64 {
        let nanos = i128::from(ticks).saturating_mul(i128::from(SECOND));
        let nanos = nanos.checked_div(i128::from(self.rate)).unwrap_or(0);
        i64::try_from(nanos).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
    }

    fn unwrapped(&mut self, timestamp: u32) -> i64 {
        let ticks = match self.last {
            Some((last, ticks)) => {
                let step = timestamp.wrapping_sub(last).cast_signed();
                ticks.saturating_add(i64::from(step))
            }
            None => 0,
        };
        self.last = Some((timestamp, ticks));
        ticks
    }
}

/// NTP's 32.32 in nanoseconds.
fn ntp_nanos(ntp: u64) -> Option<i64> {
    let nanos = u128::from(ntp).checked_mul(1_000_000_000)? >> 32;
    i64::try_from(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn report(ms: u64, rtp_timestamp: u32) -> Option<SenderClock> {
        let seconds = 3_900_000_000 + ms / 1000;
        let fraction = ((ms % 1000) << 32).div_ceil(1000);
        let ntp = seconds << 32 | fraction;
        Some(SenderClock::new(ntp, rtp_timestamp, Instant::now()))
    }

    /// Video is 150 ms longer on its way than audio, and says so.
    #[test]
    fn c33_tracks_are_aligned_by_what_the_sender_reports() {
        let mut common = Common::default();
        let (mut audio, mut video) = (TrackClock::new(48_000), TrackClock::new(90_000));
        for n in 0..3_000_u32 {
            let sent = i64::from(n) * 20 * MS;
            let jitter = i64::from(n * 7919 % 30) * MS;
            let made = 1_000 + u64::from(n / 250 * 250) * 20;
            let ticks = |rate: u32| rate / 50 * (n / 250 * 250);
            let of_audio = 4_294_960_000_u32.wrapping_add(960 * n);
            let audio_at = audio.at(
                of_audio,
                sent + 30 * MS + jitter,
                report(made, 4_294_960_000_u32.wrapping_add(ticks(48_000))),
                &mut common,
            );
            let video_at = video.at(
                77 + 1_800 * n,
                sent + 180 * MS + jitter,
                report(made, 77 + ticks(90_000)),
                &mut common,
            );
            assert!((audio_at - video_at).abs() <= MS, "{audio_at} {video_at}");
            assert!((audio_at - sent - 30 * MS).abs() <= MS);
        }
    }

    #[test]
    fn c33_without_reports_times_go_by_the_quickest_packet() {
        let mut clock = TrackClock::new(90_000);
        let mut common = Common::default();
        let mut at = |ticks, arrived| clock.at(ticks, arrived * MS, None, &mut common) / MS;
        assert_eq!(at(u32::MAX - 1_799, 100), 100);
        assert_eq!(at(1_800, 170), 140);
        // Lost in between: a gap as long as it was.
        assert_eq!(at(1_800 + 90_000, 1_150), 1_140);
        // Sooner than ever.
        assert_eq!(at(1_800 + 93_600, 1_160), 1_160);
        // Muted for a minute, and the timestamps stood still.
        assert_eq!(at(1_800 + 97_200, 61_200), 61_200);
        assert_eq!(at(1_800 + 100_800, 61_250), 61_240);
    }

    #[test]
    fn c33_reports_that_cannot_be_true_move_nothing_far() {
        let mut clock = TrackClock::new(90_000);
        let mut common = Common::default();
        let mut seed = 1_u64;
        let mut before = i64::MIN;
        for n in 0..2_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let arrived = i64::from(n) * 40 * MS;
            let lie = match n % 3 {
                0 => None,
                _ => Some(SenderClock::new(seed, (seed >> 20) as u32, Instant::now())),
            };
            let time = clock.at(n * 3_600, arrived, lie, &mut common);
            assert!(time > before);
            before = time;
            assert!(
                (time - arrived).abs() <= 4 * SECOND,
                "{n}: {time} {arrived}"
            );
        }
    }
}
