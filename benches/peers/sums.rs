//! What one measurement says, and the median of several.

use std::time::{Duration, Instant};

use crate::driver::Outcome;
use crate::process::{self, Process, Usage};

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
    /// Processors that all else on the machine kept busy: much of it, and the numbers tell of that instead.
    pub(crate) others_busy: f64,
    /// Peak memory of the server, in octets.
    pub(crate) memory: f64,
    /// Memory that one idle link takes, in octets.
    pub(crate) link_memory: f64,
}

/// Counts what is used from its start on.
pub(crate) struct Meter {
    begin: Instant,
    server: Usage,
    generator: Usage,
    machine: Duration,
}

impl Meter {
    pub(crate) fn start(server: &Process) -> Outcome<Meter> {
        Ok(Meter { begin: Instant::now(), server: server.usage()?, generator: Usage::own()?, machine: process::machine_cpu()? })
    }

    /// So many things were done since the start.
    pub(crate) fn stop(&self, server: &Process, count: u64, mut latencies_us: Vec<u32>) -> Outcome<Sums> {
        let took = self.begin.elapsed().as_secs_f64();
        let memory = server.usage()?;
        let server_s = memory.cpu.saturating_sub(self.server.cpu).as_secs_f64();
        let generator_s = Usage::own()?.cpu.saturating_sub(self.generator.cpu).as_secs_f64();
        let machine_s = process::machine_cpu()?.saturating_sub(self.machine).as_secs_f64();
        latencies_us.sort_unstable();
        let quantile = |part: f64| {
            let last = latencies_us.len().checked_sub(1);
            last.map_or(f64::NAN, |last| f64::from(latencies_us[(last as f64 * part) as usize]))
        };
        let of_one = |number: f64| if count == 0 { f64::NAN } else { number / count as f64 };
        Ok(Sums {
            rate: count as f64 / took,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            server_us: of_one(server_s * 1e6),
            generator_us: of_one(generator_s * 1e6),
            server_busy: server_s / took,
            generator_busy: generator_s / took,
            others_busy: (machine_s - server_s - generator_s).max(0.0) / took,
            memory: memory.rss_max as f64,
            link_memory: f64::NAN,
        })
    }
}

impl Sums {
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
            others_busy: of(|s| s.others_busy),
            memory: of(|s| s.memory),
            link_memory: of(|s| s.link_memory),
        }
    }
}
