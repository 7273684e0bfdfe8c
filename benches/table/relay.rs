//! The relay as a process of its own on new data, and what it uses.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use simclient::{Options, Summary};

use super::live;

/// Between two looks at the relay's memory.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A relay that ends with this; its data is swept away by the next one, or by the end of the table.
pub(crate) struct Relay {
    process: live::Relay,
    data: PathBuf,
    /// What it used when it was ready, with nobody there.
    pub(crate) empty: Memory,
    own_max: Arc<AtomicU64>,
}

impl Relay {
    /// On new data below this directory.
    pub(crate) fn start(base: &Path) -> Relay {
        let data = base.join("relay");
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data).expect("a data directory");
        let process = live::Relay::start(&data, "127.0.0.1:0");
        let own_max = Arc::new(AtomicU64::new(0));
        let (pid, most) = (process.pid(), own_max.clone());
        // Ends by itself once the process has gone.
        thread::spawn(move || {
            while let Some(now) = Memory::of(pid) {
                most.fetch_max(now.own, Ordering::Relaxed);
                thread::sleep(LOOK_EVERY);
            }
        });
        let empty = Memory::of(process.pid()).expect("it runs");
        Relay { process, data, empty, own_max }
    }

    /// Where it keeps its log.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.process.pid()).expect("the relay runs until it is told to end")
    }

    /// The most memory of its own that was seen, octets.
    pub(crate) fn own_max(&self) -> u64 {
        self.own_max.load(Ordering::Relaxed)
    }

    /// Octets that it caused to be written to the disk, proc_pid_io(5). (`wchar` would be what it handed to the system.)
    pub(crate) fn written(&self) -> u64 {
        field(&format!("/proc/{}/io", self.process.pid()), "write_bytes:").expect("the system tells about processes of one's own")
    }

    /// Octets that its data takes of the disk.
    pub(crate) fn disk(&self) -> u64 {
        let files = fs::read_dir(&self.data).expect("the data directory");
        files.flatten().filter_map(|file| file.metadata().ok()).map(|found| found.blocks() * 512).sum()
    }

    /// Lets members do this, as on the load tester's command line.
    pub(crate) fn serve(&self, scenario: &str) -> Summary {
        let (pid, data) = (self.process.pid().to_string(), self.data.to_string_lossy());
        let fixed = ["simclient", "--quiet", "--addr", &self.process.address, "--pid", &pid, "--data", &data];
        eprintln!("simclient {scenario}");
        let options = Options::read(fixed.into_iter().chain(scenario.split(' ')));
        let summary = simclient::run(&options).unwrap_or_else(|failure| panic!("{scenario}: {failure}"));
        assert_eq!(summary.counts.faults(), 0, "{scenario}: {:?} {:?}", summary.counts, summary.notes);
        summary
    }
}

/// Octets of memory, proc_pid_status(5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// Resident, with what is mapped from files: the log's segments and the program.
    pub(crate) resident: u64,
    /// The most of that so far.
    pub(crate) resident_max: u64,
    /// The process's alone.
    pub(crate) own: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Option<Memory> {
        let path = format!("/proc/{pid}/status");
        let octets = |key: &str| field(&path, key).map(|kib| kib << 10);
        Some(Memory { resident: octets("VmRSS:")?, resident_max: octets("VmHWM:")?, own: octets("RssAnon:")? })
    }
}

fn field(path: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next()?.parse().ok()
}
