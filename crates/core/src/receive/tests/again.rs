//! Episodes whose remediation had no effect: what decides them again, and what leaves nothing on record.

use std::sync::Arc;

use super::shelf::{Shelf, fires, shelf};
use crate::decide::Reconsidered;
use crate::receive::{LOOK_LEAST, Standing};
use crate::remediation::conclusion::{Came, Conclusion};
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::rule::model::{Find, Rule, Word};
use crate::testing::{at, rule};
use crate::time::after;

const STOPPED: Came = Came::Refused { guard: Guard::Stopped };

fn opened(shelf: &Shelf) -> Vec<i64> {
    shelf.opened.iter().map(|it| it.3).collect()
}

/// The alert fires and its remediation is refused.
fn refused(rule: Rule) -> Shelf {
    let mut shelf = shelf([rule]);
    shelf.hears(10, &[fires("A", 0)]).comes_to(20, "r", Outcome::Refused, STOPPED);
    shelf
}

#[test]
fn a_start_after_the_last_close_is_another_episode_however_small_the_drift() {
    for came in [Some(STOPPED), None] {
        let mut shelf = shelf([rule("r")]);
        shelf.hears(10, &[fires("A", 0)]);
        match came {
            Some(came) => shelf.comes_to(20, "r", Outcome::Refused, came),
            None => shelf.closes(20, "r", Outcome::Escalated),
        };
        shelf.hears(30, &[fires("A", 20)]);
        assert_eq!(opened(&shelf), [1], "it began when the other one ended");
        shelf.hears(40, &[fires("A", 21)]).hears(41, &[fires("A", 21)]);
        assert_eq!(opened(&shelf), [1, 2], "its end was never heard");
    }
}

#[test]
fn a_start_in_the_future_shows_no_end_in_between() {
    let mut shelf = refused(rule("r"));
    shelf.hears(30, &[fires("A", 90)]).hears(60, &[fires("A", 90)]).hears(700, &[fires("A", 9000)]);
    assert_eq!(opened(&shelf), [1]);
}

#[test]
fn a_repeat_of_what_was_refused_has_its_target_looked_at_once_in_a_while() {
    let mut shelf = refused(rule("r"));
    assert_eq!(shelf.candidate("A", "r").again_at, Some(at(320)), "after recheck, without a word");
    shelf.hears(25, &[fires("A", 0)]);
    let soon = after(at(20), LOOK_LEAST);
    assert_eq!(shelf.candidate("A", "r").again_at, Some(soon));
    shelf.hears(26, &[fires("A", 0)]).hears(200, &[fires("A", 0)]);
    assert_eq!((shelf.candidate("A", "r").again_at, opened(&shelf)), (Some(soon), vec![1]));
}

#[test]
fn the_same_answer_records_nothing_and_another_one_opens_one_remediation() {
    let mut shelf = refused(rule("r"));
    let before = (shelf.records.len(), shelf.remediations.len());
    let known = shelf.candidate("A", "r").conclusion.clone().expect("a conclusion");
    let same = Reconsidered::Same(Conclusion { looked_at: at(320), ..known });
    for second in [320, 620, 920] {
        shelf.finds(second, "A", "r", &same).finds(second, "A", "r", &Reconsidered::Unknown);
    }
    assert_eq!((shelf.records.len(), shelf.remediations.len()), before);
    assert_eq!(shelf.candidate("A", "r").conclusion.as_ref().map(|it| it.looked_at), Some(at(320)));
    shelf.finds(930, "A", "r", &Reconsidered::Differs);
    assert_eq!((opened(&shelf), shelf.stands("A", "r")), (vec![1, 1], Some((Standing::Attached, 1))));
}

#[test]
fn a_finding_about_an_earlier_remediation_changes_nothing() {
    let mut shelf = refused(rule("r"));
    let of = shelf.candidate("A", "r").remediation;
    shelf.finds(320, "A", "r", &Reconsidered::Differs).comes_to(330, "r", Outcome::Refused, STOPPED);
    shelf.world.candidates.values_mut().flatten().for_each(|it| {
        assert_ne!(it.remediation, of);
        it.remediation = of;
    });
    let mut late = shelf.clone();
    late.finds(340, "A", "r", &Reconsidered::Differs);
    assert_eq!(opened(&late), [1, 1, 1], "about this one");
    shelf.world.candidates.values_mut().flatten().for_each(|it| it.conclusion = None);
    shelf.finds(340, "A", "r", &Reconsidered::Differs);
    assert_eq!(opened(&shelf), [1, 1], "an effect spends the episode");
}

#[test]
fn a_repeat_is_decided_at_once_by_another_rule_of_the_same_name() {
    for came in [STOPPED, Came::Declined, Came::Observed] {
        let mut shelf = shelf([rule("r")]);
        shelf.hears(10, &[fires("A", 0)]).comes_to(20, "r", Outcome::Refused, came);
        let moved = Rule { source: "elsewhere.yaml:7".to_owned(), ..rule("r") };
        shelf.rules = vec![Arc::new(moved)];
        shelf.hears(30, &[fires("A", 0)]);
        assert_eq!(opened(&shelf), [1], "the same rule, written elsewhere");
        shelf.rules = vec![Arc::new(rule("r").holding(5))];
        shelf.hears(40, &[fires("A", 0)]).hears(41, &[fires("A", 0)]);
        assert_eq!(opened(&shelf), [1, 1], "{came:?}");
    }
}

#[test]
fn what_nobody_answered_is_asked_again_when_it_is_time_and_not_by_a_repeat() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0)]).comes_to(20, "r", Outcome::Expired, Came::Unanswered);
    shelf.hears(30, &[fires("A", 0)]).hears(90, &[fires("A", 0)]);
    assert_eq!(opened(&shelf), [1]);
    let known = shelf.candidate("A", "r").conclusion.clone().expect("a conclusion");
    // Looked at because of the repeat; whoever takes it moves the next time by `recheck`.
    shelf.world.candidates.values_mut().flatten().for_each(|it| it.again_at = Some(at(390)));
    shelf.finds(90, "A", "r", &Reconsidered::Same(Conclusion { looked_at: at(90), ..known }));
    assert_eq!(shelf.candidate("A", "r").again_at, Some(at(320)));
}

#[test]
fn a_name_that_is_none_is_refused_once_and_decided_again_by_another_rule() {
    let mut nameless = rule("r").allowing(&["*"]);
    nameless.target.find = Find::Container(Word::Label("container".into()));
    let mut shelf = shelf([nameless]);
    for second in [10, 20, 400, 14_410] {
        shelf.hears(second, &[fires("A", 0)]);
    }
    assert_eq!((shelf.remediations.len(), shelf.refused()), (1, vec!["r no_target".to_owned()]));
    shelf.rules = vec![Arc::new(rule("r"))];
    shelf.hears(14_420, &[fires("A", 0)]);
    assert_eq!((shelf.remediations.len(), shelf.stands("A", "r")), (2, Some((Standing::Attached, 1))));
}
