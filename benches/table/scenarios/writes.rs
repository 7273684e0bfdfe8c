//! What is written to the disk for what is said.

use simclient::Summary;

use super::Figure;
use crate::Plan;
use crate::machine::Device;
use crate::relay::Relay;

/// Under load, where a commit holds many messages, and with one message a commit, which shows what a block costs.
pub(super) fn amplification(plan: &Plan) -> Vec<Figure> {
    const KIB: u64 = 1024;
    let load = measure(plan, "--members 100 --window 8 --size 1024");
    let alone = measure(plan, "--members 2 --window 1 --size 100");
    let payload = |octets: u64| octets as f64 / (load.messages * KIB) as f64;
    let each = |octets: u64| octets as f64 / alone.messages as f64;
    let mut figures = vec![Figure::new("written, 100 links, 1 KiB: by the relay", "B a payload B", payload(load.relay)).at_most(1.5)];
    figures.extend(load.device.map(|octets| Figure::new("  by the device, others and journal included", "B a payload B", payload(octets))));
    figures.push(Figure::new("written, 2 links, window 1, 100 B: by the relay", "B a message", each(alone.relay)));
    figures.extend(alone.device.map(|octets| Figure::new("  by the device, others and journal included", "B a message", each(octets))));
    figures
}

struct Written {
    messages: u64,
    relay: u64,
    device: Option<u64>,
}

fn measure(plan: &Plan, members: &str) -> Written {
    let relay = Relay::start(&plan.base);
    let device = Device::below(relay.data());
    let device_written = || device.as_ref().and_then(Device::written);
    let (before, device_before) = (relay.written(), device_written());
    let summary: Summary = relay.serve(&format!("pairs {members} --time {}", plan.seconds));
    let device = device_written().zip(device_before).map(|(after, before)| after - before);
    Written { messages: summary.counts.acked.max(1), relay: relay.written() - before, device }
}
