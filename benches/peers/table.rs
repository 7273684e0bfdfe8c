//! The one table: medians, and in parentheses how they compare to the relay's.

use crate::rows::Row;
use crate::server::Kind;
use crate::sums::Sums;

const HEADINGS: [&str; 9] = [
    "workload",
    "server",
    "what an ack means",
    "delivered (logins) a second",
    "MB/s",
    "post-to-ack µs, p50 / p99",
    "server CPU µs each",
    "generator CPU µs each (busy)",
    "server's peak MiB",
];

/// A workload by a server: the median of its runs, or what went wrong.
pub(crate) type Measured = (Row, Kind, Result<Sums, String>);

pub(crate) fn print(measured: &[Measured], is_markdown: bool) {
    let mut lines: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).to_vec()];
    for (row, kind, sums) in measured {
        let ours = measured.iter().find(|(of, by, _)| of == row && *by == Kind::Mnm).and_then(|(.., sums)| sums.as_ref().ok());
        let mut cells = vec![row.title().to_owned(), kind.name().to_owned(), kind.promise().to_owned()];
        match sums {
            Ok(sums) => cells.extend(numbers(*row, sums, ours.filter(|_| *kind != Kind::Mnm))),
            Err(_) => cells.push("failed".to_owned()),
        }
        cells.resize(HEADINGS.len(), String::new());
        lines.push(cells);
    }
    let widths: Vec<usize> = (0..HEADINGS.len()).map(|column| lines.iter().map(|cells| width(&cells[column])).max().unwrap_or(0)).collect();
    let (edge, between) = if is_markdown { ("|", " | ") } else { ("", "  ") };
    for (number, cells) in lines.iter().enumerate() {
        let padded = cells.iter().zip(&widths).map(|(cell, wanted)| format!("{cell}{}", " ".repeat(wanted - width(cell))));
        let line = padded.collect::<Vec<_>>().join(between);
        println!("{}", if is_markdown { format!("{edge} {line} {edge}") } else { line.trim_end().to_owned() });
        if number == 0 && is_markdown {
            println!("|{}|", widths.iter().map(|wanted| "-".repeat(wanted + 2)).collect::<Vec<_>>().join("|"));
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn numbers(row: Row, sums: &Sums, ours: Option<&Sums>) -> Vec<String> {
    let ratio = |of: fn(&Sums) -> f64| {
        let ratio = ours.map(|ours| of(sums) / of(ours)).filter(|ratio| ratio.is_finite());
        ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"))
    };
    let cell = |number: f64, places: usize, ratio: String| match number.is_nan() {
        true => String::new(),
        false => format!("{}{ratio}", thousands(number, places)),
    };
    let megabytes = row.size().map_or(f64::NAN, |size| sums.rate * size as f64 / 1e6);
    let latency = if sums.p50_us.is_nan() {
        String::new()
    } else {
        format!("{} / {}{}", thousands(sums.p50_us, 0), thousands(sums.p99_us, 0), ratio(|s| s.p50_us))
    };
    let generator =
        if sums.generator_us.is_nan() { String::new() } else { format!("{:.1} ({:.0} %)", sums.generator_us, 100.0 * sums.generator_busy) };
    let memory = if row == Row::Idle {
        format!("{:.1} KiB a link{}", sums.link_memory / 1024.0, ratio(|s| s.link_memory))
    } else {
        cell(sums.memory / f64::from(1 << 20), 1, ratio(|s| s.memory))
    };
    vec![
        cell(sums.rate, 0, ratio(|s| s.rate)),
        cell(megabytes, 1, String::new()),
        latency,
        cell(sums.server_us, 1, ratio(|s| s.server_us)),
        generator,
        memory,
    ]
}

/// With a space between thousands.
fn thousands(number: f64, places: usize) -> String {
    let text = format!("{number:.places$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out + rest
}
