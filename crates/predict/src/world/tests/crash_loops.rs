//! Containers that their restart policy starts again and again, under the limits that ship: each ends `not_fixed` and
//! `escalated` within the time of its ladder, whatever the period and the policy.

use super::*;
use fettle_core::settings::StormLimit;
use fettle_memory::physics::{Life, Policy, Program};

/// Settings as they ship.
fn shipped() -> Settings {
    Settings { storm: Some(StormLimit::default()), trip: Some(TripLimit::default()), ..settings() }
}

/// What becomes of an alert, repeated each minute, about a container that ends `period` after each start.
fn outcome(period: u64, policy: Policy, hold: u64) -> Vec<String> {
    let rule = format!("    hold: {hold}s\n    steps: [restart]\n");
    live_with(&rule, shipped(), true, async |mut world, rig| {
        rig.host.with(|world, now| {
            let program = Program::of(Life::ends(secs(period), 1));
            world.daemon.run(Spec::named("looping").enabled().policy(policy).runs(program), now)
        });
        let mut lines = Vec::new();
        for second in (5..=1000).step_by(60) {
            let labels = Labels::from_iter([("alertname", "Down"), ("service", "looping")]);
            let fingerprint = Fingerprint::of(&labels);
            let alert = Alert { fingerprint, labels, firing: true, starts_at: at(5), ends_at: None };
            lines.extend(told(&world, second).await);
            world.deliver(at(second), vec![alert]).await;
            if lines.iter().any(|line| line.contains(" closed ")) {
                break;
            }
        }
        lines
    })
}

#[test]
fn a_crash_loop_of_any_period_and_policy_is_not_fixed_and_escalated() {
    let policies = [Policy::Always, Policy::UnlessStopped, Policy::OnFailure { max: None }];
    for period in 1..=60 {
        let policy = policies[usize::try_from(period).expect("small") % policies.len()];
        for hold in [0, 20] {
            let lines = outcome(period, policy, hold);
            let ends: Vec<&str> = lines.iter().filter_map(|line| line.split_once(" looping ")).map(|it| it.1).collect();
            let expected = ["opened", "restart 1", "succeeded", "not_fixed", "event escalated", "closed escalated"];
            let kept: Vec<&&str> = ends.iter().filter(|it| !it.starts_with("escalated ")).collect();
            assert_eq!(kept, expected.iter().collect::<Vec<_>>(), "{period} s, {policy:?}, hold {hold} s: {lines:#?}");
            let why = lines.iter().find(|line| line.contains(" escalated does not stay up: restarted by Docker "));
            assert!(why.is_some(), "{period} s, {policy:?}, hold {hold} s: {lines:#?}");
            // The hold, the call, `resolved_within`, and `healthy_for` once.
            let end: u64 = lines.last().and_then(|line| line.split(' ').next()?.parse().ok()).expect("an instant");
            assert!(end <= 5 + hold + 2 + 600 + 30, "{period} s, {policy:?}, hold {hold} s: {lines:#?}");
        }
    }
}
