//! What one measurement says, and the median of several.

use std::time::Duration;

use crate::process::Usage;

/// A measurement; what it does not tell is NaN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    /// Messages delivered, or logins, a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Processor time for one of them, by the server and by the generator.
    pub(crate) server_us: f64,
    pub(crate) generator_us: f64,
    /// The generator's part of one processor: near 1 it is what was measured.
    pub(crate) generator_busy: f64,
    pub(crate) server_busy: f64,
    /// Peak memory of the server, in octets.
    pub(crate) memory: f64,
    /// Memory that one idle link takes, in octets.
    pub(crate) link_memory: f64,
}

impl Sums {
    /// `count` things were done in a time.
    pub(crate) fn of(took: Duration, count: u64, mut latencies_us: Vec<u32>, server: Usage, generator: Usage) -> Sums {
        latencies_us.sort_unstable();
        let quantile = |part: f64| {
            let last = latencies_us.len().checked_sub(1);
            last.map_or(f64::NAN, |last| f64::from(latencies_us[(last as f64 * part) as usize]))
        };
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        Sums {
            rate: count as f64 / took.as_secs_f64(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            server_us: each(server.cpu),
            generator_us: each(generator.cpu),
            generator_busy: generator.cpu.as_secs_f64() / took.as_secs_f64(),
            server_busy: server.cpu.as_secs_f64() / took.as_secs_f64(),
            memory: server.rss_max as f64,
            link_memory: f64::NAN,
        }
    }

    /// Of each number the median of several runs, of an even count the lower.
    pub(crate) fn median(runs: &[Sums]) -> Sums {
        let of = |number: fn(&Sums) -> f64| {
            let mut numbers: Vec<f64> = runs.iter().map(number).collect();
            numbers.sort_by(f64::total_cmp);
            numbers[(numbers.len() - 1) / 2]
        };
        Sums {
            rate: of(|s| s.rate),
            p50_us: of(|s| s.p50_us),
            p99_us: of(|s| s.p99_us),
            server_us: of(|s| s.server_us),
            generator_us: of(|s| s.generator_us),
            generator_busy: of(|s| s.generator_busy),
            server_busy: of(|s| s.server_busy),
            memory: of(|s| s.memory),
            link_memory: of(|s| s.link_memory),
        }
    }
}
