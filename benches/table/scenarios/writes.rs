//! What is written to the disk for what is said.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Figure;
use crate::Plan;
use crate::machine::Device;
use crate::relay::Relay;

pub(super) const NOTE: &str = "Written: the system counts for a process all of a folio of the page cache of which an octet was changed (64 KiB and more, where \
the file system has large folios), each time; the device counts what came to it, the file system's journal included, from which is \
taken what others wrote in the second before and in the second after (unknown, if that is most of it). The goal is compared with the device's figure, if there is one.";

/// How long others are watched.
const WATCH: Duration = Duration::from_secs(1);

/// Under load, where a commit holds many messages, and with one message a commit, which shows what a block costs.
pub(super) fn amplification(plan: &Plan) -> Vec<Figure> {
    const KIB: f64 = 1024.0;
    const GOAL: f64 = 1.5;
    let load = measure(plan, "--members 100 --window 8 --size 1024");
    let alone = measure(plan, "--members 2 --window 1 --size 100");
    let counted = Figure::new("written, 100 links, 1 KiB: counted for the relay", "B a payload B", load.relay / KIB);
    let mut figures = match load.device {
        None => vec![counted.at_most(GOAL)],
        Some(octets) => vec![counted, Figure::new("  by the device", "B a payload B", octets / KIB).at_most(GOAL)],
    };
    figures.push(Figure::new("written, 2 links, window 1, 100 B: counted for the relay", "B a message", alone.relay));
    figures.extend(alone.device.map(|octets| Figure::new("  by the device", "B a message", octets)));
    figures
}

/// Octets for each message.
struct Written {
    relay: f64,
    device: Option<f64>,
}

fn measure(plan: &Plan, members: &str) -> Written {
    let relay = Relay::start(&plan.base);
    let device = Device::below(relay.data());
    let others_before = others(&plan.base);
    let (before, device_before, begin) = (relay.written(), device.as_ref().and_then(Device::written), Instant::now());
    let summary = relay.serve(&format!("pairs {members} --time {}", plan.seconds));
    let (after, device_after, took) = (relay.written(), device.as_ref().and_then(Device::written), begin.elapsed());
    // The relay tidies up behind itself for a moment.
    thread::sleep(WATCH);
    let others = (others_before + others(&plan.base)) / 2.0 * took.as_secs_f64();
    let messages = summary.counts.acked.max(1) as f64;
    let device = device_after.zip(device_before).map(|(after, before)| relays_share((after - before) as f64, others) / messages);
    Written { relay: (after - before) as f64 / messages, device }
}

/// What is left without the others' part; nothing can be told where that is most of it.
fn relays_share(all: f64, others: f64) -> f64 {
    if others < all / 2.0 { all - others } else { f64::NAN }
}

/// Octets that everybody else has the device write in a second.
fn others(base: &Path) -> f64 {
    let Some(device) = Device::below(base) else { return 0.0 };
    let before = device.written();
    thread::sleep(WATCH);
    device.written().zip(before).map_or(0.0, |(after, before)| (after - before) as f64 / WATCH.as_secs_f64())
}
