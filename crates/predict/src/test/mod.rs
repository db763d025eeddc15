//! Unit tests of rules, written beside them (`NAME.test.yaml`): declared containers, a timeline, and what is to come of it.
//!
//! ```yaml
//! rule_files: [arcanum.yaml]
//! tests:
//!   - name: a crashed service is restarted
//!     docker: {containers: [{name: arcanum, state: exited, exit_code: 1}]}
//!     timeline:
//!       - {at: 0m, firing: {alertname: ArcanumNeedsRestart, service: arcanum}}
//!       - {at: 1m, resolved: {alertname: ArcanumNeedsRestart, service: arcanum}}
//!     expect:
//!       - {at: 0m, action: restart, target: "container:local/arcanum", verdict: fixed}
//! ```
//!
//! Always holds: an action, a refusal, a block or a question to a person that is not expected fails the test; it ends when
//! nothing is open any more, so what comes late is seen too. A test depends on its own text and the rules it names, on nothing
//! else: not on the configuration, the machine or the time.

mod compare;
mod coverage;
mod declared;
mod docker;
mod inputs;
mod load;
mod model;
mod raw;
mod run;
pub mod show;
mod things;
mod wants;

pub use compare::{Difference, Line};
pub use coverage::Coverage;
pub use load::load;
pub use model::{Case, TestFile};
pub use raw::RawFile;
pub use run::{Outcome, run};

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
