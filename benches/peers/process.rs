//! A server's process: it does not outlive its measurement, and /proc tells what it costs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::driver::Outcome;

/// Where servers live that are in no user's PATH.
const MORE_PATHS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// /proc counts in hundredths of a second on every Linux that this bench may meet (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// Finds a program as a shell would, and a little beyond.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(MORE_PATHS.iter().map(PathBuf::from));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in a directory; what it says goes into a file there.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> Outcome<Process> {
        let log = directory.join("bench.log");
        let open = |e: std::io::Error| format!("{}: {e}", log.display());
        let out = File::create(&log).map_err(open)?;
        let error = out.try_clone().map_err(open)?;
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.current_dir(directory).stdin(Stdio::null()).stdout(out).stderr(error).spawn();
        Ok(Process { child: child.map_err(|e| format!("{name}: {e}"))?, log })
    }

    /// Whether it has ended; and if so its last words.
    pub(crate) fn last_words(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
        Some(format!("{status}: {}", lines.into_iter().rev().collect::<Vec<_>>().join(" / ")))
    }

    pub(crate) fn usage(&self) -> Outcome<Usage> {
        Usage::of(&self.child.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Of processors, with that of children which have ended (Redis writes its log anew in one).
    pub(crate) cpu: Duration,
    /// The most memory at any time, with what is mapped from files, in octets.
    pub(crate) rss_max: u64,
    /// Memory now, likewise.
    pub(crate) rss: u64,
}

impl Usage {
    /// This process's.
    pub(crate) fn own() -> Outcome<Usage> {
        Usage::of("self")
    }

    fn of(process: &str) -> Outcome<Usage> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).map_err(|e| format!("/proc: {e}"));
        let (stat, status) = (read("stat")?, read("status")?);
        // After the name, which may hold anything but ends with the last parenthesis, utime to cstime are fields 12 to 15 (proc(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u32 = fields.skip(11).take(4).filter_map(|field| field.parse::<u32>().ok()).sum();
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
        };
        Ok(Usage { cpu: TICK * ticks, rss_max: kib("VmHWM:") << 10, rss: kib("VmRSS:") << 10 })
    }
}

/// What all processors together were busy with so far, by whomever.
pub(crate) fn machine_cpu() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/stat").map_err(|e| format!("/proc: {e}"))?;
    // user nice system idle iowait irq softirq steal (proc(5)).
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8).enumerate();
    let busy = fields.filter(|(index, _)| !matches!(index, 3 | 4)).filter_map(|(_, field)| field.parse::<f64>().ok());
    Ok(TICK.mul_f64(busy.sum()))
}
