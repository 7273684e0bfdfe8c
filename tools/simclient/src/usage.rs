//! What processes use and what a directory takes of the disk, as Linux tells it in /proc. Elsewhere nothing is told.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::cli::Output;
use crate::summary::Usage;

/// Who is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    relay: Option<u32>,
    data: Option<PathBuf>,
}

/// What they used up to one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) relay: Option<Usage>,
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) tester: Usage,
}

impl Watched {
    /// Those that the options name.
    ///
    /// # Errors
    /// [`Failure::Usage`] if they are not there, or may not be looked at.
    pub(crate) fn new(output: &Output) -> Result<Watched, Failure> {
        if let Some(pid) = output.pid
            && of_process(&pid.to_string()).is_none()
        {
            return Err(Failure::Usage(format!("--pid {pid}: no such process, or none that Linux tells about in /proc/{pid}")));
        }
        if let Some(data) = &output.data
            && let Err(error) = fs::read_dir(data)
        {
            return Err(Failure::Usage(format!("--data {}: {error}", data.display())));
        }
        Ok(Watched { relay: output.pid, data: output.data.clone() })
    }

    /// Looks at all of them.
    pub(crate) fn read(&self) -> Reading {
        Reading {
            relay: self.relay.and_then(|pid| of_process(&pid.to_string())),
            disk_bytes: self.data.as_deref().map(size_of),
            tester: of_process("self").unwrap_or_default(),
        }
    }
}

/// proc(5): stat, fields 14 and 15 count from behind the name, which may hold anything; statm, field 2; io.
fn of_process(name: &str) -> Option<Usage> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{name}/{file}")).ok();
    let stat = read("stat")?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let pages: u64 = read("statm")?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let written = read("io").and_then(|io| io.lines().find_map(|line| line.strip_prefix("write_bytes:")?.trim().parse().ok()));
    Some(Usage {
        rss_bytes: pages * rustix::param::page_size() as u64,
        cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        written_bytes: written,
    })
}

/// What a directory takes of the disk, files below it included; what vanishes meanwhile takes nothing.
fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let mut sum = 0;
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(found) if found.is_dir() => sum += size_of(&entry.path()),
            // stat(2): st_blocks are 512 octets each, whatever the file system's own are.
            Ok(found) => sum += found.blocks() * 512,
            Err(_) => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something_and_a_file_takes_blocks() {
        let usage = of_process("self").unwrap();
        assert!(usage.rss_bytes > 100_000 && usage.cpu_seconds >= 0.0, "{usage:?}");
        assert_eq!(of_process("4294967295"), None);
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        let file = fs::File::create(directory.path().join("below/file")).unwrap();
        std::io::Write::write_all(&mut &file, &[1; 100_000]).unwrap();
        file.sync_all().unwrap();
        assert!((100_000..1_000_000).contains(&size_of(directory.path())));
    }
}
