//! The calls, and how they are drawn.

use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use proptest::prelude::*;

/// One call, or what leads to a few. Numbers choose among what is there.
#[derive(Debug, Clone)]
pub enum Op {
    Append,
    TakeIn,
    Hear { service: usize, fires: bool },
    Open { service: usize, rule: usize, leased: bool, refused: bool },
    Wait { service: usize, target: usize },
    Claim { owner: usize, limit: u32 },
    Commit { claim: usize, next: Next, keep: bool, admit: Option<u32> },
    Release { owner: usize },
    Adopt { owner: usize },
    Answer { remediation: usize, kind: usize, plan: bool },
    Pause { scope: usize, length: i64 },
    Resume { pause: usize },
    Breaker { rule: usize, opens: bool },
    Reset { rule: usize },
    Announce { remediation: usize, name: usize, length: i64 },
    Deliver { loses: bool },
    ClaimLoans { owner: usize },
    Loan { claim: usize, next: usize, keep: bool, admit: bool },
    Late { action: usize },
    Storm { lasts: i64 },
    Again { limit: u32 },
    Ended { service: usize },
    Event,
    Prune { days: i64 },
}

/// Where a decision takes a remediation.
#[derive(Debug, Clone, Copy)]
pub enum Next {
    Held,
    Blocked(Guard),
    Awaiting,
    Running {
        lends: bool,
        dependent: bool,
    },
    Result(ActionResult),
    Closed(Outcome, Verdict),
    /// The result of an action that nobody intended.
    Nonsense,
}

fn next() -> impl Strategy<Value = Next> {
    use ActionResult::{Failed, Succeeded, Unknown};
    prop_oneof![
        2 => Just(Next::Held),
        1 => prop_oneof![Just(Guard::Paused), Just(Guard::Tripped)].prop_map(Next::Blocked),
        2 => Just(Next::Awaiting),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(lends, dependent)| Next::Running { lends, dependent }),
        3 => prop_oneof![Just(Succeeded), Just(Failed), Just(Unknown)].prop_map(Next::Result),
        6 => (0..Outcome::ALL.len(), 0..Verdict::ALL.len())
            .prop_map(|(outcome, verdict)| Next::Closed(Outcome::ALL[outcome], Verdict::ALL[verdict])),
        1 => Just(Next::Nonsense),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let any_of = || 0..8_usize;
    let flag = any::<bool>;
    prop_oneof![
        2 => Just(Op::Append),
        2 => Just(Op::TakeIn),
        5 => (any_of(), flag()).prop_map(|(service, fires)| Op::Hear { service, fires }),
        8 => (any_of(), any_of(), flag(), prop::bool::weighted(0.2)).prop_map(|(service, rule, leased, refused)| {
            Op::Open { service, rule, leased, refused }
        }),
        3 => (any_of(), any_of()).prop_map(|(service, target)| Op::Wait { service, target }),
        8 => (any_of(), 0..4_u32).prop_map(|(owner, limit)| Op::Claim { owner, limit }),
        16 => (any_of(), next(), flag(), prop::option::of(1..4_u32))
            .prop_map(|(claim, next, keep, admit)| Op::Commit { claim, next, keep, admit }),
        1 => any_of().prop_map(|owner| Op::Release { owner }),
        1 => any_of().prop_map(|owner| Op::Adopt { owner }),
        4 => (any_of(), any_of(), flag()).prop_map(|(remediation, kind, plan)| Op::Answer { remediation, kind, plan }),
        2 => (any_of(), 0..500_i64).prop_map(|(scope, length)| Op::Pause { scope, length }),
        2 => any_of().prop_map(|pause| Op::Resume { pause }),
        2 => (any_of(), flag()).prop_map(|(rule, opens)| Op::Breaker { rule, opens }),
        1 => any_of().prop_map(|rule| Op::Reset { rule }),
        4 => (any_of(), any_of(), 0..400_i64)
            .prop_map(|(remediation, name, length)| Op::Announce { remediation, name, length }),
        4 => flag().prop_map(|loses| Op::Deliver { loses }),
        6 => any_of().prop_map(|owner| Op::ClaimLoans { owner }),
        9 => (any_of(), any_of(), flag(), flag())
            .prop_map(|(claim, next, keep, admit)| Op::Loan { claim, next, keep, admit }),
        2 => any_of().prop_map(|action| Op::Late { action }),
        1 => (0..300_i64).prop_map(|lasts| Op::Storm { lasts }),
        4 => (0..4_u32).prop_map(|limit| Op::Again { limit }),
        1 => any_of().prop_map(|service| Op::Ended { service }),
        1 => Just(Op::Event),
        1 => (0..4_i64).prop_map(|days| Op::Prune { days }),
    ]
}

pub const SERVICES: [&str; 4] = ["a", "b", "c", "d\0"];
pub const RULES: [&str; 2] = ["web", "disk"];
