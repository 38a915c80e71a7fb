//! Curves of Unicode blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A letter for each of the last values, from zero to the greatest of them.
pub(crate) fn curve(values: &[f64], letters: usize) -> String {
    let last = values.iter().rev().take(letters).rev();
    let top = last.clone().copied().fold(0.0, f64::max);
    let block = |value: &f64| {
        let part = if top > 0.0 { value / top } else { 0.0 };
        let steps = BLOCKS.iter().enumerate().rev();
        let mut fits =
            steps.filter(|(at, _)| part * 8.0 > f64::from(u8::try_from(*at).unwrap_or(0)));
        fits.next().map_or(' ', |(_, block)| *block)
    };
    last.map(block).collect()
}

/// Bits per second, in the unit that a person would take.
pub(crate) fn rate(bits: f64) -> String {
    match bits {
        bits if bits >= 1e6 => format!("{:.2} Mb/s", bits / 1e6),
        bits => format!("{:.0} kb/s", bits / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_end_with_the_last_value() {
        assert_eq!(curve(&[0.0, 1.0, 4.0, 8.0], 10), " ▁▄█");
        assert_eq!(curve(&[9.0, 0.0, 1.0, 2.0], 2), "▄█");
        assert_eq!(curve(&[0.0, 0.0], 2), "  ");
        assert_eq!(curve(&[], 2), "");
        assert_eq!(rate(1_234_000.0), "1.23 Mb/s");
        assert_eq!(rate(99_400.0), "99 kb/s");
    }
}
