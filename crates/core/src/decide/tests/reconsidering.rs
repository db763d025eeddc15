//! Whether what closed without an effect is decided again.

use super::docker::Restarts;
use super::driver::{Story, story};
use crate::decide::{Event, Facts, IDS, Reconsider, Reconsidered, Reconsidering};
use crate::id::RemediationId;
use crate::remediation::conclusion::Came;
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::remediation::state::Remediation;
use crate::rule::model::{Approval, Mode, Rule, Step};
use crate::sight::Container;
use crate::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use crate::testing::{at, container, id, restart, rule, secs};

type Change = fn(&mut Story);

fn pause() -> Pause {
    Pause { id: id(5), scope: PauseScope::All, reason: "work".into(), by: "ann".into(), at: at(1), until: None }
}

impl Story {
    /// Reconsiders what its remediation came to; keeps the conclusion, where it is the same.
    fn reconsider(&mut self) -> Reconsidered {
        let left = self.remediation.left.clone().expect("it closed without an effect");
        let closed = &self.remediation;
        let (rule, target) = (&*closed.rule, closed.target.clone());
        let fresh = Remediation::new(RemediationId::nil(), rule, target, closed.alert.clone(), self.now);
        let closed_at = closed.closed_at().expect("closed");
        let question = Reconsider { fresh: &fresh, conclusion: &left.conclusion, closed_at };
        let facts = Facts {
            rule: self.rule.as_ref(),
            settings: &self.settings,
            alerts: &self.alerts,
            surroundings: &self.surroundings,
            now: self.now,
            new_ids: [id(9); IDS],
        };
        let mut event = Event::Due;
        let found = loop {
            match question.step(&facts, event) {
                Reconsidering::Done(found) => break found,
                Reconsidering::Find(wanted) => event = Event::Found(self.docker.find(wanted)),
            }
        };
        if let (Reconsidered::Same(now), Some(left)) = (&found, &mut self.remediation.left) {
            left.conclusion = now.clone();
        }
        found
    }

    /// Whether the answer is the same.
    fn is_same(&mut self) -> bool {
        self.repeat();
        matches!(self.reconsider(), Reconsidered::Same(_))
    }

    fn differs(&mut self) -> bool {
        self.repeat();
        self.reconsider() == Reconsidered::Differs
    }
}

/// Its container was stopped by a person, so its remediation is refused.
fn refused() -> Story {
    let mut story = story(rule("r"));
    story.docker.container = Some(stopped(container()));
    story.run_to(0);
    assert_eq!((story.outcome(), story.remediation.reason()), (Some(Outcome::Refused), Some("stopped")));
    story
}

fn stopped(it: Container) -> Container {
    Container { stopped_by_hand: Some(true), ..it.exited(143) }
}

#[test]
fn the_same_refusal_of_the_same_run_is_the_same_answer_for_ever() {
    let mut story = refused();
    for second in [1, 300, 86_400] {
        story.run_to(second);
        assert!(story.is_same(), "at {second}");
    }
    assert_eq!((story.docker.effects, story.actions().len()), (0, 1), "nothing is done or written by asking");
}

#[test]
fn another_run_another_guard_and_another_rule_are_another_answer() {
    let changes: [(&str, Change); 6] = [
        ("started and crashed", |story| story.docker.change(|it| it.restarted_at(50).exited(1))),
        ("stopped once more", |story| story.docker.change(|it| stopped(it.restarted_at(50)))),
        ("recreated", |story| story.docker.change(|it| stopped(it.remade("b")))),
        ("no permission any more", |story| story.docker.change(|it| it.unlabelled("fettle.enable"))),
        ("removed", |story| story.docker.container = None),
        ("another rule", |story| story.rule = Some(rule("r").cooling(1))),
    ];
    for (what, change) in changes {
        let mut story = refused();
        story.run_to(60);
        change(&mut story);
        assert!(story.differs(), "{what}");
    }
}

#[test]
fn a_run_that_the_restart_policy_began_is_the_same_answer() {
    let mut story = story(rule("r"));
    story.docker.change(|it| it.unlabelled("fettle.enable"));
    story.run_to(0);
    assert_eq!(story.remediation.reason(), Some("not_enabled"));
    for second in [30, 60, 90] {
        story.run_to(second).docker.change(|it| it.crashed_at(second));
        assert!(story.is_same(), "at {second}");
    }
    story.run_to(100).docker.change(|it| it.restarted_at(100));
    assert!(story.differs(), "a person began it");
}

#[test]
fn what_cannot_be_known_now_is_no_answer() {
    let unknown: [(&str, Change); 3] = [
        ("Docker away", |story| story.docker.reachable = false),
        ("paused", |story| story.surroundings.pauses = vec![pause()]),
        ("resolved", |story| story.alerts[0].firing = false),
    ];
    for (what, change) in unknown {
        let mut story = refused();
        story.run_to(60).docker.change(|it| it.restarted_at(50).exited(1));
        change(&mut story);
        assert_eq!(story.reconsider(), Reconsidered::Unknown, "{what}");
    }
    let mut old = refused();
    old.docker.change(|it| it.restarted_at(50).exited(1));
    old.run_to(601);
    assert_eq!(old.reconsider(), Reconsidered::Unknown, "the evidence is too old");
    assert!(old.differs(), "heard again");
}

#[test]
fn a_guard_that_waits_and_judges_the_target_is_another_answer() {
    let mut story = refused();
    story.run_to(60).docker.change(|it| it.restarted_at(50).labelled("fettle.hold", "migration"));
    assert!(story.differs());
}

#[test]
fn what_is_observed_is_observed_once_for_each_run_and_decided_when_the_mode_allows_more() {
    let mut story = story(rule("r")).in_mode(Mode::Observe);
    story.run_to(0);
    assert_eq!(story.outcome(), Some(Outcome::Observed));
    story.run_to(3600);
    assert!(story.is_same());
    let mut again = story.clone();
    again.docker.change(|it| it.restarted_at(3500).exited(1));
    assert!(again.differs(), "another run");
    story.settings.mode = Mode::Act;
    assert!(story.differs(), "it may act now");
}

fn asking() -> Rule {
    let step = Step { approval: Some(Approval { when: Vec::new(), within: secs(600) }), ..restart() };
    rule("r").climbing([step])
}

#[test]
fn a_proposal_that_nobody_answered_is_made_again_after_recheck() {
    let mut story = story(asking());
    story.run_to(0);
    story.run_to(590).repeat().run_to(600);
    assert_eq!(story.outcome(), Some(Outcome::Expired));
    assert!(!story.remediation.leaves_episode_open(), "a repeat does not ask at once");
    story.run_to(899);
    assert!(story.is_same());
    story.run_to(900);
    assert!(story.differs());
}

#[test]
fn a_persons_no_holds_until_another_run_or_another_rule() {
    for kind in [AnswerKind::Reject, AnswerKind::Cancel] {
        let mut story = story(asking());
        story.run_to(0);
        story.now = at(30);
        let plan = match &story.remediation.state {
            crate::remediation::state::State::AwaitingApproval(asked) => Some(asked.proposal.hash.clone()),
            _ => None,
        };
        story.surroundings.answer = Some(Answer { id: id(77), kind, plan, by: "ann".into(), at: at(30) });
        story.wake();
        assert_eq!(story.remediation.left.as_ref().map(|it| it.conclusion.came), Some(Came::Declined), "{kind:?}");
        // It was about that remediation.
        story.surroundings.answer = None;
        for second in [330, 86_400] {
            story.run_to(second);
            assert!(story.is_same(), "time alone does not change it: {kind:?}");
        }
        story.docker.change(|it| it.unlabelled("fettle.enable"));
        assert!(story.is_same(), "nor does the answer of a guard");
        let mut other = story.clone();
        other.rule = Some(rule("r"));
        assert!(other.differs(), "another rule");
        story.docker.change(|it| it.restarted_at(86_390).exited(1));
        assert!(story.differs(), "another run");
    }
}

#[test]
fn what_had_an_effect_leaves_nothing_to_reconsider() {
    let mut story = story(rule("r"));
    story.docker.restarts = Restarts::Lie;
    story.docker.cures = false;
    story.run_to(2000);
    assert_eq!((story.outcome(), story.remediation.left.clone()), (Some(Outcome::Escalated), None));
    let guard = Came::Refused { guard: Guard::Stopped };
    assert_eq!(guard.as_str(), "stopped");
}
