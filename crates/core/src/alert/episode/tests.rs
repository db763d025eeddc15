//! Every trap of repeats, stale bodies and moved times, as a table and as a property.

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("in range")
}

fn firing(starts: i64) -> Word {
    Word::Firing { starts_at: at(starts) }
}

fn resolved(starts: i64, ends: i64) -> Word {
    Word::Resolved { starts_at: at(starts), ends_at: at(ends) }
}

fn fired(starts: i64, received: i64) -> AlertState {
    let labels = Labels::from_iter([("alertname", "A")]);
    AlertState::first(Fingerprint::of(&labels), labels, firing(starts), at(received)).0
}

#[test]
fn repeats_and_ha_duplicates_continue_the_episode_and_renew_the_evidence() {
    let mut alert = fired(0, 10);
    assert_eq!(alert.hear(firing(0), at(10), None), Heard::Continued);
    assert_eq!(alert.hear(firing(-600), at(40), None), Heard::Continued, "another source knew it earlier");
    assert_eq!(alert.hear(firing(0), at(70), None), Heard::Continued, "the first source again");
    assert_eq!((alert.episode, alert.first_at, alert.evidence_at), (1, at(10), at(70)));
}

#[test]
fn a_start_beyond_the_drift_tells_of_a_missed_resolve() {
    let mut alert = fired(0, 10);
    assert_eq!(alert.hear(firing(300), at(310), None), Heard::Continued);
    assert_eq!(alert.hear(firing(601), at(610), None), Heard::Began);
    assert_eq!((alert.episode, alert.first_at), (2, at(610)));
}

#[test]
fn a_resolve_ends_and_a_later_start_begins_anew() {
    let mut alert = fired(0, 10);
    assert_eq!(alert.hear(resolved(0, 50), at(60), None), Heard::Ended);
    assert_eq!(alert.hear(resolved(0, 50), at(65), None), Heard::Stale, "re-sent for 15 minutes");
    assert_eq!(alert.hear(firing(51), at(70), None), Heard::Began);
    assert_eq!((alert.episode, alert.firing, alert.ended_at), (2, true, None));
}

#[test]
fn an_old_resolve_does_not_end_the_new_episode() {
    let mut alert = fired(0, 10);
    alert.hear(resolved(0, 50), at(60), None);
    alert.hear(firing(100), at(101), None);
    assert_eq!(alert.hear(resolved(0, 50), at(110), None), Heard::Stale);
    assert!(alert.firing);
}

#[test]
fn a_stale_firing_body_begins_nothing_and_is_no_evidence() {
    let mut alert = fired(0, 10);
    alert.hear(resolved(0, 50), at(60), None);
    assert_eq!(alert.hear(firing(0), at(90), None), Heard::Stale);
    assert_eq!((alert.firing, alert.evidence_at), (false, at(10)));
}

#[test]
fn an_alert_that_returns_with_its_old_start_is_believed_once_no_retry_can_explain_it() {
    let mut alert = fired(0, 10);
    alert.hear(resolved(0, 50), at(60), None);
    assert_eq!(alert.hear(firing(0), at(660), None), Heard::Stale);
    assert_eq!(alert.hear(firing(0), at(661), None), Heard::Began);
}

#[test]
fn a_firing_body_after_its_own_resolve_is_stale() {
    let labels = Labels::from_iter([("alertname", "A")]);
    let (mut alert, heard) = AlertState::first(Fingerprint::of(&labels), labels, resolved(0, 50), at(60));
    assert_eq!((heard, alert.firing), (Heard::Stale, false));
    assert_eq!(alert.hear(firing(0), at(61), None), Heard::Stale);
}

#[test]
fn a_start_in_the_far_future_does_not_make_the_alert_immortal() {
    let mut alert = fired(1_000_000_000, 10);
    assert_eq!(alert.starts_at, at(10));
    assert_eq!(alert.hear(resolved(0, 50), at(60), None), Heard::Ended);
    assert_eq!(alert.hear(resolved(0, 2_000_000_000), at(61), None), Heard::Stale);
    assert_eq!(alert.hear(firing(62), at(63), None), Heard::Began);
}

#[test]
fn a_body_received_earlier_but_read_later_changes_nothing() {
    let mut alert = fired(0, 10);
    alert.hear(resolved(0, 50), at(60), None);
    let before = alert.clone();
    assert_eq!(alert.hear(firing(55), at(59), None), Heard::Stale);
    assert_eq!(alert, before);
}

proptest! {
    #[test]
    fn episodes_never_go_back_and_evidence_never_precedes_the_episode(
        words in proptest::collection::vec((any::<bool>(), -2000i64..4000, 0i64..900, 0i64..400), 1..60)
    ) {
        let mut now = 5000;
        let mut alert = fired(0, now);
        for (fires, starts, lasts, pause) in words {
            now += pause;
            let before = alert.clone();
            let word = if fires { firing(starts) } else { resolved(starts, starts + lasts) };
            let heard = alert.hear(word, at(now), None);
            prop_assert_eq!(alert.episode, before.episode + i64::from(heard == Heard::Began));
            prop_assert!(alert.evidence_at >= alert.first_at);
            prop_assert_eq!(alert.firing, alert.ended_at.is_none());
            prop_assert!(alert.starts_at <= at(now));
            prop_assert_eq!(alert.evidence_at == at(now), heard == Heard::Began || heard == Heard::Continued || before.evidence_at == at(now));
        }
    }
}
