//! What root makes in a data directory of another user belongs to that user: else the relay could not open it.
//!
//! Root becomes that user for as long as it takes, instead of giving files away afterwards: who owns the directory could have root
//! follow a link that lies there. A service's directory can be behind one that only root may enter (`/var/lib/private`), so
//! the data directory is entered before, and is `.` from then on.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::config::ConfigError;

/// Being the user to whom the data directory belongs, until dropped.
pub(super) struct Owner {
    data: PathBuf,
    /// Where root was before; `None` if nobody had to become anybody.
    back: Option<PathBuf>,
}

impl Owner {
    /// Becomes the owner of a directory that is there, if this is root and the owner somebody else. The process has one thread.
    ///
    /// # Errors
    /// If the system does not let root do that.
    pub(super) fn of(data: &Path) -> Result<Owner, ConfigError> {
        let owner = fs::metadata(data).ok().map(|meta| (meta.uid(), meta.gid())).filter(|(uid, _)| *uid != 0);
        let Some((uid, gid)) = owner.filter(|_| rustix::process::geteuid().is_root()) else {
            return Ok(Owner { data: data.to_path_buf(), back: None });
        };
        let failed = |error: std::io::Error| {
            let trouble = format!("belongs to another user (number {uid}), who this one cannot become ({error})");
            ConfigError::about_file(data, trouble, "run this as the user that runs mnm")
        };
        let back = env::current_dir().map_err(failed)?;
        env::set_current_dir(data).map_err(failed)?;
        let guard = Owner { data: ".".into(), back: Some(back) };
        set_thread_res_gid(None, Gid::from_raw(gid), None).map_err(|error| failed(error.into()))?;
        set_thread_res_uid(None, Uid::from_raw(uid), None).map_err(|error| failed(error.into()))?;
        Ok(guard)
    }

    /// The data directory, as this user reaches it.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(back) = &self.back else { return };
        // Root was kept in mind as the saved user, to whom one may always return.
        set_thread_res_uid(None, Uid::ROOT, None).expect("the saved user is root");
        set_thread_res_gid(None, Gid::ROOT, None).expect("root may be in any group");
        // What follows names files from there; where that is gone, writing them fails with a sentence.
        let _ = env::set_current_dir(back);
    }
}
