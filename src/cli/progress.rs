//! A line on a terminal that tells how far long work is. Nothing anywhere else.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// As often as an eye can follow.
const EVERY: Duration = Duration::from_millis(100);

/// Cells of the bar.
const WIDTH: u64 = 30;

/// One piece of long work. Its line is taken back when it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    shown: bool,
    last: Option<Instant>,
}

impl Progress {
    /// `total` in any unit; 0 when nobody knows.
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        let shown = std::io::stderr().is_terminal();
        Self { what, total, shown, last: None }
    }

    /// So much is done, and it says so; drawn at most ten times a second.
    pub(super) fn at(&mut self, done: u64, says: impl FnOnce() -> String) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let line = line(self.what, done, self.total, &says());
        // Nothing can be done about a stderr that is closed.
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: u64, says: &str) -> String {
    let Some(percent) = (done.min(total) * 100).checked_div(total) else { return format!("{what}  {says}") };
    let full = percent * WIDTH / 100;
    let bar: String = (0..WIDTH).map(|cell| if cell < full { '=' } else { ' ' }).collect();
    format!("{what} [{bar}] {percent:3} %  {says}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_tells_the_share_and_nothing_where_the_whole_is_not_known() {
        assert_eq!(line("replay", 1, 2, "5 alerts"), "replay [===============               ]  50 %  5 alerts");
        assert_eq!(line("replay", 9, 2, "x"), format!("replay [{}] 100 %  x", "=".repeat(30)));
        assert_eq!(line("replay", 9, 0, "x"), "replay  x");
    }
}
