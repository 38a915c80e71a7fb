//! Which files of an offer a receiver takes.

use serde::{Deserialize, Serialize};

/// The most ranges that are told; beyond them it is not told which.
const MOST: usize = 2_000;

/// Some of the files of an offer: ranges of their numbers, first and last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice(Vec<[u32; 2]>);

impl Choice {
    /// `None` if it takes more words than there is room for. The numbers ascend.
    pub(super) fn of(files: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut ranges: Vec<[u32; 2]> = Vec::new();
        for file in files {
            match ranges.last_mut() {
                Some([_, last]) if last.checked_add(1) == Some(file) => *last = file,
                _ => ranges.push([file, file]),
            }
        }
        (ranges.len() <= MOST).then_some(Self(ranges))
    }

    /// Whether the ranges ascend, and are no more than one says.
    pub(super) fn is_sound(&self) -> bool {
        let mut least = Some(0);
        let ascends = self.0.iter().all(|[first, last]| {
            let fits = first <= last && least.is_some_and(|least| least <= *first);
            least = last.checked_add(1);
            fits
        });
        ascends && self.0.len() <= MOST
    }

    pub(crate) fn has(&self, file: u32) -> bool {
        let at = self.0.partition_point(|[_, last]| *last < file);
        self.0.get(at).is_some_and(|[first, _]| *first <= file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_was_chosen() {
        let files = [0, 1, 2, 7, 9, 10, u32::MAX];
        let choice = Choice::of(files).unwrap();
        assert_eq!(
            serde_json::to_string(&choice).unwrap(),
            "[[0,2],[7,7],[9,10],[4294967295,4294967295]]"
        );
        let mut all = (0..20).chain([u32::MAX]);
        assert!(all.all(|file| choice.has(file) == files.contains(&file)));
        assert!(Choice::of((0..4_000).step_by(2)).is_some());
        assert!(Choice::of((0..4_002).step_by(2)).is_none());
        assert!(!Choice::of([]).unwrap().has(0));
        let sound = |text| serde_json::from_str::<Choice>(text).unwrap().is_sound();
        assert!(choice.is_sound() && sound("[]") && sound("[[0,0],[1,4]]"));
        for bad in [
            "[[1,0]]",
            "[[0,4],[4,5]]",
            "[[3,4],[0,1]]",
            "[[0,4294967295],[0,0]]",
        ] {
            assert!(!sound(bad), "{bad}");
        }
    }
}
