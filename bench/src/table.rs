//! The table: what was measured, against what must hold and what is striven for.

use std::fmt;

/// Whether a figure meets its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Also what is striven for.
    Strive,
    /// What must hold.
    Must,
    /// Not even that.
    Missed,
    /// There is no bound: it is printed.
    Printed,
    /// It could not be measured.
    NotMeasured,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    what: String,
    measured: String,
    must: String,
    strive: String,
    verdict: Verdict,
}

impl Row {
    /// A figure judged by comparison: at most, or at least, by what the caller says.
    pub fn judged(what: &str, measured: String, bounds: (&str, &str), met: (bool, bool)) -> Self {
        let verdict = match met {
            (true, true) => Verdict::Strive,
            (true, false) => Verdict::Must,
            (false, _) => Verdict::Missed,
        };
        Self { what: what.into(), measured, must: bounds.0.into(), strive: bounds.1.into(), verdict }
    }

    /// A figure without a bound.
    pub fn printed(what: &str, measured: String) -> Self {
        Self { what: what.into(), measured, must: "–".into(), strive: "–".into(), verdict: Verdict::Printed }
    }

    /// A figure that could not be had.
    pub fn not_measured(what: &str, error: &anyhow::Error) -> Self {
        let measured = format!("{error:#}").replace('\n', " ").replace('|', "/");
        Self { what: what.into(), measured, must: "?".into(), strive: "?".into(), verdict: Verdict::NotMeasured }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Strive => "met, strive too",
            Verdict::Must => "met",
            Verdict::Missed => "**NOT MET**",
            Verdict::Printed => "–",
            Verdict::NotMeasured => "**not measured**",
        };
        write!(f, "| {} | {} | {} | {} | {verdict} |", self.what, self.measured, self.must, self.strive)
    }
}

/// All lines, with what has to be known to read them.
#[derive(Debug, Default)]
pub struct Table {
    /// In the order of measuring.
    pub rows: Vec<Row>,
    /// Below the table.
    pub notes: Vec<String>,
}

impl Table {
    /// Whether every bound that must hold does, and everything could be measured.
    pub fn all_met(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.verdict, Verdict::Missed | Verdict::NotMeasured))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | measured | must | strive | |\n|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}
