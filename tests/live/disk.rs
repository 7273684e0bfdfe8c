//! A disk whose power can be cut: an ext4 in a file, on a loop device.
//!
//! What a cut takes away is what a real one takes away from the system: all that was written and not synced, in the page
//! cache and in the journal. What it leaves is what the file system had given to the device; this disk has no cache of
//! its own, so one that lies about having written is not tried here.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl, opcode};
use tempfile::TempDir;

/// The size of the file; it is sparse.
const BYTES: u64 = 256 << 20;

/// How a file system comes to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// Nothing more is written, not even what the journal has gathered: the power is gone.
    Now,
    /// The journal is still written, the data is not: names and sizes without the octets.
    AfterJournal,
    /// Everything is still written: the cable is pulled from a system at rest.
    AfterAll,
    /// The file system has met an error and takes no more, `errors=remount-ro`.
    ReadOnly,
}

/// Mounted while it lives, and gone without a trace after.
pub(crate) struct Disk {
    directory: TempDir,
}

impl Disk {
    /// Makes the file system, mounts it, and tries a cut.
    ///
    /// # Errors
    /// What is wanting for it here, in words: root, a loop device, mkfs.ext4.
    pub(crate) fn make() -> Result<Disk, String> {
        let directory = TempDir::new().map_err(|error| format!("a temporary directory: {error}"))?;
        let disk = Disk { directory };
        File::create_new(disk.image()).and_then(|file| file.set_len(BYTES)).map_err(|error| format!("a file for the disk: {error}"))?;
        std::fs::create_dir(disk.root()).map_err(|error| format!("a directory to mount it at: {error}"))?;
        run("mkfs.ext4", ["-q".as_ref(), "-F".as_ref(), disk.image().as_os_str()])?;
        disk.mount()?;
        disk.cut(Cut::Now)?;
        disk.unmount()?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Ends the file system under whoever uses it.
    pub(crate) fn cut(&self, how: Cut) -> Result<(), String> {
        let flags = match how {
            Cut::AfterAll => 0,
            Cut::AfterJournal => 1,
            Cut::Now => 2,
            // Without an error of its own it will not go while files are open for writing.
            Cut::ReadOnly => return run("mount", ["-o".as_ref(), "remount,abort".as_ref(), self.root().as_os_str()]),
        };
        shut_down(&self.root(), flags).map_err(|error| format!("the file system's shutdown: {error}"))
    }

    /// Takes the dead file system away and brings it back as a start of the machine does; it must be whole.
    pub(crate) fn restore(&self) -> Result<(), String> {
        self.unmount()?;
        // This replays the journal; only then is there anything to check.
        self.mount()?;
        self.unmount()?;
        run("e2fsck", ["-fn".as_ref(), self.image().as_os_str()])?;
        self.mount()
    }

    /// The loop device comes and goes with the mount: so there is none to be left behind.
    fn mount(&self) -> Result<(), String> {
        run("mount", ["-o".as_ref(), "loop".as_ref(), self.image().as_os_str(), self.root().as_os_str()])
    }

    fn unmount(&self) -> Result<(), String> {
        run("umount", [self.root().as_os_str()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.unmount().is_err() {
            // Not mounted, or still in use by what ends in a moment: lazily it goes in any case.
            let _ = run("umount", ["--lazy".as_ref(), self.root().as_os_str()]);
        }
    }
}

/// `EXT4_IOC_SHUTDOWN`, with its flags (fs/ext4/ext4.h).
fn shut_down(root: &Path, flags: u32) -> Result<(), Errno> {
    const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
    let root = File::open(root).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    // SAFETY: the call reads one u32, which `Setter` points it to, and writes no memory. No other file system of Linux means
    // something else by this number: those that know it took it from XFS.
    #[allow(unsafe_code)]
    unsafe {
        ioctl(root, Setter::<SHUTDOWN, u32>::new(flags))
    }
}

fn run<const N: usize>(program: &str, arguments: [&OsStr; N]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}: {}", output.status, said.trim())) }
}
