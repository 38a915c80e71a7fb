//! A QR code for a terminal: two modules a character, dark on light whatever the colours are.

use clap::ValueEnum;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// When it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Qr {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Qr {
    pub(crate) fn is_shown(self, terminal: bool) -> bool {
        match self {
            Self::Auto => terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The text, as lines for a terminal with light letters on dark; empty if it is too long for one.
pub(crate) fn drawn(text: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L) else {
        return String::new();
    };
    code.render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e01_a_code_has_a_picture() {
        let drawn = drawn("ortc recv above-ladder-zebra");
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.len() > 10 && lines.len() < 25, "{drawn}");
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width));
        assert!(drawn.chars().all(|c| " ▀▄█\n".contains(c)), "{drawn}");
        assert!(Qr::Auto.is_shown(true) && !Qr::Auto.is_shown(false));
        assert!(super::drawn(&"x".repeat(5000)).is_empty());
    }
}
