//! What is legal and probably a mistake: a rule that can be read, and that can never do what it says.
//!
//! Always holds: a lint judges values that were read already and reports only what is certain.

pub(super) mod fits;
pub(super) mod history;
pub(super) mod idle;
pub(super) mod never;
pub(super) mod other_machine;
pub(super) mod shadow;
