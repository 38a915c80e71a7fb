//! The player on a virtual clock, packet by packet.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use super::event::DTMFEvent;
use super::payload::{TelephoneEvent, event_of};
use super::player::{Output, Player, RtpPosition};
use super::tone::{DTMFTone, DTMFTones, MAX_STEPS};

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A packet, or the name of an event with its digit, and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Packet {
        at: u64,
        timestamp: u32,
        marker: bool,
        event: u8,
        end: bool,
        duration: u16,
    },
    Start(u64, char),
    Stop(u64, char),
    Tone(u64, DTMFTone),
}

/// A player whose audio is at timestamp 1,000 when the clock starts.
pub(super) struct Stage {
    player: Player,
    start: Instant,
    pub(super) now: Instant,
    clock_rate: u32,
    seen: Vec<Seen>,
    pub(super) outputs: Vec<(Instant, Output)>,
}

impl Stage {
    pub(super) fn new(clock_rate: u32) -> Self {
        let now = Instant::now();
        Self {
            player: Player::new(now),
            start: now,
            now,
            clock_rate,
            seen: Vec::new(),
            outputs: Vec::new(),
        }
    }

    pub(super) fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    pub(super) fn play(&mut self, tones: impl Into<DTMFTones>) {
        self.player.play(&tones.into().steps().unwrap()).unwrap();
        self.due();
    }

    fn tonestart(&mut self, digit: char) {
        let event = event_of(digit).unwrap();
        self.player.tonestart(self.now, event).unwrap();
        self.due();
    }

    fn tonestop(&mut self) {
        self.player.tonestop(self.now);
        self.due();
    }

    fn flush(&mut self) {
        self.player.flush(self.now);
        self.due();
    }

    /// What is due at this moment.
    fn due(&mut self) {
        let elapsed = self.now.duration_since(self.start);
        let ticks = elapsed.as_micros() * u128::from(self.clock_rate) / 1_000_000;
        let position = RtpPosition {
            timestamp: 1_000u32.wrapping_add(ticks as u32),
            clock_rate: self.clock_rate,
            payload_type: 101,
        };
        self.player.handle_timeout(self.now, position);
        let at = elapsed.as_millis() as u64;
        while let Some(output) = self.player.poll() {
            self.outputs.push((self.now, output.clone()));
            self.seen.push(match output {
                Output::Packet(packet) => {
                    assert_eq!(packet.payload_type, 101);
                    let event = TelephoneEvent::decode(&packet.payload).unwrap();
                    Seen::Packet {
                        at,
                        timestamp: packet.timestamp,
                        marker: packet.marker,
                        event: event.event,
                        end: event.end,
                        duration: event.duration,
                    }
                }
                Output::Event(DTMFEvent::ToneStart { digit }) => Seen::Start(at, digit),
                Output::Event(DTMFEvent::ToneStop { digit }) => Seen::Stop(at, digit),
                Output::Event(DTMFEvent::Tone(tone)) => Seen::Tone(at, tone),
            });
        }
    }

    /// Lets time pass, event by event.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.player.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.due();
        }
        self.now = until;
    }

    /// Digits and the milliseconds at which they started and stopped.
    fn tones(&self) -> Vec<(char, u64, u64)> {
        let starts = self.seen.iter().filter_map(|seen| match seen {
            Seen::Start(at, digit) => Some((*digit, *at)),
            _ => None,
        });
        let stops = self.seen.iter().filter_map(|seen| match seen {
            Seen::Stop(at, digit) => Some((*digit, *at)),
            _ => None,
        });
        let (starts, stops): (Vec<_>, Vec<_>) = (starts.collect(), stops.collect());
        assert_eq!(starts.len(), stops.len());
        let pairs = starts.into_iter().zip(stops);
        pairs
            .map(|((digit, from), (stopped, to))| {
                assert_eq!(digit, stopped);
                (digit, from, to)
            })
            .collect()
    }

    fn packets(&self) -> Vec<(u64, u32, bool, bool, u16)> {
        let packets = self.seen.iter().filter_map(|seen| match *seen {
            Seen::Packet {
                at,
                timestamp,
                marker,
                end,
                duration,
                ..
            } => Some((at, timestamp, marker, end, duration)),
            _ => None,
        });
        packets.collect()
    }
}

#[test]
fn r_s43_one_tone_packet_by_packet() {
    let mut stage = Stage::new(8_000);
    stage.run(ms(10));
    stage.play(
        DTMFTone::new("5")
            .with_duration(ms(240))
            .with_inter_tone_gap(ms(150)),
    );
    stage.run(ms(1_000));
    let packet = |at, marker, end, duration| Seen::Packet {
        at,
        timestamp: 1_080,
        marker,
        event: 5,
        end,
        duration,
    };
    let tone = DTMFTone::new("5")
        .with_duration(ms(240))
        .with_inter_tone_gap(ms(150));
    assert_eq!(
        stage.seen,
        [
            Seen::Start(10, '5'),
            packet(10, true, false, 1),
            packet(30, false, false, 160),
            packet(50, false, false, 320),
            packet(70, false, false, 480),
            packet(90, false, false, 640),
            packet(110, false, false, 800),
            packet(160, false, false, 1_200),
            packet(210, false, false, 1_600),
            packet(250, false, true, 1_920),
            Seen::Stop(250, '5'),
            Seen::Tone(250, tone),
            packet(300, false, true, 1_920),
            packet(350, false, true, 1_920),
        ]
    );
}

#[test]
fn r_s43_the_end_packets_of_a_tone_are_out_before_the_next_starts() {
    for gap in [30, 70, 200] {
        let mut stage = Stage::new(48_000);
        stage.play(DTMFTone::new("12").with_inter_tone_gap(ms(gap)));
        stage.run(ms(2_000));
        let packets = stage.packets();
        let markers: Vec<usize> = (0..packets.len()).filter(|&i| packets[i].2).collect();
        assert_eq!(markers.len(), 2, "one marker for each event");
        let second = markers[1];
        let ends = packets[..second].iter().filter(|packet| packet.3).count();
        assert_eq!(ends, 3);
        assert!(packets[second - 1].0 < packets[second].0);
        assert_ne!(
            packets[0].1, packets[second].1,
            "a timestamp for each event"
        );
        assert_eq!(stage.tones(), [('1', 0, 100), ('2', 100 + gap, 200 + gap)]);
    }
}

#[test]
fn a091_digits_are_played_in_sequence_with_defaults() {
    let mut stage = Stage::new(8_000);
    stage.play("1*,b");
    stage.run(ms(5_000));
    assert_eq!(
        stage.tones(),
        [('1', 0, 100), ('*', 170, 270), ('B', 2_340, 2_440)]
    );
}

#[test]
fn a092_one_tone_object_may_hold_several_digits() {
    let mut stage = Stage::new(8_000);
    stage.play(DTMFTone::new("12").with_duration(ms(300)));
    stage.run(ms(5_000));
    assert_eq!(stage.tones(), [('1', 0, 300), ('2', 370, 670)]);
}

#[test]
fn a093_g030_play_during_play_appends() {
    let mut stage = Stage::new(8_000);
    stage.play("12");
    stage.run(ms(50));
    stage.play(vec![
        DTMFTone::new("3").with_duration(ms(40)),
        DTMFTone::new("4"),
    ]);
    stage.run(ms(5_000));
    let digits: String = stage.tones().iter().map(|tone| tone.0).collect();
    assert_eq!(digits, "1234");
    assert_eq!(stage.tones()[2], ('3', 340, 380));
    assert_eq!(stage.tones()[3], ('4', 450, 550));
}

#[test]
fn a094_g030_flush_ends_the_tone_at_once_and_forgets_the_rest() {
    let mut stage = Stage::new(8_000);
    stage.play("123");
    stage.tonestart('9');
    stage.run(ms(33));
    stage.flush();
    stage.run(ms(5_000));
    assert_eq!(stage.tones(), [('1', 0, 33)]);
    let ends: Vec<_> = stage.packets().into_iter().filter(|p| p.3).collect();
    assert_eq!(ends.len(), 3);
    assert!(
        ends.iter().all(|end| end.4 == 264),
        "33 ms at 8 kHz: {ends:?}"
    );
    assert_eq!(ends[0].0, 33);
    // A held tone as well, and what follows keeps its gap.
    stage.tonestart('7');
    stage.run(ms(500));
    stage.flush();
    stage.play("8");
    stage.run(ms(1_000));
    let from = 5_033;
    assert_eq!(
        stage.tones()[1..],
        [('7', from, from + 500), ('8', from + 570, from + 670)]
    );
}

#[test]
fn a095_a097_a_key_sounds_until_it_is_released() {
    let mut stage = Stage::new(8_000);
    stage.tonestop();
    stage.tonestart('7');
    stage.run(ms(730));
    stage.tonestop();
    stage.run(ms(500));
    stage.tonestop();
    assert_eq!(stage.tones(), [('7', 0, 730)]);
    // A short press sounds for 40 ms, and a tone of `play` does not care for `tonestop`.
    stage.tonestart('8');
    stage.run(ms(5));
    stage.tonestop();
    stage.run(ms(500));
    stage.play("9");
    stage.tonestop();
    stage.run(ms(500));
    assert_eq!(
        stage.tones()[1..],
        [('8', 1_230, 1_270), ('9', 1_735, 1_835)]
    );
}

#[test]
fn a096_a_key_waits_for_the_buffer() {
    let mut stage = Stage::new(8_000);
    stage.play("12");
    stage.tonestart('7');
    stage.run(ms(1_000));
    stage.tonestop();
    stage.run(ms(1_000));
    assert_eq!(
        stage.tones(),
        [('1', 0, 100), ('2', 170, 270), ('7', 340, 1_000)]
    );
    // Released before its turn: not lost, and as long as it was down.
    stage.play("1");
    stage.tonestart('8');
    stage.run(ms(60));
    stage.tonestop();
    stage.run(ms(1_000));
    assert_eq!(
        stage.tones()[3..],
        [('1', 2_000, 2_100), ('8', 2_170, 2_230)]
    );
}

#[test]
fn g030_keys_have_a_gap_between_them_and_one_is_down_at_a_time() {
    let mut stage = Stage::new(8_000);
    stage.tonestart('1');
    stage.run(ms(200));
    stage.tonestart('2');
    stage.run(ms(300));
    stage.tonestop();
    stage.run(ms(500));
    assert_eq!(stage.tones(), [('1', 0, 200), ('2', 270, 500)]);
}

#[test]
fn g031_each_digit_gives_tonestart_tonestop_tone() {
    let mut stage = Stage::new(48_000);
    stage.play("12");
    stage.run(ms(1_000));
    let names: Vec<_> = stage
        .seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Start(_, digit) => Some(format!("tonestart {digit}")),
            Seen::Stop(_, digit) => Some(format!("tonestop {digit}")),
            Seen::Tone(_, tone) => {
                assert_eq!(tone.duration, ms(100));
                Some(format!("tone {}", tone.digits))
            }
            Seen::Packet { .. } => None,
        })
        .collect();
    let of = |digit| ["tonestart", "tonestop", "tone"].map(|name| format!("{name} {digit}"));
    assert_eq!(names, [of('1'), of('2')].concat());
}

#[test]
fn r_d17_g030_a_tone_of_ten_seconds_is_segmented() {
    let mut stage = Stage::new(48_000);
    stage.tonestart('5');
    stage.run(ms(10_010));
    stage.tonestop();
    stage.run(ms(500));
    assert_eq!(stage.tones(), [('5', 0, 10_010)]);
    let packets = stage.packets();
    assert!(packets[0].2 && packets[1..].iter().all(|packet| !packet.2));
    let (mut timestamp, mut last, mut total) = (packets[0].1, 0, 0u64);
    for &(at, stamp, _, end, duration) in &packets {
        if stamp != timestamp {
            assert_eq!(last, 0xffff, "the segment before is full");
            assert_eq!(stamp, timestamp.wrapping_add(0xffff));
            (timestamp, last) = (stamp, 0);
            total += 0xffff;
        }
        assert!(
            duration > last || end && duration == last,
            "it grows, at {at}"
        );
        assert_eq!(end, at >= 10_010, "E at the very end alone");
        last = duration;
    }
    assert_eq!(total + u64::from(last), 480_480);
    let gaps = packets.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.max().unwrap() <= 50);
}

#[test]
fn timestamps_wrap_and_never_repeat() {
    let now = Instant::now();
    let mut player = Player::new(now);
    player
        .play(&DTMFTones::from("11").steps().unwrap())
        .unwrap();
    // The audio clock stands still just before it wraps: the tones keep apart nevertheless.
    let position = RtpPosition {
        timestamp: u32::MAX - 100,
        clock_rate: 8_000,
        payload_type: 101,
    };
    let mut stamps = Vec::new();
    while let Some(due) = player.poll_timeout() {
        player.handle_timeout(due, position);
        while let Some(output) = player.poll() {
            if let Output::Packet(packet) = output {
                stamps.push(packet.timestamp);
            }
        }
    }
    stamps.dedup();
    assert_eq!(stamps, [u32::MAX - 100, 700]);
}

#[test]
fn a_late_caller_gets_whole_tones_and_gaps() {
    let mut stage = Stage::new(8_000);
    stage.play("12");
    stage.now += ms(3_000);
    stage.due();
    let before = stage.seen.len();
    stage.now += ms(10);
    stage.due();
    assert_eq!(stage.seen.len(), before, "the gap is not skipped");
    stage.run(ms(1_000));
    assert_eq!(stage.tones().len(), 2);
    assert_eq!(stage.tones()[1].1, 3_070);
    let durations: Vec<_> = stage
        .packets()
        .iter()
        .filter(|p| p.3)
        .map(|p| p.4)
        .collect();
    assert_eq!(durations, [800; 6]);
}

#[test]
fn a_full_buffer_refuses_more_and_keeps_what_it_has() {
    let mut stage = Stage::new(8_000);
    let many = DTMFTones::from("1".repeat(MAX_STEPS)).steps().unwrap();
    stage.player.play(&many).unwrap();
    let error = stage.player.play(&many[..1]).unwrap_err();
    assert_eq!(error.name(), crate::ErrorName::InvalidState);
    stage.run(ms(170 * MAX_STEPS as u64));
    assert_eq!(stage.tones().len(), MAX_STEPS);
    stage.play("2");
    stage.run(ms(200));
    assert_eq!(stage.tones().len(), MAX_STEPS + 1);
}

#[test]
fn a_track_that_goes_away_ends_its_tone_with_three_packets() {
    let mut stage = Stage::new(8_000);
    stage.play("12");
    stage.run(ms(50));
    stage.player.finish(stage.now);
    stage.due();
    let ends: Vec<_> = stage.packets().into_iter().filter(|p| p.3).collect();
    assert_eq!(ends.iter().map(|end| end.0).collect::<Vec<_>>(), [50; 3]);
    stage.run(ms(1_000));
    assert_eq!(stage.tones(), [('1', 0, 50)]);
}
