//! Which machine this is: figures without it mean nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::print::Table;

/// What the figures depend on.
pub(crate) fn header(data: &Path) -> Table {
    let mut table = Table::new("The relay's figures", &["on", ""]);
    let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
    row("processor", format!("{}, {} cores", line_of("/proc/cpuinfo", "model name"), cores()));
    row(
        "memory",
        format!("{} MiB", line_of("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0u64) >> 10),
    );
    row("kernel", text_of("/proc/sys/kernel/osrelease"));
    row("data on", mount_of(data));
    row("load before", text_of("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "));
    row("mnm", format!("{} {}", env!("CARGO_PKG_VERSION"), said_by("git", &["describe", "--always", "--dirty"])));
    row("compiler", said_by("rustc", &["--version"]));
    table
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn text_of(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn line_of(path: &str, key: &str) -> String {
    let text = text_of(path);
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_once(':'));
    value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// File system and device, from proc_pid_mountinfo(5): the deepest mount point that holds the path.
fn mount_of(data: &Path) -> String {
    let path = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let mounts = text_of("/proc/self/mountinfo");
    let point = |line: &&str| line.split(' ').nth(4).map_or(0, |point| if path.starts_with(point) { point.len() } else { 0 });
    let Some((_, rest)) = mounts.lines().max_by_key(point).and_then(|line| line.split_once(" - ")) else { return "unknown".to_owned() };
    let mut words = rest.split(' ');
    format!("{} on {}", words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
}

/// The block device below a directory: what it was really asked to write, journals and metadata included, by anybody.
pub(crate) struct Device(String);

impl Device {
    /// `None` where the file system has no device of its own, or the system does not tell.
    pub(crate) fn below(directory: &Path) -> Option<Device> {
        let number = fs::metadata(directory).ok()?.dev();
        let device = Device(format!("/sys/dev/block/{}:{}/stat", rustix::fs::major(number), rustix::fs::minor(number)));
        device.written()?;
        Some(device)
    }

    /// Octets so far. The kernel's Documentation/block/stat.rst: the seventh number counts sectors of 512 octets.
    pub(crate) fn written(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.0).ok()?;
        Some(stat.split_ascii_whitespace().nth(6)?.parse::<u64>().ok()? * 512)
    }
}
