//! A text as a QR symbol on a terminal, to be scanned from the screen instead of typed.
//!
//! A character shows two modules, one above the other. Colours are set by number, black on white, with the light margin
//! that the standard asks for: so the symbol looks the same on dark and on light terminals, where plain block characters
//! would be inverted on one of them, and not every scanner takes that.

use qrcode::{Color, QrCode};

/// Light modules around the symbol, on each side: four, as ISO/IEC 18004 has it.
const MARGIN: usize = 4;
/// Black on white. Numbers from the fixed part of the 256 colours: what themes make of the first 16 may have no contrast.
const COLOURS: &str = "\x1b[38;5;16;48;5;231m";
/// The terminal's own colours again.
const PLAIN: &str = "\x1b[0m";

/// The lines of a symbol that says `text`, with what sets the terminal's colours. None if no symbol is large enough: at
/// 2331 octets, which no terminal shows anyway. An invite code takes 15 lines of 29 columns.
pub fn symbol(text: &str) -> Vec<String> {
    // A screen has no scratches: the medium correction that `new` chooses is more than it needs.
    let Ok(code) = QrCode::new(text) else { return Vec::new() };
    let side = code.width() + 2 * MARGIN;
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(MARGIN).filter(|&at| at < code.width());
        inside(x).zip(inside(y)).is_some_and(|at| code[at] == Color::Dark)
    };
    let line = |y: usize| {
        let cells: String = (0..side).map(|x| cell(is_dark(x, y), is_dark(x, y + 1))).collect();
        format!("{COLOURS}{cells}{PLAIN}")
    };
    (0..side).step_by(2).map(line).collect()
}

/// The character for two modules: ink is dark.
fn cell(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (false, false) => ' ',
        (true, false) => '▀',
        (false, true) => '▄',
        (true, true) => '█',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How bright each module is on a terminal that shows these lines: 0 is black, 255 is white.
    fn modules(lines: &[String]) -> Vec<Vec<u8>> {
        let brightness = |number: &str| match number {
            "16" => 0,
            "231" => 255,
            other => panic!("colour {other} is one of the theme's"),
        };
        let mut rows = Vec::new();
        for line in lines {
            let (colours, rest) = line.strip_prefix("\x1b[38;5;").and_then(|rest| rest.split_once('m')).expect("colours are set first");
            let (ink, paper) = colours.split_once(";48;5;").expect("both colours are set");
            let (ink, paper) = (brightness(ink), brightness(paper));
            let cells = rest.strip_suffix("\x1b[0m").expect("colours are reset at the end of each line");
            let both = |cell| match cell {
                ' ' => (paper, paper),
                '▀' => (ink, paper),
                '▄' => (paper, ink),
                '█' => (ink, ink),
                other => panic!("{other:?} is no block"),
            };
            let (upper, lower): (Vec<u8>, Vec<u8>) = cells.chars().map(both).unzip();
            rows.extend([upper, lower]);
        }
        rows
    }

    /// What a scanner reads that sees the lines, somewhere on a terminal of this brightness.
    fn scan(lines: &[String], terminal: u8) -> Option<String> {
        const PIXELS: usize = 5;
        const AROUND: usize = 40;
        let modules = modules(lines);
        let (width, height) = (modules[0].len() * PIXELS + 2 * AROUND, modules.len() * PIXELS + 2 * AROUND);
        let pixel = |x: usize, y: usize| {
            let module = |at: usize| at.checked_sub(AROUND).map(|at| at / PIXELS);
            let row = module(y).and_then(|y| modules.get(y));
            module(x).zip(row).and_then(|(x, row)| row.get(x)).copied().unwrap_or(terminal)
        };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
        let grids = image.detect_grids();
        grids.first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
    }

    #[test]
    fn scanners_read_what_is_said() {
        let long = "The code of the day. ".repeat(12);
        for text in
            ["K7QXA-9TMDW-4RHU7", "33333-33333-33333", "mnm://relay.example:443/K7QXA-9TMDW-4RHU7", "naïve 語 😀", "x", long.as_str()]
        {
            for terminal in [0, 255] {
                assert_eq!(scan(&symbol(text), terminal).as_deref(), Some(text), "on a terminal of brightness {terminal}");
            }
        }
    }

    #[test]
    fn a_code_fits_any_terminal() {
        let lines = symbol("K7QXA-9TMDW-4RHU7");
        assert_eq!(lines.len(), 15);
        assert!(modules(&lines).iter().all(|row| row.len() == 29), "all lines are of one length");
    }

    #[test]
    fn the_margin_is_light_and_four_wide() {
        let modules = modules(&symbol("K7QXA-9TMDW-4RHU7"));
        let dark = |x: usize, y: usize| modules[y][x] == 0;
        for y in 0..modules.len() {
            for x in (0..29).filter(|x| !(4..25).contains(x) || !(4..25).contains(&y)) {
                assert!(!dark(x, y), "the module at {x}, {y} is light");
            }
        }
        // The finder patterns begin right behind it: a ring of seven dark modules a side in three of the corners.
        for (left, top) in [(4, 4), (18, 4), (4, 18)] {
            assert!((0..7).all(|i| dark(left + i, top) && dark(left + i, top + 6) && dark(left, top + i) && dark(left + 6, top + i)));
        }
    }

    #[test]
    fn too_much_text_has_no_symbol() {
        assert_eq!(symbol(&"x".repeat(2331)).len(), (177 + 8_usize).div_ceil(2));
        assert!(symbol(&"x".repeat(2332)).is_empty());
    }
}
