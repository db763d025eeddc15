//! What happened, in short lines, for a reader of a seed that failed.

use crate::time::{Micros, show};

/// The lines; none are made unless they are asked for.
#[derive(Debug, Default)]
pub struct History {
    kept: bool,
    lines: Vec<String>,
}

impl History {
    /// A history that is kept, or not.
    pub fn new(kept: bool) -> Self {
        Self { kept, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn note(&mut self, at: Micros, line: impl FnOnce() -> String) {
        self.tell(at, || Some(line()));
    }

    /// Adds a line, where there is one.
    pub fn tell(&mut self, at: Micros, line: impl FnOnce() -> Option<String>) {
        if self.kept
            && let Some(line) = line()
        {
            self.lines.push(format!("{}  {line}", show(at)));
        }
    }

    /// All lines.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// The last part of an id: enough to tell things apart.
pub fn short(id: impl Into<uuid::Uuid>) -> String {
    let (_, low) = id.into().as_u64_pair();
    format!("#{:06x}", low & 0x00ff_ffff)
}
