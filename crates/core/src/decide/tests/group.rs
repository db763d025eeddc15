//! More than one container: replicas that are scaled, dependents that follow, and the loan that a scaling is.

use super::driver::{Story, story};
use crate::action::{Action, Dependents};
use crate::decide::{Ask, Call, Event, LoanDecision, LoanFacts, begin_return, return_loan};
use crate::guard::admit;
use crate::guard::ledger::Ledger;
use crate::remediation::loan::{Loan, LoanEnd, LoanState};
use crate::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::remediation::record::Record;
use crate::remediation::refusal::Guard;
use crate::rule::model::{Pattern, Rule, Step};
use crate::sight::{Container, Health, Status, Wanted};
use crate::surroundings::{Answer, AnswerKind};
use crate::testing::{at, container, firing, id, per, rule, secs};

fn replica(number: u32) -> Container {
    let digit = char::from_digit(number, 10).expect("one digit").to_string();
    Container { id: digit.repeat(64), name: format!("shop-web-{number}"), number: Some(number), ..container() }
}

fn scaling(action: Action) -> Rule {
    rule("r").climbing([Step::plain(action)])
}

fn with_replicas(rule: Rule, replicas: Vec<Container>) -> Story {
    let mut story = story(rule);
    story.docker.replicas = replicas;
    story
}

impl Story {
    fn running(&self) -> Vec<u32> {
        let running = self.docker.replicas.iter().filter(|it| it.status == Status::Running);
        running.filter_map(|it| it.number).collect()
    }

    fn loan(&self) -> Option<Loan> {
        self.records.iter().rev().find_map(|it| if let Record::Loan(loan) = it { Some((**loan).clone()) } else { None })
    }
}

#[test]
fn scaling_down_stops_the_highest_numbers_and_never_below_the_floor() {
    let down = |by, floor| scaling(Action::ScaleDown { by, floor });
    let three = || vec![replica(1), replica(2), replica(3)];
    for (by, floor, left) in [(1, 1, vec![1, 2]), (2, 1, vec![1]), (5, 2, vec![1, 2]), (9, 0, vec![])] {
        let mut story = with_replicas(down(by, floor), three());
        story.wake();
        assert_eq!(story.running(), left, "by {by}, floor {floor}");
    }
    let mut story = with_replicas(down(1, 3), three());
    story.wake();
    assert_eq!(
        (story.outcome(), story.audit()),
        (Some(Outcome::Refused), vec!["scale_down refused not_scalable".into()])
    );
    assert!(story.loan().is_none());
}

#[test]
fn scaling_up_starts_the_lowest_stopped_numbers_and_makes_none() {
    let up = scaling(Action::ScaleUp { by: 2, ceiling: 3 });
    let replicas = vec![replica(1), replica(2).exited(0), replica(3).exited(0), replica(4).exited(0)];
    let mut story = with_replicas(up.clone(), replicas);
    story.wake();
    assert_eq!(story.running(), [1, 2, 3]);
    let mut none = with_replicas(up, vec![replica(1)]);
    none.wake();
    assert_eq!(none.audit(), ["scale_up refused not_scalable"]);
}

#[test]
fn every_replica_must_permit_it() {
    let replicas = vec![replica(1), replica(2).unlabelled("fettle.enable")];
    let mut story = with_replicas(scaling(Action::ScaleDown { by: 1, floor: 1 }), replicas);
    story.wake();
    assert_eq!((story.audit(), story.docker.effects), (vec!["scale_down refused not_enabled".into()], 0));
}

#[test]
fn so_many_of_a_service_must_stay_well() {
    let mut rule = scaling(Action::ScaleDown { by: 1, floor: 1 });
    rule.target.min_healthy = 2;
    let mut story = with_replicas(rule, vec![replica(1), replica(2), replica(3).exited(1)]);
    story.wake();
    assert_eq!((story.blocked_by(), story.docker.effects), (Some(Guard::MinHealthy), 0));
    story.docker.replicas[2] = replica(3);
    story.run_to(10);
    assert_eq!(story.running(), [1, 2], "with a third one there is one to spare");
}

/// A restart counts the other containers of the service.
#[test]
fn a_container_that_is_well_is_restarted_while_enough_others_of_its_service_are_well() {
    let mut rule = rule("r");
    rule.target.min_healthy = 2;
    let restarted = |siblings_well, well: bool| {
        let mut story = story(rule.clone());
        story.docker.change(|it| Container {
            siblings_well,
            health: Some(if well { Health::Healthy } else { Health::Unhealthy }),
            ..it.being(Status::Running)
        });
        story.run_to(10);
        (story.blocked_by(), story.docker.effects)
    };
    assert_eq!(restarted(1, true), (Some(Guard::MinHealthy), 0));
    assert_eq!(restarted(2, true), (None, 1));
    assert_eq!(restarted(0, false), (None, 1), "it takes nothing away");
}

/// One turn of the shell about a loan.
fn turn(loan: Loan, story: &mut Story) -> (Loan, Vec<Record>) {
    let settings = story.settings.clone();
    let (mut loan, mut records, mut event, mut n) = (loan, Vec::new(), Event::Due, 9000);
    loop {
        n += 1;
        let facts = LoanFacts {
            alerts: &story.alerts,
            pauses: &story.surroundings.pauses,
            settings: &settings,
            now: story.now,
            new_id: id(n),
        };
        let LoanDecision { loan: next, records: rows, ask } = return_loan(loan, &facts, event);
        loan = next;
        records.extend(rows);
        event = match ask {
            Ask::Nothing => return (loan, records),
            Ask::Find(_) => Event::Found(story.docker.find(Wanted { replicas: true, ..Wanted::default() })),
            Ask::Look { pin, .. } => Event::Looked(story.docker.look(&pin).into()),
            Ask::Admit(request) => {
                let admitted = admit(&request, &[Ledger::default()]).expect("nothing else is at work");
                let (begun, rows) = begin_return(loan, admitted);
                loan = begun;
                records.extend(rows);
                let LoanState::Returning { attempt, .. } = &loan.state else { panic!("{:?}", loan.state) };
                let call: Call = story.docker.perform(&attempt.clone(), story.now).expect("alive");
                Event::Returned(call)
            }
            Ask::Peek(_) | Ask::Perform => panic!("a loan asks nobody"),
        };
    }
}

fn lent() -> (Story, Loan) {
    let mut story =
        with_replicas(scaling(Action::ScaleDown { by: 1, floor: 1 }), vec![replica(1), replica(2), replica(3)]);
    story.wake();
    let loan = story.loan().expect("lent with the intent");
    assert_eq!((loan.due(), loan.keys.len()), (Some(at(1800)), 2), "its own key and the stopped container's");
    (story, loan)
}

#[test]
fn a_loan_is_returned_when_the_alert_has_stayed_away_for_long_enough() {
    let (mut story, loan) = lent();
    story.now = at(1800);
    story.alerts[0].evidence_at = at(1800 - 600);
    let (loan, _) = turn(loan, &mut story);
    assert_eq!((loan.due(), story.running().len()), (Some(at(1860)), 2), "the alert fires still");
    story.alerts = vec![firing("A").resolved_at(1000)];
    let (loan, _) = turn(Loan { state: LoanState::Lent { until: at(1800) }, ..loan }, &mut story);
    assert_eq!(loan.due(), Some(at(2800)), "30 minutes from the resolve on");
    story.now = at(2800);
    let (loan, records) = turn(loan, &mut story);
    assert_eq!(story.running(), [1, 2, 3]);
    assert!(matches!(loan.state, LoanState::Closed { end: LoanEnd::Returned, .. }), "{:?}", loan.state);
    let row = records.iter().find_map(|it| if let Record::Action(row) = it { Some(row) } else { None }).expect("audit");
    assert_eq!((row.action, row.remediation_id, row.spends), ("restore", id(1), false));
    assert!(records.iter().any(|it| matches!(it, Record::Result(row) if row.result == ActionResult::Succeeded)));
}

#[test]
fn a_loan_whose_alert_ended_unheard_is_returned_unless_alertmanager_can_be_asked() {
    let (mut story, loan) = lent();
    story.now = at(1800);
    let (waiting, _) = turn(loan.clone(), &mut story);
    assert_eq!(waiting.due(), Some(at(600 + 1800)), "30 minutes from when the evidence was stale");
    story.now = at(2400);
    let (returned, _) = turn(waiting, &mut story);
    assert!(matches!(returned.state, LoanState::Closed { end: LoanEnd::Returned, .. }), "{:?}", returned.state);

    let (mut story, loan) = lent();
    story.settings.alertmanager = true;
    story.now = at(100_000);
    let (waiting, _) = turn(loan, &mut story);
    assert_eq!(waiting.due(), Some(at(100_060)), "only its answer ends the alert");
}

#[test]
fn somebody_who_changed_it_in_between_keeps_what_they_did() {
    let (mut story, loan) = lent();
    story.alerts = vec![firing("A").resolved_at(10)];
    story.now = at(5000);
    story.docker.replicas[2].status = Status::Running;
    let (loan, _) = turn(loan, &mut story);
    assert!(matches!(loan.state, LoanState::Closed { end: LoanEnd::Superseded, .. }), "{:?}", loan.state);
    assert_eq!(story.running(), [1, 2, 3]);
}

#[test]
fn a_pause_keeps_a_loan_where_it_is() {
    let (mut story, loan) = lent();
    story.alerts = vec![firing("A").resolved_at(10)];
    story.now = at(5000);
    story.surroundings.pauses = vec![crate::surroundings::Pause {
        id: id(1),
        scope: crate::surroundings::PauseScope::All,
        reason: "x".into(),
        by: "ann".into(),
        at: at(0),
        until: None,
    }];
    let (loan, _) = turn(loan, &mut story);
    assert_eq!((loan.due(), story.running().len()), (Some(at(5060)), 2));
}

#[test]
fn an_open_loan_of_another_remediation_refuses() {
    let mut story = story(rule("r"));
    story.surroundings.loans = vec![crate::surroundings::OpenLoan {
        id: id(8),
        remediation: id(9),
        target: "compose:local/shop/web".into(),
        detail: serde_json::json!({}),
        due_at: at(1800),
    }];
    story.wake();
    assert_eq!((story.audit(), story.docker.effects), (vec!["restart refused on_loan".into()], 0));
}

fn dependent(name: &str, digit: &str) -> Container {
    Container { id: digit.repeat(64), name: name.into(), ..container() }
}

fn with_dependents(allow: &[&str], dependents: Vec<Container>) -> Story {
    let allow = allow.iter().map(|&it| Pattern(it.into())).collect();
    let action = Action::Restart { grace: secs(10), dependents: Some(Dependents { allow }), start_stopped: false };
    let mut story = story(rule("r").climbing([Step::plain(action)]));
    story.docker.change(|it| Container { dependents, ..it });
    story
}

#[test]
fn dependents_follow_in_order_each_with_a_row_of_its_own() {
    let mut story = with_dependents(&["side-*"], vec![dependent("side-a", "b"), dependent("side-b", "c")]);
    story.wake();
    assert_eq!(story.audit(), ["restart succeeded", "restart succeeded", "restart succeeded"]);
    let targets: Vec<_> = story.actions().iter().map(|row| row.target.clone()).collect();
    assert_eq!(targets, ["container:local/web", "container:local/side-a", "container:local/side-b"]);
    assert_eq!(story.docker.effects, 3);
    story.alerts = vec![firing("A").resolved_at(10)];
    story.run_to(100);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Fixed; 3], Some(Outcome::Fixed)));
}

#[test]
fn a_cancel_is_a_verdict_on_the_dependents_too() {
    let mut story = with_dependents(&["side-*"], vec![dependent("side-a", "b")]);
    story.wake();
    let answer = Answer { id: id(900), kind: AnswerKind::Cancel, plan: None, by: "anna".into(), at: story.now };
    story.surroundings.answer = Some(answer);
    story.wake();
    assert_eq!(story.outcome(), Some(Outcome::Cancelled));
    assert_eq!(story.verdicts(), [Verdict::Superseded, Verdict::Superseded]);
}

#[test]
fn a_loan_is_not_asked_for_before_a_look_could_tell_that_it_began() {
    let mut step = Step::plain(Action::ScaleDown { by: 1, floor: 1 });
    step.restore = Some(secs(1));
    let mut story = with_replicas(rule("r").climbing([step]), vec![replica(1), replica(2)]);
    story.wake();
    assert_eq!(story.loan().and_then(|loan| loan.due()), Some(at(40)));
}

#[test]
fn one_dependent_that_may_not_be_touched_refuses_the_whole_step_before_anything_is_touched() {
    for (allow, dependents, guard) in [
        (&["side-a"][..], vec![dependent("side-a", "b"), dependent("other", "c")], "not_allowed"),
        (&["*"][..], vec![dependent("side-a", "b").unlabelled("fettle.enable")], "not_enabled"),
        (&["*"][..], vec![dependent("side-a", "b").labelled("com.docker.swarm.task.id", "q8x5")], "swarm_task"),
    ] {
        let mut story = with_dependents(allow, dependents);
        story.wake();
        assert_eq!((story.audit(), story.docker.effects), (vec![format!("restart refused {guard}")], 0));
    }
    let mut held = with_dependents(&["*"], vec![dependent("side-a", "b").labelled("fettle.hold", "x")]);
    held.wake();
    assert_eq!((held.blocked_by(), held.docker.effects), (Some(Guard::HeldByLabel), 0));
    let many = (0..9).map(|n| dependent("side-a", &n.to_string())).collect();
    let mut crowd = with_dependents(&["*"], many);
    crowd.wake();
    assert_eq!((crowd.audit(), crowd.docker.effects), (vec!["restart refused ambiguous_target".into()], 0));
}

#[test]
fn effects_at_once_need_room_in_the_shared_budgets_for_all_of_them() {
    let mut story = with_dependents(&["*"], vec![dependent("side-a", "b"), dependent("side-b", "c")]);
    story.settings.budget = vec![per(2, 600)];
    story.wake();
    assert_eq!((story.blocked_by(), story.docker.effects), (Some(Guard::Budget), 0));
}
