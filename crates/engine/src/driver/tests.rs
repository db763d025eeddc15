//! The shipped driver on a paused clock, over a store and a platform that follow a script: what it does when its process
//! stood still, when its claim is lost, and when a result cannot be stored.

use std::sync::Arc;

use super::*;
use crate::lease::{INTENT_FRESH, PAUSE_MAX};
use crate::testing::script::{Play, Plot, Script, lent, opened};
use fettle_core::action::Action;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::record::ResultRow;

const INSTANT: Duration = Duration::from_micros(1);

/// Drives `effort` once.
async fn play<T: Driven>(plot: Plot, effort: T) -> (Result<Option<Stored>, StoreError>, Arc<Play>) {
    let Script { shell, play } = Script::of(plot);
    let claim = Claim { id: Effort::id(&effort), owner: shell.owner, version: 1, wakes: 0 };
    let item = Item { claimed: Claimed { claim, effort }, heard: None };
    (drive(&shell, item, Place::default()).await, play)
}

fn results(records: &[Record]) -> Vec<&ResultRow> {
    records.iter().filter_map(|it| if let Record::Result(row) = it { Some(row) } else { None }).collect()
}

/// The process stands still for `length` between its intent and its call: the calls, and the stored result.
async fn still_before_the_call<T: Driven>(effort: T, length: Duration) -> (usize, ActionResult, Option<String>) {
    let (done, play) = play(Plot { after_the_intent: length, ..Plot::default() }, effort).await;
    done.expect("the store answers").expect("still claimed");
    let records = play.records();
    let [result] = results(&records)[..] else { panic!("one result: {records:?}") };
    (play.calls(), result.result, result.reason.clone())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_an_intent_that_is_not_fresh() {
    let sent = (1, ActionResult::Succeeded, None);
    let not_sent = (0, ActionResult::Failed, Some("lease_lost".to_owned()));
    assert_eq!(still_before_the_call(opened(), INTENT_FRESH).await, sent, "fresh to its last instant");
    assert_eq!(still_before_the_call(opened(), INTENT_FRESH + INSTANT).await, not_sent);
    assert_eq!(still_before_the_call(lent(), INTENT_FRESH).await, sent, "fresh to its last instant");
    assert_eq!(still_before_the_call(lent(), INTENT_FRESH + INSTANT).await, not_sent);
}

/// The process stands still for `length` before it gets the budgets' lock: whether the driver came to its end, the calls, and
/// the commits.
async fn still_before_the_lock<T: Driven>(effort: T, length: Duration) -> (bool, usize, usize) {
    let (done, play) = play(Plot { before_the_lock: length, ..Plot::default() }, effort).await;
    (done.expect("the store answers").is_some(), play.calls(), play.commits())
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_is_asked_too_late_abandons_and_nothing_is_stored() {
    let late = DECISION_LEASE + INSTANT;
    assert_eq!(still_before_the_lock(opened(), DECISION_LEASE).await, (true, 1, 2), "in time to its last instant");
    assert_eq!(still_before_the_lock(opened(), late).await, (false, 0, 0));
    assert_eq!(still_before_the_lock(lent(), DECISION_LEASE).await, (true, 1, 2), "in time to its last instant");
    assert_eq!(still_before_the_lock(lent(), late).await, (false, 0, 0));
}

/// The process stands still for `length` while it decides to do nothing: whether the driver came to its end, and the commits.
async fn still_in_a_look<T: Driven>(effort: T, length: Duration) -> (bool, usize) {
    let (done, play) = play(Plot { in_a_vain_look: Some(length), ..Plot::default() }, effort).await;
    (done.expect("the store answers").is_some(), play.commits())
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_took_longer_than_its_claim_is_not_stored() {
    let late = DECISION_LEASE + INSTANT;
    assert_eq!(still_in_a_look(opened(), DECISION_LEASE).await, (true, 1), "in time to its last instant");
    assert_eq!(still_in_a_look(opened(), late).await, (false, 0));
    assert_eq!(still_in_a_look(lent(), DECISION_LEASE).await, (true, 1), "in time to its last instant");
    assert_eq!(still_in_a_look(lent(), late).await, (false, 0));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_lock_makes_no_intent_old() {
    assert_eq!(still_before_the_lock(opened(), INTENT_FRESH * 2).await, (true, 1, 2));
    assert_eq!(still_before_the_lock(lent(), INTENT_FRESH * 2).await, (true, 1, 2));
}

/// The store is away for `length` from the call on: whether the driver came to its end, the calls, and the stored results.
async fn away_after_the_call<T: Driven>(effort: T, length: Duration) -> (bool, usize, usize) {
    let (done, play) = play(Plot { away_after_the_call: length, ..Plot::default() }, effort).await;
    (done.is_ok(), play.calls(), results(&play.records()).len())
}

#[tokio::test(start_paused = true)]
async fn a_result_is_stored_again_for_as_long_as_the_lease_lasts() {
    let (restart, restore) = (call_lease(&fettle_core::testing::restart().action), call_lease(&Action::Restore));
    assert_eq!(away_after_the_call(opened(), restart.saturating_sub(PAUSE_MAX)).await, (true, 1, 1));
    assert_eq!(away_after_the_call(opened(), restart + PAUSE_MAX).await, (false, 1, 0), "then a look finds the truth");
    assert_eq!(away_after_the_call(lent(), restore.saturating_sub(PAUSE_MAX)).await, (true, 1, 1));
    assert_eq!(away_after_the_call(lent(), restore + PAUSE_MAX).await, (false, 1, 0), "then a look finds the truth");
}

/// Another process takes the effort over during the call: whether the driver stored its result, and the reports of a late
/// call.
async fn taken_over<T: Driven>(effort: T) -> (bool, usize) {
    let (done, play) = play(Plot { taken_over: true, ..Plot::default() }, effort).await;
    (done.expect("the store answers").is_some(), play.late())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_others_gave_up_is_reported_late() {
    assert_eq!(taken_over(opened()).await, (false, 1));
    assert_eq!(taken_over(lent()).await, (false, 1));
}
