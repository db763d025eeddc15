//! Every guard, in the order of the contract: what is known, what was seen, what is counted.

mod counted;
mod runs;
mod seen;
