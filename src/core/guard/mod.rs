//! Guards: the reasons not to act now, in one visible order, cheapest first and the budget last.

pub mod ledger;
