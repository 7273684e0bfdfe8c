//! Colours and the style sheet.
//!
//! Plotters writes literal colours into attributes, and so no chart could be light or dark by itself. Each [`Ink`] therefore
//! has a colour that nothing else has, by which the style sheet finds what is drawn with it and gives it the colour of the mode.
//! That colour is the one for light pages: a chart cut out of the page without the sheet still looks right.
//!
//! The lines' colours are told apart by the colour-blind (blue, orange and green of different lightness, after Okabe and Ito)
//! and have a contrast of at least 3 to the page in both modes; texts have 4.5.

use plotters::style::RGBColor;

/// What something in a chart is drawn with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ink {
    /// Lines of data, in the order in which a chart takes them.
    Blue,
    Orange,
    Green,
    /// A line of data that is there for comparison.
    Grey,
    /// Faults.
    Red,
    /// Lines behind the data.
    Grid,
    /// The axis of time.
    Axis,
    /// Text at the axes.
    Label,
    /// Behind a phase that is not the posting.
    Phase,
}

impl Ink {
    const ALL: [Ink; 9] = [Ink::Blue, Ink::Orange, Ink::Green, Ink::Grey, Ink::Red, Ink::Grid, Ink::Axis, Ink::Label, Ink::Phase];

    /// Its name in the style sheet.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ink::Blue => "blue",
            Ink::Orange => "orange",
            Ink::Green => "green",
            Ink::Grey => "grey",
            Ink::Red => "red",
            Ink::Grid => "grid",
            Ink::Axis => "axis",
            Ink::Label => "label",
            Ink::Phase => "phase",
        }
    }

    /// Its colour on a light page, and the mark by which the style sheet finds it; no two have the same.
    fn light(self) -> u32 {
        match self {
            Ink::Blue => 0x0b63b0,
            Ink::Orange => 0xc9560f,
            Ink::Green => 0x0f7f5f,
            Ink::Grey => 0x76808b,
            Ink::Red => 0xc4202b,
            Ink::Grid => 0xe6e9ed,
            Ink::Axis => 0xaeb6bf,
            Ink::Label => 0x57616c,
            Ink::Phase => 0xedf0f4,
        }
    }

    /// Its colour on a dark page.
    fn dark(self) -> u32 {
        match self {
            Ink::Blue => 0x62b0ff,
            Ink::Orange => 0xffa05c,
            Ink::Green => 0x4fd1a5,
            Ink::Grey => 0x8d98a4,
            Ink::Red => 0xff7b78,
            Ink::Grid => 0x2e353e,
            Ink::Axis => 0x56606b,
            Ink::Label => 0xa3adb8,
            Ink::Phase => 0x272e37,
        }
    }

    /// What plotters is told to write.
    pub(super) fn colour(self) -> RGBColor {
        let [_, red, green, blue] = self.light().to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// The style sheet of the page.
pub(super) fn sheet() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    let mut rules = String::new();
    for ink in Ink::ALL {
        let name = ink.name();
        light.push_str(&format!("--{name}:#{:06x};", ink.light()));
        dark.push_str(&format!("--{name}:#{:06x};", ink.dark()));
        // Upper case, as plotters writes it; these values are compared letter by letter.
        let mark = format!("#{:06X}", ink.light());
        rules.push_str(&format!("svg [stroke=\"{mark}\"]{{stroke:var(--{name})}}\nsvg [fill=\"{mark}\"]{{fill:var(--{name})}}\n"));
        rules.push_str(&format!(".{name}{{--ink:var(--{name})}}\n"));
    }
    // A printer has paper, whatever the screen had.
    format!(
        ":root{{color-scheme:light;{light}--page:#f6f7f9;--card:#ffffff;--text:#1d232a;--edge:#dfe3e8;--good:#11693c;--good-back:#e5f4ea;\
         --bad:#b3161f;--bad-back:#fdebec}}\n\
         @media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}--page:#14181d;--card:#1b2027;--text:#e4e9ef;\
         --edge:#303842;--good:#6fd79b;--good-back:#16301f;--bad:#ff9a96;--bad-back:#3a1a1c}}}}\n{rules}{LAYOUT}"
    )
}

const LAYOUT: &str = r#"
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 24px 40px}
h1{font-size:26px;line-height:1.25;margin:0;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:14px;line-height:1.3;margin:0 0 10px;font-weight:650}
header p{margin:2px 0 0;color:var(--label);overflow-wrap:anywhere}
.verdict{margin:16px 0 0;padding:10px 16px;border-radius:10px;font-weight:600;color:var(--good);background:var(--good-back)}
.verdict.faulty{color:var(--bad);background:var(--bad-back)}
.tiles,.charts{display:grid;gap:16px;margin:16px 0 0;padding:0}
.tiles{grid-template-columns:repeat(var(--columns),minmax(0,1fr))}
.cards{columns:3 300px;column-gap:16px;margin:16px 0 0}
.charts{grid-template-columns:repeat(2,minmax(0,1fr))}
.tile,.card,figure{margin:0;background:var(--card);border:1px solid var(--edge);border-radius:10px;min-width:0}
.tile{padding:12px 16px;display:flex;flex-direction:column}
.tile dt,.tile .more{color:var(--label);font-size:13px}
.tile dd{margin:0}
.tile .figure{font-size:24px;line-height:1.3;font-weight:600;letter-spacing:-.01em}
.card{padding:14px 16px;overflow-x:auto;break-inside:avoid}
.card+.card{margin:16px 0 0}
.card.wide{margin:16px 0 0}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:4px 0 4px 12px;white-space:nowrap;text-align:right;font-weight:400;vertical-align:top;border-top:1px solid var(--grid)}
th:first-child{padding-left:0;text-align:left;color:var(--label)}
thead th{color:var(--label);border-top:0;font-size:13px}
thead+tbody tr:first-child>*{border-top-color:var(--axis)}
tbody:first-child tr:first-child>*{border-top:0}
table.words td{white-space:normal;overflow-wrap:anywhere}
tr.fault>*{color:var(--bad);font-weight:600}
.remark{margin:16px 0 0;color:var(--label);font-size:13px}
ul.notes{margin:0;padding:0 0 0 18px;font-size:14px;overflow-wrap:anywhere}
figure{padding:14px 16px 10px;break-inside:avoid;display:flex;flex-direction:column}
figcaption{margin:0 0 auto}
figcaption h2{margin:0}
figcaption p{margin:0;color:var(--label);font-size:13px}
ul.legend{list-style:none;margin:8px 0 6px;padding:0;display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px}
ul.legend li{display:flex;align-items:center;gap:7px}
ul.legend li::before{content:"";width:16px;height:3px;border-radius:2px;background:var(--ink)}
ul.legend span{color:var(--label)}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
svg polyline{stroke-linejoin:round;stroke-linecap:round}
footer{margin:24px 0 0;color:var(--label);font-size:13px}
footer p{margin:0 0 6px}
pre{margin:0 0 10px;padding:12px 16px;color:var(--text);background:var(--card);border:1px solid var(--edge);border-radius:10px;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (max-width:1000px){.tiles{grid-template-columns:repeat(auto-fill,minmax(160px,1fr))}}
@media (max-width:760px){.charts{grid-template-columns:minmax(0,1fr)}}
@media (max-width:520px){
main{padding:18px 12px 28px}
.tiles,.charts{gap:10px;margin-top:10px}
.cards,.card+.card,.card.wide{margin-top:10px}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
.tile,.card,figure{padding:10px 12px}
.tile .figure{font-size:20px}
svg text{font-size:58px}
}
@media print{
body{background:none;font-size:10pt}
main{max-width:none;padding:0}
.tile,tr,pre{break-inside:avoid}
.tiles,.charts{gap:8px;margin-top:8px}
.tiles{grid-template-columns:repeat(var(--columns),minmax(0,1fr))}
.tile{padding:6px 8px}
.tile .figure{font-size:15pt}
.card{overflow:visible}
.cards{columns:2;column-gap:8px}
.card{padding:8px 10px}
.card+.card{margin-top:8px}
table,thead th,.tile dt,.tile .more,figcaption p,ul.legend,ul.notes,footer,pre{font-size:8pt}
h2{font-size:9.5pt}
th,td{padding:1px 0 1px 6px}
.charts{grid-template-columns:repeat(2,minmax(0,1fr))}
.verdict{padding:6px 10px;margin:8px 0 0}
figure{padding:8px 10px}
.verdict,ul.legend li::before,svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours, by the formula of WCAG 2.2.
    fn contrast(a: u32, b: u32) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |colour: u32| {
            let [_, red, green, blue] = colour.to_be_bytes().map(channel);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn no_two_inks_have_the_same_mark() {
        for (index, ink) in Ink::ALL.iter().enumerate() {
            assert!(Ink::ALL[..index].iter().all(|other| other.light() != ink.light()), "{ink:?}");
        }
    }

    #[test]
    fn what_is_read_stands_out_in_both_modes() {
        for (ink, least) in [(Ink::Blue, 3.0), (Ink::Orange, 3.0), (Ink::Green, 3.0), (Ink::Grey, 3.0), (Ink::Red, 3.0), (Ink::Label, 4.5)]
        {
            for (colour, card, phase) in [(ink.light(), 0xffffff, Ink::Phase.light()), (ink.dark(), 0x1b2027, Ink::Phase.dark())] {
                assert!(contrast(colour, card) >= least && contrast(colour, phase) >= least, "{ink:?} {colour:06x}");
            }
        }
    }

    #[test]
    fn the_style_sheet_asks_for_nothing_outside() {
        let sheet = sheet();
        assert!(!sheet.contains("url(") && !sheet.contains("@import"));
        assert_eq!(sheet.matches('{').count(), sheet.matches('}').count());
    }
}
