//! How a budget is written: `3 per 1h`.

use std::fmt;
use std::time::Duration;

use super::model::Budget;
use crate::diagnostic::{Report, codes};
use crate::duration::{self, show};
use crate::yaml::{Node, items, text};

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.max, show(self.per))
    }
}

/// Reads one budget; the error says what is wrong with it.
pub fn parse(written: &str) -> Result<Budget, String> {
    let mut words = written.split_ascii_whitespace();
    let (Some(max), Some("per"), Some(per), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(format!("\"{}\" is not a budget", written.chars().take(60).collect::<String>()));
    };
    let max = match max.parse::<u32>() {
        Ok(0) => return Err("a budget of 0 would never act".to_owned()),
        Ok(number) if number.to_string() == max => number,
        _ => return Err(format!("\"{max}\" is not a number of actions")),
    };
    match duration::parse(per) {
        Ok(Duration::ZERO) => Err("a budget's window must be longer than 0".to_owned()),
        Ok(per) => Ok(Budget { max, per }),
        Err(fault) => Err(fault.message),
    }
}

/// Reads a list of budgets with the place of each; all must hold at once.
pub fn read<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<Vec<(Budget, &'n Node)>> {
    let mut budgets = Vec::new();
    for item in items(node, report)? {
        let Some(written) = text(item, report) else { continue };
        match parse(written) {
            Ok(budget) => budgets.push((budget, item)),
            Err(message) => {
                report.add_with_help(&codes::BUDGET, &item.at, message, "write N per DURATION, such as 3 per 1h");
            }
        }
    }
    Some(budgets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_per_a_window() {
        for (text, max, secs) in [("3 per 1h", 3, 3600), ("  20   per 10m ", 20, 600), ("1 per 500ms", 1, 0)] {
            let budget = parse(text).expect(text);
            assert_eq!((budget.max, budget.per.as_secs()), (max, secs), "{text}");
        }
        assert_eq!(parse("3 per 60m").expect("valid").to_string(), "3 per 1h");
        for text in [
            "",
            "3",
            "3 per",
            "per 1h",
            "0 per 1h",
            "-1 per 1h",
            "+3 per 1h",
            "03 per 1h",
            "3 per 0s",
            "3 per 60",
            "3 a 1h",
            "3 per 1h 2",
            "3.5 per 1h",
            "3/1h",
            "99999999999 per 1h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
