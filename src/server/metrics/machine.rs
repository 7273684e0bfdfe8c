//! What the process takes of the machine, under the names that all exporters have for it, and what the disk has left.
//!
//! Each figure is one call to the system, of constant time. One that cannot be had is left out, rather than told as zero.

use std::fs;
use std::path::PathBuf;

use rustix::process::Resource;
use rustix::time::ClockId;

use super::Page;
use crate::base::Wall;

/// Where to look.
#[derive(Debug)]
pub(in crate::server) struct Machine {
    /// The data directory.
    pub(in crate::server) data: PathBuf,
    /// When the process began.
    pub(in crate::server) started: Wall,
}

impl Machine {
    pub(in crate::server) fn tell(&self, page: &mut Page) {
        if let Ok(space) = rustix::fs::statvfs(&self.data) {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            page.gauge("mnm_disk_free_bytes", "Octets that the file system of the data directory has free for the relay.", free);
        }
        if let Some([resident, anonymous]) = memory() {
            page.gauge("process_resident_memory_bytes", "Memory of the process, mapped segments included.", resident);
            let help = "Memory that no file is behind: what the relay itself takes.";
            page.gauge("mnm_anonymous_memory_bytes", help, anonymous);
        }
        if let Some(open) = open_descriptors() {
            page.gauge("process_open_fds", "Open file descriptors.", open);
        }
        if let Some(most) = rustix::process::getrlimit(Resource::Nofile).current {
            page.gauge("process_max_fds", "File descriptors that may be open.", most);
        }
        let started = self.started.millis() as f64 / 1e3;
        page.gauge("process_start_time_seconds", "When the process began, in seconds since the Unix epoch.", started);
        let spent = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
        let seconds = spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9;
        page.counter("process_cpu_seconds_total", "Processor time that the process has taken.", seconds);
    }
}

/// Octets of resident memory, and of those that no file is behind.
fn memory() -> Option<[u64; 2]> {
    let [resident, shared] = pages(&fs::read_to_string("/proc/self/statm").ok()?)?;
    let page = rustix::param::page_size() as u64;
    Some([resident * page, resident.saturating_sub(shared) * page])
}

/// The second and third number of `statm`.
fn pages(statm: &str) -> Option<[u64; 2]> {
    let mut numbers = statm.split_ascii_whitespace().skip(1).map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
}

/// Linux tells it as the directory's size, from 6.2 on. To list what is open would take long where much is.
fn open_descriptors() -> Option<u64> {
    fs::metadata("/proc/self/fd").ok().map(|meta| meta.len()).filter(|open| *open > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_from_their_columns() {
        assert_eq!(pages("4136 2210 1530 300 0 500 0\n"), Some([2210, 1530]));
        for odd in ["", "4136", "4136 2210", "4136 x 1"] {
            assert_eq!(pages(odd), None, "{odd}");
        }
    }
}
