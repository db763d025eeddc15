//! Which notification begins something, and which is an echo.

use super::shelf::{Shelf, fires, resolves, shelf};
use crate::receive::Standing;
use crate::remediation::outcome::Outcome;
use crate::remediation::state::State;
use crate::testing::{at, escalate, restart, rule};

fn opened(shelf: &Shelf) -> Vec<i64> {
    shelf.opened.iter().map(|it| it.3).collect()
}

#[test]
fn each_alert_of_a_group_is_taken_by_itself() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[resolves("A", 0, 5), fires("B", 0)]);
    assert_eq!(
        (shelf.opened.len(), shelf.stands("A", "r"), shelf.stands("B", "r")),
        (1, None, Some((Standing::Attached, 1)))
    );
}

#[test]
fn repeats_retries_and_copies_of_a_peer_open_nothing_more() {
    let mut shelf = shelf([rule("r")]);
    let body = [fires("A", 0)];
    let copies = [shelf.notice(at(10), &body), shelf.notice(at(10), &body)];
    shelf.take(&copies).hears(10, &body).hears(20, &body).hears(4000, &body);
    assert_eq!((opened(&shelf), shelf.refused().len(), shelf.told()), (vec![1], 0, vec!["held opened".to_owned()]));
}

#[test]
fn a_start_that_moves_is_the_same_episode_and_one_beyond_the_drift_is_another() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0)]).hears(20, &[fires("A", -500)]).hears(310, &[fires("A", 300)]);
    assert_eq!(shelf.stands("A", "r"), Some((Standing::Attached, 1)));
    shelf.closes(400, "r", Outcome::Escalated).hears(410, &[fires("A", 300)]);
    assert_eq!(opened(&shelf), [1], "the episode is spent");
    shelf.hears(620, &[fires("A", 601)]);
    assert_eq!(opened(&shelf), [1, 2], "the resolve between the two was lost");
}

#[test]
fn a_stale_firing_body_after_the_resolve_opens_nothing() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0)]).hears(60, &[resolves("A", 0, 50)]).closes(61, "r", Outcome::Cancelled);
    shelf.hears(70, &[fires("A", 0)]);
    assert_eq!(opened(&shelf), [1]);
    shelf.hears(80, &[fires("A", 51)]);
    assert_eq!(opened(&shelf), [1, 2]);
}

#[test]
fn a_resolve_wakes_what_is_attached_once_and_again_it_wakes_nobody() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0)]);
    let copies = [shelf.notice(at(60), &[resolves("A", 0, 50)]), shelf.notice(at(60), &[resolves("A", 0, 50)])];
    shelf.take(&copies).hears(120, &[resolves("A", 0, 50)]);
    assert_eq!(shelf.woken, [shelf.remediations[0].id]);
}

#[test]
fn fired_and_resolved_in_one_batch_is_opened_and_woken() {
    let mut shelf = shelf([rule("r")]);
    let batch = [shelf.notice(at(10), &[fires("A", 0)]), shelf.notice(at(40), &[resolves("A", 0, 35)])];
    shelf.take(&batch);
    assert_eq!((opened(&shelf), &shelf.woken), (vec![1], &vec![shelf.remediations[0].id]));
}

#[test]
fn an_alert_that_fires_again_while_its_effort_goes_on_belongs_to_it() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0)]).hears(60, &[resolves("A", 0, 50)]).hears(90, &[fires("A", 80)]);
    assert_eq!((opened(&shelf), shelf.stands("A", "r")), (vec![1], Some((Standing::Attached, 2))));
    shelf.closes(100, "r", Outcome::Escalated).hears(110, &[fires("A", 80)]);
    assert_eq!(opened(&shelf), [1], "and its second episode is spent with it");
}

#[test]
fn what_was_expired_or_superseded_is_opened_again_by_the_next_body_and_nothing_else_is() {
    for &outcome in Outcome::ALL {
        let mut shelf = shelf([rule("r")]);
        shelf
            .hears(10, &[fires("A", 0)])
            .closes(20, "r", outcome)
            .hears(30, &[fires("A", 0)])
            .hears(31, &[fires("A", 0)]);
        let again = matches!(outcome, Outcome::Expired | Outcome::Superseded);
        assert_eq!(shelf.opened.len(), if again { 2 } else { 1 }, "{outcome}");
    }
}

#[test]
fn the_hold_counts_from_the_first_body_of_the_episode() {
    let mut shelf = shelf([rule("r").holding(30)]);
    shelf.hears(10, &[fires("A", -500)]);
    assert_eq!(shelf.remediations[0].state, State::Held { until: at(40) });
    shelf.closes(12, "r", Outcome::Superseded).hears(20, &[fires("A", -500)]);
    assert_eq!(shelf.remediations[1].state, State::Held { until: at(40) });
    shelf.closes(50, "r", Outcome::Expired).hears(99, &[fires("A", -500)]);
    assert_eq!(shelf.remediations[2].state, State::Held { until: at(99) });
}

#[test]
fn a_fix_that_comes_back_inside_the_window_resumes_one_rung_up() {
    let mut shelf = shelf([rule("r").climbing([restart(), restart(), escalate("x")])]);
    let comes_back = |shelf: &mut Shelf, start: i64| {
        shelf.hears(start + 5, &[fires("A", start)]).hears(start + 50, &[resolves("A", start, start + 40)]);
        shelf.closes(start + 60, "r", Outcome::Fixed);
    };
    for (start, rung, regressed) in [(0, 0, 0), (100, 1, 1), (200, 0, 2), (5000, 0, 2)] {
        comes_back(&mut shelf, start);
        let last = shelf.remediations.last().expect("opened");
        assert_eq!((last.rung, shelf.regressed()), (rung, regressed), "from {start}");
    }
}

#[test]
fn that_a_fix_came_back_is_told_once_however_often_the_next_effort_begins_anew() {
    let mut shelf = shelf([rule("r").climbing([restart(), restart()])]);
    shelf.hears(5, &[fires("A", 0)]).hears(50, &[resolves("A", 0, 40)]).closes(60, "r", Outcome::Fixed);
    shelf.hears(105, &[fires("A", 100)]).closes(200, "r", Outcome::Expired).hears(205, &[fires("A", 100)]);
    let rungs: Vec<usize> = shelf.remediations.iter().map(|it| it.rung).collect();
    assert_eq!((rungs, shelf.regressed()), (vec![0, 1, 1], 1), "it still resumes after the rung that had fixed it");
}

#[test]
fn a_rule_that_comes_back_takes_up_what_its_removal_had_ended() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(5, &[fires("A", 0)]);
    let rules = std::mem::take(&mut shelf.rules);
    // What `decide` closes with when the rule is gone and nothing was tried.
    shelf.closes(60, "r", Outcome::Superseded).hears(65, &[fires("A", 0)]);
    assert_eq!(opened(&shelf), [1], "no rule selects it");
    shelf.rules = rules;
    shelf.hears(125, &[fires("A", 0)]);
    assert_eq!((opened(&shelf), shelf.stands("A", "r")), (vec![1, 1], Some((Standing::Attached, 1))));
}

#[test]
fn another_rules_fix_is_no_regress() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(5, &[fires("A", 0)]).hears(50, &[resolves("A", 0, 40)]).closes(60, "r", Outcome::Fixed);
    shelf.rules = vec![std::sync::Arc::new(rule("s"))];
    shelf.hears(100, &[fires("A", 90)]);
    assert_eq!((shelf.by_rule()["s"], shelf.regressed()), (1, 0));
}

#[test]
fn what_somebody_else_has_taken_is_left_to_them() {
    let mut shelf = shelf([rule("r")]);
    let mine = shelf.notice(at(10), &[fires("A", 0)]);
    let theirs = shelf.notice(at(10), &[fires("B", 0), resolves("A", 0, 9)]);
    shelf.world.taken = mine.notification.into_iter().collect();
    shelf.take_as_it_is(&[theirs, mine]);
    assert_eq!((opened(&shelf), shelf.stands("B", "r")), (vec![1], None));
}

#[test]
fn a_rule_loaded_later_takes_up_an_alert_that_fires_on() {
    let mut shelf = shelf([]);
    shelf.hears(10, &[fires("A", 0)]);
    shelf.rules.push(std::sync::Arc::new(rule("r").holding(30)));
    shelf.hears(100, &[fires("A", 0)]);
    assert_eq!(shelf.remediations[0].state, State::Held { until: at(100) });
}
