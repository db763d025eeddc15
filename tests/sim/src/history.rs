//! What happened, in short lines, for whoever reads about a seed that failed.

use crate::time::{Micros, show};

/// The lines; none are made unless they are asked for.
#[derive(Debug, Default)]
pub struct History {
    tell: bool,
    lines: Vec<String>,
}

impl History {
    /// A history that is kept, or not.
    pub fn new(tell: bool) -> Self {
        Self { tell, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn tell(&mut self, at: Micros, line: impl FnOnce() -> String) {
        if self.tell {
            self.lines.push(format!("{}  {}", show(at), line()));
        }
    }

    /// All lines.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// The last part of an id: enough to tell things apart.
pub fn short(id: uuid::Uuid) -> String {
    format!("#{:x}", id.as_u128())
}
