//! The page from top to bottom: the verdict and the key figures first, then the tables, then the charts, then how to repeat it.

use super::cards::cards;
use super::charts::charts;
use super::command::command;
use super::markup::escaped;
use super::plot::{Chart, Line};
use super::style;
use super::timeline::Timeline;
use crate::Failure;
use crate::report::quantity::{Unit, grouped, plain, show};
use crate::summary::{Latency, Summary};

/// The whole page. It is well-formed XML too, which is what the tests read it as.
///
/// # Errors
/// [`Failure::Output`] if a chart cannot be drawn.
pub(super) fn page(summary: &Summary) -> Result<String, Failure> {
    let scenario = escaped(&summary.scenario);
    let figures: Result<Vec<String>, Failure> = charts(summary).iter().map(figure).collect();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{scenario}: {}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{}{}<div class=\"cards\">\n{}</div>\n{}{}{}</main>\n</body>\n</html>\n",
        escaped(&verdict(summary)),
        style::sheet(),
        header(summary),
        tiles(summary),
        cards(summary),
        notes(summary),
        gallery(summary, &figures?),
        footer(summary),
    ))
}

/// "all well", or how many faults of which kinds.
fn verdict(summary: &Summary) -> String {
    let faults: Vec<String> = summary
        .counts
        .by_name()
        .filter(|(_, count, is_fault)| *is_fault && *count > 0)
        .map(|(name, count, _)| format!("{} {name}", grouped(count)))
        .collect();
    match summary.counts.faults() {
        0 => "all well".to_owned(),
        1 => format!("one fault: {}", faults.join(", ")),
        all => format!("{} faults: {}", grouped(all), faults.join(", ")),
    }
}

fn header(summary: &Summary) -> String {
    let (class, mark) = if summary.counts.faults() == 0 { ("verdict well", "✓") } else { ("verdict faulty", "✗") };
    format!(
        "<header>\n<h1>Load test: {}</h1>\n<p>{}, {}</p>\n<p class=\"{class}\"><span aria-hidden=\"true\">{mark}</span> {}</p>\n</header>\n",
        escaped(&summary.scenario),
        escaped(&summary.address),
        escaped(&summary.began),
        escaped(&verdict(summary)),
    )
}

/// The key figures, those that there are.
fn tiles(summary: &Summary) -> String {
    let mut tiles = vec![
        ("acked", summary.acked_per_second, Unit::PerSecond, format!("{} messages", show(summary.counts.acked as f64, Unit::Count))),
        ("delivered", summary.delivered_per_second, Unit::PerSecond, megabytes(summary.delivered_mb_per_second)),
        ("logins", summary.logins_per_second, Unit::PerSecond, format!("{} in all", show(summary.logins as f64, Unit::Count))),
    ];
    let mut latency = |name, latency: &Latency| {
        if latency.count > 0 {
            tiles.push((name, latency.p99 as f64, Unit::Microseconds, format!("median {}", show(latency.p50 as f64, Unit::Microseconds))));
        }
    };
    latency("to ack, 99 %", &summary.post_to_ack_us);
    latency("to delivery, 99 %", &summary.post_to_delivery_us);
    latency("login, 99 %", &summary.login_us);
    if let Some(relay) = summary.relay {
        let each = [
            (relay.cpu_us_per_message, "each message"),
            (relay.cpu_us_per_login, "each login"),
            (relay.cpu_us_per_delivery, "each delivery"),
        ];
        // What the test is about, or whatever comes first of what it has.
        if let Some((value, of)) = each.into_iter().find(|(value, _)| *value != 0.0) {
            tiles.push(("relay’s processor", value, Unit::Microseconds, of.to_owned()));
        }
        let last = format!("{} at the end", show(relay.rss_last_bytes as f64, Unit::Octets));
        tiles.push(("relay’s memory, most", relay.rss_max_bytes as f64, Unit::Octets, last));
    }
    if let Some(disk) = summary.disk {
        let last = format!("{} at the end", show(disk.last_bytes as f64, Unit::Octets));
        tiles.push(("disk, most", disk.max_bytes as f64, Unit::Octets, last));
    }
    let tiles: Vec<String> = tiles
        .into_iter()
        // Zero is here what did not happen or was not measured; a rate that is no number is a fault of ours, and shown as such.
        .filter(|(_, value, _, _)| *value != 0.0)
        .map(|(name, value, unit, more)| {
            format!(
                "<div class=\"tile\"><dt>{}</dt><dd class=\"figure\">{}</dd><dd class=\"more\">{}</dd></div>\n",
                escaped(name),
                escaped(&show(value, unit)),
                escaped(&more)
            )
        })
        .collect();
    if tiles.is_empty() {
        return String::new();
    }
    // One row of six at most, or two that are about the same.
    let columns = if tiles.len() <= 6 { tiles.len() } else { tiles.len().div_ceil(2) };
    format!("<dl class=\"tiles\" style=\"--columns:{columns}\">\n{}</dl>\n", tiles.concat())
}

fn megabytes(value: f64) -> String {
    if value.is_finite() { format!("{} MB/s", plain(value)) } else { "MB/s not known".to_owned() }
}

fn notes(summary: &Summary) -> String {
    if summary.notes.is_empty() {
        return String::new();
    }
    let notes: Vec<String> = summary.notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
    format!("<section class=\"card wide\"><h2>What happened first</h2><ul class=\"notes\">\n{}</ul></section>\n", notes.concat())
}

fn gallery(summary: &Summary, figures: &[String]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let remark = match Timeline::new(&summary.samples).is_thinned() {
        true => "<p class=\"remark\">The test was long: lines over time are means, and their bands reach from the least to the most.</p>\n",
        false => "",
    };
    format!("{remark}<div class=\"charts\">\n{}</div>\n", figures.concat())
}

fn figure(chart: &Chart) -> Result<String, Failure> {
    let legend: Vec<String> = chart.lines.iter().map(legend).collect();
    Ok(format!(
        "<figure id=\"chart-{}\">\n<figcaption><h2>{}</h2><p>{}</p><ul class=\"legend\">{}</ul></figcaption>\n{}</figure>\n",
        chart.id,
        escaped(chart.title),
        escaped(chart.subtitle),
        legend.concat(),
        chart.svg()?
    ))
}

fn legend(line: &Line) -> String {
    format!("<li class=\"{}\">{} <span>{}</span></li>", line.ink.name(), escaped(&line.name), escaped(&line.remark))
}

fn footer(summary: &Summary) -> String {
    format!(
        "<footer>\n<p>This test again:</p>\n<pre>{}</pre>\n<p>simclient {}, {}</p>\n</footer>\n",
        escaped(&command(summary)),
        escaped(&summary.version),
        escaped(&summary.began)
    )
}
