//! What a request costs on a small site and on a large one: the pure core, in this thread, without log and links.
//!
//! What grows with more than the logarithm of a size grows for a reason that the table names, or it is a fault. Caches are a part of
//! it: what a site of 100 has in the processor's, one of a million has in memory, and each look there takes some 100 ns.

mod groups;
mod links;
mod members;
mod nodes;
mod queues;
mod site;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Plan;
use super::print::{Table, number};

/// All dimensions, each as soon as it is measured.
pub(crate) fn all(plan: &Plan, mut tell: impl FnMut(Table)) {
    [members::table, queues::table, groups::table, nodes::table, links::table].iter().for_each(|table| tell(table()));
    tell(links::on_the_wire(plan));
}

/// Times and memory of one size, in the order in which they were first noted.
#[derive(Default)]
struct Costs {
    order: Vec<&'static str>,
    sums: BTreeMap<&'static str, (f64, f64)>,
}

impl Costs {
    /// So much for so many.
    fn add(&mut self, what: &'static str, sum: f64, count: f64) {
        if !self.sums.contains_key(what) {
            self.order.push(what);
        }
        let (all, of) = self.sums.entry(what).or_default();
        (*all, *of) = (*all + sum, *of + count);
    }

    fn time(&mut self, what: &'static str, time: Duration, count: usize) {
        self.add(what, time.as_secs_f64() * 1e9, count as f64);
    }

    fn each(&self, what: &str) -> Option<f64> {
        self.sums.get(what).map(|(sum, count)| sum / count)
    }
}

/// One column a size, and how much more the largest costs than the smallest.
fn table(title: &str, sizes: &[u32], mut measure: impl FnMut(u32) -> Costs) -> Table {
    let columns: Vec<Costs> = sizes.iter().map(|&size| measure(size)).collect();
    let names: Vec<String> = sizes.iter().map(|&size| number(f64::from(size))).collect();
    let head: Vec<&str> = [""].into_iter().chain(names.iter().map(String::as_str)).chain(["ratio"]).collect();
    let mut table = Table::new(&format!("Growth by {title}"), &head);
    // Memory is told of large sizes only: of small ones it is lost in what the allocator keeps.
    let most = columns.iter().max_by_key(|costs| costs.order.len()).expect("there are sizes");
    for what in &most.order {
        let values: Vec<Option<f64>> = columns.iter().map(|costs| costs.each(what)).collect();
        let ratio = values.last().copied().flatten().zip(values[0]).map(|(last, first)| format!("{:.2}", last / first));
        let cells = values.iter().map(|value| value.map_or_else(String::new, number));
        table.row([(*what).to_owned()].into_iter().chain(cells).chain([ratio.unwrap_or_default()]));
    }
    table
}

/// How often a site of this size is built: of small ones one alone tells little.
fn rounds(size: u32) -> u32 {
    (20_000 / size).clamp(1, 20)
}

/// Before what is to be built and how much of it: this program builds it and prints what memory each took.
pub(crate) const MEMORY: &str = "memory";

/// See [`MEMORY`].
pub(crate) fn print_memory(what: &str, size: u32) {
    let own = || super::relay::Memory::of(std::process::id()).map_or(0, |memory| memory.own);
    let before = own();
    // It must live while it is weighed.
    let built: Box<dyn std::any::Any> = match what {
        members::EACH => Box::new(members::build(size)),
        queues::EACH => Box::new(queues::build(size)),
        links::EACH => Box::new(links::build(size)),
        _ => panic!("{what}: nothing of that name takes memory"),
    };
    println!("{}", own().saturating_sub(before) as f64 / f64::from(size));
    drop(built);
}

/// Octets that each takes, by a process of its own: memory that others have freed here would be taken again, and not be seen.
fn memory(what: &str, size: u32) -> f64 {
    let this = std::env::current_exe().expect("a program that runs");
    let said = std::process::Command::new(this).args([MEMORY, what, &size.to_string()]).output().expect("this program runs twice");
    String::from_utf8_lossy(&said.stdout).trim().parse().unwrap_or(f64::NAN)
}
