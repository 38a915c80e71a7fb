//! Which of a source's last packets are there, and where a packet that another one carried
//! belongs: RFC 2198 blocks have timestamps and no sequence numbers.

/// Packets remembered.
const SLOTS: u16 = 128;
/// How far before its carrier a packet is looked for.
const REACH: u16 = 16;

#[derive(Debug, Clone, Copy)]
struct Seen {
    sequence_number: u16,
    /// `None` for what is not on the line of the audio: digits, padding.
    timestamp: Option<u32>,
}

/// The last packets of one source, received or recovered.
#[derive(Debug)]
pub(crate) struct RedWindow {
    newest: u16,
    /// What came before it may have been delivered without being noted here.
    floor: Option<u16>,
    slots: Box<[Option<Seen>; SLOTS as usize]>,
}

impl RedWindow {
    /// Begins with a source's next packet; `midway` when it had others before.
    pub(crate) fn new(sequence_number: u16, midway: bool) -> Self {
        Self {
            newest: sequence_number,
            floor: midway.then_some(sequence_number),
            slots: Box::new([None; SLOTS as usize]),
        }
    }

    /// Notes a packet; false if it was here before.
    pub(crate) fn arrived(&mut self, sequence_number: u16, timestamp: Option<u32>) -> bool {
        let behind = self.newest.wrapping_sub(sequence_number);
        if behind == 0 || behind >= 0x8000 {
            self.newest = sequence_number;
        } else if behind >= SLOTS {
            // Nothing is so late: the numbers begin anew.
            *self = Self::new(sequence_number, true);
        }
        let passed = |floor: u16| self.newest.wrapping_sub(floor) >= SLOTS;
        if self.floor.is_some_and(passed) {
            self.floor = None;
        }
        let Some(slot) = self.slots.get_mut(usize::from(sequence_number % SLOTS)) else {
            return true;
        };
        if slot.is_some_and(|seen| seen.sequence_number == sequence_number) {
            return false;
        }
        *slot = Some(Seen {
            sequence_number,
            timestamp,
        });
        true
    }

    /// A packet that was noted turns out to be of no use.
    pub(crate) fn forget(&mut self, sequence_number: u16) {
        if self.get(sequence_number).is_some()
            && let Some(slot) = self.slots.get_mut(usize::from(sequence_number % SLOTS))
        {
            *slot = None;
        }
    }

    /// The number of the missing packet that has this timestamp: the greatest up to `upper` whose
    /// neighbours' timestamps allow for it. `None` if no packet of that time is missing.
    pub(crate) fn place(&self, upper: u16, timestamp: u32) -> Option<u16> {
        for back in 0..REACH {
            let number = upper.wrapping_sub(back);
            match self.get(number) {
                Some(seen) if seen.timestamp.is_none_or(|known| after(known, timestamp)) => {}
                Some(_) => return None,
                None => match self.timestamp_below(number) {
                    Some(known) if known == timestamp => return None,
                    Some(known) if after(known, timestamp) => {}
                    _ => return self.is_after_floor(number).then_some(number),
                },
            }
        }
        None
    }

    fn get(&self, sequence_number: u16) -> Option<Seen> {
        let slot = *self.slots.get(usize::from(sequence_number % SLOTS))?;
        slot.filter(|seen| seen.sequence_number == sequence_number)
    }

    fn timestamp_below(&self, number: u16) -> Option<u32> {
        (1..=REACH).find_map(|back| self.get(number.wrapping_sub(back))?.timestamp)
    }

    fn is_after_floor(&self, number: u16) -> bool {
        self.floor
            .is_none_or(|floor| number.wrapping_sub(floor) < 0x8000)
    }
}

fn after(one: u32, other: u32) -> bool {
    (1..1 << 31).contains(&one.wrapping_sub(other))
}
