//! `POST /api/v1/actions` and `POST /api/v1/self-heal`: what people ask fettle to do now.
//!
//! Always holds: an order is understood by the code that reads rules, so what no rule could say is not done by hand either; it
//! is stored before it is done; and whoever waits is answered within [`PATIENCE`], with the remediation to look at.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::control::Control;
use super::{Answer, unknown};
use crate::http::auth::Admin;
use crate::http::problem::{Kind, Problem};
use fettle_core::action::{Action, NAMES};
use fettle_core::diagnostic::Diagnostic;
use fettle_core::ports::view::Story;
use fettle_core::remediation::order::Order;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::state::{Remediation, StateName};
use fettle_core::rule::compile::{SourceFile, compile};
use fettle_core::target::Target;

/// How long whoever ordered something is kept waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether it is done: another process may be at it.
const POLL: Duration = Duration::from_millis(200);

/// `POST /api/v1/actions`
pub(in crate::http) async fn order(
    Admin(caller): Admin,
    request: HttpRequest,
    payload: web::Payload,
    control: web::Data<Control>,
) -> Answer {
    let mut body: Map<String, Value> = control.read(&request, payload).await?;
    let mut word = |name: &str| match body.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Problem::parameter(name, "must be text")),
        None => Err(Problem::parameter(name, "is missing")),
    };
    let (action, target) = (word("action")?, word("target")?);
    let target = control.target(&target)?;
    let action = understood(&control, &action, &target, body)?;
    let order = Order { by: caller.name.to_string(), action };
    let id = control.by_hand.order(&target, &order).await.map_err(|error| Problem::not_stored(&error))?;
    let until = Instant::now() + PATIENCE;
    loop {
        // The order is stored and goes on, whatever becomes of the question how it stands.
        let story =
            control.store.story(id).await.map_err(|error| Problem::store(&error).with("remediation", json!(id)))?;
        let story = story.ok_or_else(unknown)?;
        if let Some(answer) = answered(story) {
            return answer;
        }
        let stopped = tokio::time::timeout(POLL, control.stop.cancelled()).await.is_ok();
        if stopped || Instant::now() >= until {
            let detail = format!("it is still running; GET /api/v1/remediations/{id} tells what becomes of it");
            return Err(Problem::new(Kind::StillRunning, detail).with("remediation", json!(id)));
        }
    }
}

/// The answer, once the effect is over or will not be.
fn answered(story: Story) -> Option<Answer> {
    let it = &story.remediation;
    let state = StateName::from_word(&it.state);
    if !matches!(state, Some(StateName::Verifying | StateName::Closed)) {
        return None;
    }
    if it.outcome.as_deref() != Some(Outcome::Refused.as_str()) {
        return Some(Ok(HttpResponse::Accepted().json(story)));
    }
    let guard = it.reason.clone().unwrap_or_default();
    let row = story.actions.last();
    let why = row.and_then(|row| row.detail["why"].as_str()).unwrap_or("no reason is on record").to_owned();
    let numbers = row.map(|row| row.detail["numbers"].clone()).unwrap_or_default();
    let problem = Problem::new(Kind::Refused, format!("refused by {guard}: {why}"));
    Some(Err(problem.with("guard", json!(guard)).with("numbers", numbers).with("remediation", json!(it.id))))
}

/// The action, as a rule with this one step would mean it.
fn understood(
    control: &Control,
    action: &str,
    target: &Target,
    parameters: Map<String, Value>,
) -> Result<Action, Problem> {
    let known = || NAMES.iter().filter(|name| **name != "escalate");
    if !known().any(|name| *name == action) {
        let known = known().copied().collect::<Vec<_>>().join(", ");
        return Err(Problem::parameter("action", format!("must be one of {known}")));
    }
    let parameters = if parameters.is_empty() { Value::Null } else { Value::Object(parameters) };
    let mut find = match target {
        Target::Container { name, .. } => json!({"container": name}),
        Target::Compose { project, service, .. } => json!({"compose": {"project": project, "service": service}}),
        Target::Swarm { service, .. } => json!({"swarm": {"service": service}}),
        Target::Disk { name, .. } => json!({"disk": name}),
        Target::Unresolvable { .. } => return Err(Problem::parameter("target", "names nothing")),
    };
    find["host"] = json!(target.host());
    // JSON is YAML; names that hold nothing but Docker's own characters cannot become a `$labels`.
    let rule = json!({"name": "order", "match": ["order=\"1\""], "target": find, "steps": [{action: parameters}]});
    let text = json!({"version": 1, "rules": [rule]}).to_string();
    let files = [SourceFile { path: "order".into(), text }];
    let wrong = |found: &[Diagnostic]| {
        let first = found.iter().find(|it| it.is_error());
        let help = first.and_then(|it| it.help.clone()).map(|help| format!("; {help}")).unwrap_or_default();
        let message = first.map_or("does not read", |it| &it.message);
        Problem::parameter(action, format!("cannot be done so: {message}{help}"))
    };
    let (rules, _) = compile(&files, &control.context).map_err(|found| wrong(&found))?;
    let step = rules.iter().next().and_then(|rule| rule.steps.first()).map(|step| step.action.clone());
    step.ok_or_else(|| wrong(&[]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /api/v1/self-heal`
pub(in crate::http) async fn self_heal(
    Admin(caller): Admin,
    request: HttpRequest,
    payload: web::Payload,
    control: web::Data<Control>,
) -> Answer {
    let Nothing {} = control.read(&request, payload).await?;
    let opened = control.by_hand.self_heal(&caller.name).await.map_err(|error| Problem::not_stored(&error))?;
    if opened.is_empty() {
        return Ok(HttpResponse::Ok().json(json!({"result": "no action needed", "remediations": []})));
    }
    let shown: Vec<Value> = opened.iter().map(brief).collect();
    Ok(HttpResponse::Accepted().json(json!({"result": "opened", "remediations": shown})))
}

fn brief(it: &Remediation) -> Value {
    json!({"id": it.id, "target": it.target, "rule": it.rule, "state": it.state_name(), "outcome": it.outcome(),
        "reason": it.reason()})
}
