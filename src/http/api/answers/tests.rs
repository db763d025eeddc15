//! What an answer that came too late is told, from the story alone.

use super::*;
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::ports::view::{RemediationView, TransitionView};
use fettle_core::time::Timestamp;

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().expect("an instant")
}

fn told(what: &str, plan: &str) -> TransitionView {
    let detail = json!({"plan": plan, "action": "restart", "why": "mode is propose", "parameters": {"grace": "10s"},
        "effect": {}, "until": "2026-01-31T12:10:00Z"});
    TransitionView { at: now(), state: "awaiting_approval".into(), what: what.into(), detail }
}

fn row(plan: &str, result: Option<&str>, actor: &str) -> ActionView {
    ActionView {
        id: ActionId::nil(),
        at: now(),
        remediation_id: RemediationId::nil(),
        rule: "web".into(),
        action: "restart".into(),
        target: "container:local/web".into(),
        host: "local".into(),
        mode: "propose".into(),
        result: result.map(str::to_owned),
        reason: None,
        verdict: None,
        actor: actor.into(),
        alertname: "Down".into(),
        fingerprint: "0".into(),
        severity: None,
        labels: json!({}),
        planned_at: now(),
        started_at: None,
        finished_at: None,
        duration_ms: None,
        attempt: 0,
        step: 1,
        detail: json!({"plan": plan}),
        error: None,
    }
}

fn story_of(state: &str, timeline: Vec<TransitionView>, actions: Vec<ActionView>) -> Story {
    let remediation = RemediationView {
        id: RemediationId::nil(),
        target: "container:local/web".into(),
        rule: "web".into(),
        state: state.into(),
        outcome: (state == "closed").then(|| "expired".to_owned()),
        reason: None,
        opened_at: now(),
        closed_at: None,
        due_at: None,
        actions: 0,
        alertname: "Down".into(),
        severity: None,
    };
    Story { remediation, timeline, actions, verdicts: Vec::new(), alerts: Vec::new() }
}

#[test]
fn the_proposal_is_the_last_one_and_only_while_it_waits() {
    let timeline = vec![told(ASKED, "old"), told("target noted", "x"), told(ASKED, "new")];
    let waiting = proposal(&story_of("awaiting_approval", timeline.clone(), Vec::new())).expect("a proposal");
    assert_eq!((&waiting["plan"], &waiting["asked_at"]), (&json!("new"), &json!(now())));
    assert_eq!(waiting["until"], "2026-01-31T12:10:00Z");
    assert_eq!(proposal(&story_of("blocked", timeline, Vec::new())), None);
}

#[test]
fn an_answer_that_comes_too_late_is_told_what_became_of_its_plan() {
    let asked = || vec![told(ASKED, "p")];
    let told = |story: &Story, plan: &str| {
        became(story, plan).map_or_else(|| "nothing".to_owned(), |problem| format!("{:?} {problem}", problem.kind()))
    };
    let cases = [
        told(&story_of("running", asked(), vec![row("p", None, "oncall")]), "p"),
        told(&story_of("closed", asked(), vec![row("p", Some("refused"), "oncall")]), "p"),
        told(&story_of("closed", asked(), vec![row("p", Some("expired"), "fettle")]), "p"),
        told(&story_of("running", asked(), vec![row("p", None, "oncall")]), "q"),
        told(&story_of("closed", asked(), Vec::new()), "p"),
        told(&story_of("held", Vec::new(), Vec::new()), "p"),
        not_waiting(&story_of("closed", Vec::new(), Vec::new())).to_string(),
        not_waiting(&story_of("held", Vec::new(), Vec::new())).to_string(),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r"
    PlanUsed The plan was answered already: this plan was approved by oncall already; an answer counts once
    PlanUsed The plan was answered already: this plan was rejected by oncall already; an answer counts once
    PlanTimedOut The time for an answer is over: nobody answered in time; nothing was done
    PlanChanged Another plan is proposed now: this is not the plan that is proposed now; look at it again
    nothing
    nothing
    Nothing waits for an answer: the remediation is closed expired
    Nothing waits for an answer: the remediation is held
    ");
}
