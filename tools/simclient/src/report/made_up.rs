//! Summaries that no test has measured, but could have: what the pages and the comparisons are tested with.

use crate::summary::{Counts, DiskSum, Latency, Recent, Sample, Summary, Usage, UsageSum};

const MIB: u64 = 1 << 20;

/// A minute of pairs at 150 000 messages a second, all well.
pub(crate) fn pairs() -> Summary {
    let mut noise = Noise(1);
    let samples: Vec<Sample> = (1..=63).map(|second| pairs_sample(second, &mut noise)).collect();
    let acked = 9_012_345;
    Summary {
        scenario: "pairs".to_owned(),
        version: "0.1.0".to_owned(),
        began: "2026-10-18T09:30:00Z".to_owned(),
        address: "127.0.0.1:8443".to_owned(),
        settings: settings(&[("members", "100"), ("size", "1024"), ("time", "60"), ("window", "32")]),
        members: 100,
        threads: 1,
        size: 1024,
        gather_seconds: 1.4,
        post_seconds: 60.0,
        drain_seconds: 0.7,
        acked_per_second: 150_187.3,
        delivered_per_second: 149_870.1,
        delivered_mb_per_second: 153.47,
        logins: 100,
        counts: Counts { sent: acked, acked, delivered: acked, ..Counts::default() },
        post_to_ack_us: latency(acked, 1900.0),
        post_to_delivery_us: latency(acked, 2600.0),
        login_us: latency(100, 3100.0),
        relay: Some(usage_sum(58.0, 6.31, Some(9_480 * MIB))),
        disk: Some(DiskSum { first_bytes: MIB, max_bytes: 412 * MIB, last_bytes: 64 * MIB }),
        tester: usage_sum(43.0, 4.77, None),
        samples,
        ..Summary::default()
    }
}

fn pairs_sample(second: u64, noise: &mut Noise) -> Sample {
    let phase = if second <= 1 {
        "connecting"
    } else if second <= 62 {
        "posting"
    } else {
        "draining"
    };
    let is_posting = phase == "posting";
    let rate = if is_posting { 150_000.0 * noise.around(0.05) * if second == 31 { 0.62 } else { 1.0 } } else { 0.0 };
    let slow = if second == 31 { 9.0 } else { noise.around(0.25) };
    let recent = |median: f64| {
        let of = |factor: f64| if is_posting { (median * factor * slow) as u64 } else { 0 };
        Recent { p50: of(1.0), p99: of(3.1), max: of(7.5) }
    };
    let busy = second as f64 - 1.0;
    Sample {
        seconds: second as f64,
        phase: phase.to_owned(),
        online: if second == 63 { 0 } else { 100 },
        acked_per_second: rate,
        delivered_per_second: rate * noise.around(0.015),
        logins_per_second: if second == 1 { 100.0 } else { 0.0 },
        post_to_ack_us: recent(1900.0),
        post_to_delivery_us: recent(2600.0),
        login_us: if second == 1 { Recent { p50: 3100, p99: 9800, max: 12_400 } } else { Recent::default() },
        relay: Some(Usage {
            rss_bytes: 22 * MIB + (36.0 * (1.0 - (-busy / 9.0).exp()) * MIB as f64) as u64,
            cpu_seconds: 0.3 + busy * 0.95 + noise.around(0.5) * 0.05,
            written_bytes: Some(second * 150 * MIB),
        }),
        disk_bytes: Some(MIB + (busy as u64 % 12) * 34 * MIB),
        tester: Usage {
            rss_bytes: 31 * MIB + second * MIB / 5,
            cpu_seconds: 0.2 + busy * 0.72 + noise.around(0.5) * 0.04,
            written_bytes: None,
        },
        ..Sample::default()
    }
}

/// Five minutes of 1000 clients that come, post and go, at 500 messages a second.
pub(crate) fn cycle() -> Summary {
    let mut noise = Noise(7);
    let samples: Vec<Sample> = (1..=309).map(|second| cycle_sample(second, &mut noise)).collect();
    let acked = 150_012;
    Summary {
        scenario: "cycle".to_owned(),
        settings: settings(&[("group", "20"), ("members", "1000"), ("reconnect", ""), ("size", "512"), ("speedup", "40"), ("time", "300")]),
        address: "relay.example:8443".to_owned(),
        members: 1000,
        threads: 2,
        size: 512,
        gather_seconds: 4.2,
        post_seconds: 300.0,
        drain_seconds: 3.9,
        acked_per_second: 500.04,
        delivered_per_second: 499.1,
        delivered_mb_per_second: 0.2555,
        logins: 18_240,
        logins_per_second: 57.7,
        counts: Counts { sent: acked, acked, delivered: acked, redelivered: 312, resent: 41, reconnects: 17_240, ..Counts::default() },
        post_to_ack_us: latency(acked, 640.0),
        post_to_delivery_us: latency(acked, 21_000.0),
        login_us: latency(18_240, 4200.0),
        extra: [("cycles".to_owned(), 17_240.0), ("away, mean seconds".to_owned(), 8.4)].into(),
        relay: Some(usage_sum(34.0, 118.0, Some(612 * MIB))),
        disk: Some(DiskSum { first_bytes: MIB, max_bytes: 21 * MIB, last_bytes: 6 * MIB }),
        tester: usage_sum(71.0, 96.0, None),
        samples,
        ..pairs()
    }
}

fn cycle_sample(second: u64, noise: &mut Noise) -> Sample {
    let phase = if second <= 5 {
        "connecting"
    } else if second <= 305 {
        "posting"
    } else {
        "draining"
    };
    let is_posting = phase == "posting";
    let wave = 1.0 + 0.3 * (second as f64 / 17.0).sin();
    let recent = |median: f64, tail: f64, there: bool, noise: &mut Noise| {
        let slow = noise.around(0.3);
        let of = |factor: f64| if there { (median * factor * slow) as u64 } else { 0 };
        Recent { p50: of(1.0), p99: of(tail), max: of(tail * 2.7) }
    };
    let logins = if second <= 5 {
        200.0
    } else if is_posting {
        58.0 * wave * noise.around(0.2)
    } else {
        0.0
    };
    Sample {
        seconds: second as f64,
        phase: phase.to_owned(),
        online: if second <= 5 { second * 200 } else { (520.0 + 120.0 * wave * noise.around(0.1)) as u64 },
        acked_per_second: if is_posting { 500.0 * noise.around(0.02) } else { 0.0 },
        delivered_per_second: if second > 5 { 500.0 * wave * noise.around(0.12) } else { 0.0 },
        logins_per_second: logins,
        post_to_ack_us: recent(640.0, 4.0, is_posting, noise),
        post_to_delivery_us: recent(21_000.0 * wave, 160.0, second > 5, noise),
        login_us: recent(4200.0, 3.0, logins > 0.0, noise),
        relay: Some(Usage {
            rss_bytes: 19 * MIB + (13.0 * wave * MIB as f64) as u64,
            cpu_seconds: 0.2 + second as f64 * 0.06 + noise.around(0.5) * 0.02,
            written_bytes: Some(second * 2 * MIB),
        }),
        disk_bytes: Some(MIB + (second % 80) * MIB / 4),
        tester: Usage { rss_bytes: 66 * MIB + second * MIB / 60, cpu_seconds: second as f64 * 0.05, written_bytes: None },
        ..Sample::default()
    }
}

/// The pairs, but the relay lost messages, and what it said tries to become markup.
pub(crate) fn faulty() -> Summary {
    let mut summary = pairs();
    summary.counts = Counts { lost: 3, duplicated: 1, out_of_order: 1204, delivered: summary.counts.delivered - 3, ..summary.counts };
    summary.address = "<script>alert(1)</script>:8443".to_owned();
    summary.settings.insert("server-name".to_owned(), "<script>alert(3)</script>".to_owned());
    summary.notes = vec![
        "member 17: message 204 acked but never delivered".to_owned(),
        "member 41: </section><script src=\"http://example.org/x.js\">alert('2')</script>\u{1b}[2J".to_owned(),
    ];
    for (index, sample) in summary.samples.iter_mut().enumerate().skip(31) {
        sample.faults = 1208.min(index as u64 * 20);
    }
    summary
}

/// The pairs, but for `count` seconds, with one peak in the middle.
pub(crate) fn long(count: u64) -> Summary {
    let mut noise = Noise(3);
    let mut samples: Vec<Sample> =
        (1..=count).map(|second| Sample { seconds: second as f64, ..pairs_sample(2 + second % 60, &mut noise) }).collect();
    if let Some(peak) = samples.get_mut(count as usize / 2) {
        peak.acked_per_second = 987_000.0;
    }
    Summary { samples, ..pairs() }
}

fn settings(settings: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    settings.iter().map(|(option, value)| ((*option).to_owned(), (*value).to_owned())).collect()
}

fn usage_sum(mib: f64, cpu_us_per_message: f64, written_bytes: Option<u64>) -> UsageSum {
    let most = (mib * MIB as f64) as u64;
    UsageSum {
        rss_first_bytes: most / 3,
        rss_max_bytes: most,
        rss_last_bytes: most / 2,
        cpu_seconds: 57.1,
        cpu_us_per_message,
        written_bytes,
        cpu_us_per_delivery: cpu_us_per_message,
        ..UsageSum::default()
    }
}

/// A distribution with a long tail.
fn latency(count: u64, median: f64) -> Latency {
    let at = |quantile: f64| {
        (median * (0.4 + 0.6 * (1.0 + (1.0 / (1.0 - quantile.min(1.0 - 0.5 / count as f64))).log2()).powf(1.1)).max(0.1)) as u64
    };
    let mut curve = vec![(0.0, at(0.0))];
    let mut rest = 1.0;
    while rest * count as f64 > 1.0 {
        rest /= 2.0f64.powf(0.2);
        curve.push((1.0 - rest, at(1.0 - rest)));
    }
    curve.push((1.0, at(1.0)));
    Latency { count, mean: median * 1.21, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0), curve }
}

/// A few bits of disorder, the same each time.
struct Noise(u64);

impl Noise {
    /// A factor from 1 - `spread` to 1 + `spread`.
    fn around(&mut self, spread: f64) -> f64 {
        // Knuth's generator (The Art of Computer Programming, volume 2, 3.3.4).
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1.0 + spread * ((self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0)
    }
}
