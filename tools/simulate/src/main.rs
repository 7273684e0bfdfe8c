//! Tries the relay in simulated worlds, one a seed: `simulate --seeds 0..10000`, or `simulate --seed 7 --trace` to look closely.
use mnm::sim::{Plan, Plant, run};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let a: u64 = args[1].parse().unwrap();
    let b: u64 = args[2].parse().unwrap();
    let trace = args.len() > 3;
    let start = std::time::Instant::now();
    let (mut crashes, mut cut, mut requests, mut deliveries, mut turns, mut nanos, mut refused) = (0, 0, 0, 0, 0, 0, 0);
    let mut bad = 0;
    for seed in a..b {
        let begun = std::time::Instant::now(); if std::env::var("V").is_ok() { eprintln!("{seed}"); }
        let plan = Plan::draw(seed);
        let o = run(&plan, Plant::Nothing, trace);
        crashes += o.counts.crashes; cut += o.counts.cut_recoveries; requests += o.counts.requests; deliveries += o.counts.deliveries;
        turns += o.counts.turns; nanos += o.counts.nanos; refused += o.counts.refused;
        if begun.elapsed().as_secs_f64() > 1.0 { println!("seed {seed} took {:.1} s, {:?}", begun.elapsed().as_secs_f64(), o.counts); }
        if trace { println!("{plan}\n{}", o.trace); }
        if let Some(v) = o.violation { println!("seed {seed}: {}", v.to_string().chars().take(2000).collect::<String>()); bad += 1; if bad > 8 { break; } }
    }
    let s = start.elapsed().as_secs_f64();
    println!("{bad} bad; {crashes} crashes, {cut} cut, {requests} requests, {refused} refused, {deliveries} deliveries, {turns} turns, {:.1} h in {s:.1} s: {:.0} crashes/min", nanos as f64/3.6e12, (crashes+cut) as f64 / s * 60.0);
}
