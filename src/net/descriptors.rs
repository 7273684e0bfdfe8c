//! How many files this process may open, and what it says when there are no more.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many descriptors as it may, and says how many that is. What a shell gives by default is meant
/// for programs that wait with `select`, which we do not.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Some systems refuse what they call the maximum. What there was is there still.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    descriptor_limit()
}

/// How many descriptors this process may have, as it is.
pub fn descriptor_limit() -> u64 {
    // No limit at all.
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many descriptors the program that started this one left open for it, besides the standard streams: they count as ours.
/// Ask before anything else is opened. Where the system does not tell, none.
pub fn inherited_descriptors() -> u64 {
    // One more is open for the listing itself.
    std::fs::read_dir("/dev/fd").map_or(0, |open| (open.count() as u64).saturating_sub(4))
}

/// Whether a call failed because this process or the system has no descriptor left.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    // EMFILE and ENFILE, the same on every Unix.
    matches!(error.raw_os_error(), Some(24 | 23))
}
