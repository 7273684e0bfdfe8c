//! Where this was measured.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::driver::Outcome;
use crate::server::Kind;

/// Writes that are tried to tell how fast the disk syncs.
const SYNCS: usize = 101;

/// Lines about machine, disk and programs.
pub(crate) fn describe(base: &Path, kinds: &[Kind]) -> Outcome<Vec<String>> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let sync = sync_time(base)?;
    let mut versions: Vec<String> = kinds.iter().map(|kind| kind.version()).collect();
    // Two kinds of one program need not stand side by side.
    let mut seen = std::collections::BTreeSet::new();
    versions.retain(|version| seen.insert(version.clone()));
    Ok(vec![
        format!("Linux {}, {cores} × {model}", kernel.trim()),
        format!("data on {}; append 4 KiB and fdatasync there: median {} µs", file_system(base), sync.as_micros()),
        versions.join("; "),
        "TLS 1.3 on loopback: AES-256-GCM, X25519, one ECDSA P-256 certificate; the generator has one thread".to_owned(),
    ])
}

/// The type of the file system that holds a path, by the longest mount point in front of it.
fn file_system(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(point, _)| path.starts_with(point));
    holding.max_by_key(|(point, _)| point.len()).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

fn sync_time(base: &Path) -> Outcome<Duration> {
    let told = |e: std::io::Error| format!("{}: {e}", base.display());
    let path = base.join("sync-probe");
    let mut file = File::create(&path).map_err(told)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&[1; 4096]).and_then(|()| file.sync_data()).map_err(told)?;
        times.push(begin.elapsed());
    }
    fs::remove_file(&path).map_err(told)?;
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}
