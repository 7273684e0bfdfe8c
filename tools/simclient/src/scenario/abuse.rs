//! Honest members in pairs; and after a third of the time strangers who do everything but speak the protocol. What the
//! strangers bring about is seen in the honest members' latencies before and after, and in whether the relay is rid of them.

mod stranger;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mnm::base::Mono;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::cli;
use crate::crowd::{Crowd, Play};
use crate::fleet::{Order, Place};
use crate::summary::Latency;
use stranger::{Kind, Stranger};

/// The part of the time that passes before the strangers come.
const CALM: u32 = 3;
/// How often the strangers get their turn.
const STEP: Duration = Duration::from_millis(20);

/// What the honest members do.
pub(super) struct Honest {
    window: u64,
    calm: Duration,
    /// Latencies before the strangers came.
    before: Option<Latency>,
    during: Latency,
}

impl Honest {
    pub(super) fn new(options: &cli::Abuse) -> Honest {
        Honest { window: u64::from(options.window), calm: options.lasting.time / CALM, before: None, during: Latency::default() }
    }
}

impl Play for Honest {
    fn prepare(&mut self, crowd: &mut Crowd) {
        crowd.pair_up();
    }

    fn begin(&mut self, crowd: &mut Crowd, now: Mono) {
        crowd.order(Order::Wake(0, now.plus(self.calm)));
    }

    fn woken(&mut self, crowd: &mut Crowd, _who: usize, _now: Mono) {
        self.before = Some(crowd.tally.to_ack.mark());
    }

    fn fill(&mut self, crowd: &mut Crowd, who: usize, out: &mut Vec<u8>, now: Mono) {
        crowd.post_within(who, self.window, u64::MAX, out, now);
    }

    fn finish(&mut self, crowd: &mut Crowd) {
        self.during = crowd.tally.to_ack.since_mark();
        crowd.all_come();
    }

    fn extra(&self) -> Vec<(&'static str, f64)> {
        let Some(before) = &self.before else { return Vec::new() };
        vec![
            ("ack_p50_us_before", before.p50 as f64),
            ("ack_p99_us_before", before.p99 as f64),
            ("ack_p50_us_during", self.during.p50 as f64),
            ("ack_p99_us_during", self.during.p99 as f64),
        ]
    }
}

/// Where the strangers go.
#[derive(Clone)]
struct Target {
    addr: SocketAddr,
    tls: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// Lets strangers at the relay until `stop`; what they counted, by name.
pub(crate) fn attack(options: &cli::Abuse, place: &Place, stop: &AtomicBool) -> BTreeMap<String, f64> {
    let target = Target { addr: place.addr, tls: place.tls.clone(), server_name: place.server_name.clone() };
    let count = options.abusers as usize;
    let mut strangers: Vec<Stranger> =
        Kind::ALL.into_iter().flat_map(|kind| std::iter::repeat_with(move || Stranger::new(kind)).take(count)).collect();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        for stranger in &mut strangers {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            stranger.step(&target, begun);
        }
        std::thread::sleep(STEP.saturating_sub(begun.elapsed()));
    }
    let mut counts = BTreeMap::new();
    for kind in Kind::ALL {
        let of_kind = || strangers.iter().filter(move |stranger| stranger.kind == kind);
        let name = kind.name();
        counts.insert(format!("{name}_connections"), of_kind().map(|stranger| stranger.connected).sum::<u64>() as f64);
        counts.insert(format!("{name}_closed_by_relay"), of_kind().map(|stranger| stranger.closed).sum::<u64>() as f64);
        let longest = of_kind().map(|stranger| stranger.longest).max().unwrap_or_default();
        counts.insert(format!("{name}_longest_seconds"), longest.as_secs_f64());
    }
    counts
}
