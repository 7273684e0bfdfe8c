//! A bar on a terminal while a whole log is gone through. Elsewhere, and in the relay itself, there is none.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr, if that is a terminal; gone when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for work that is named by a word, as "reading".
    ///
    /// # Panics
    /// Never: the template is one.
    pub fn new(work: &'static str) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} segments").expect("a valid template");
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(work);
        Progress(bar)
    }

    /// So many segments are done.
    pub fn show(&mut self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
