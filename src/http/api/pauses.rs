//! `POST`, `GET` and `DELETE /api/v1/pause`: reasons to hold still, each about everything, one rule or one target.
//!
//! They are stored, so they survive a restart and hold for every replica. Who may read may see them: the stories that they
//! hold up, which a viewer reads, say the same.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::control::{Control, reason};
use crate::http::auth::{Admin, Viewer};
use crate::http::problem::Problem;
use fettle_core::diagnostic::nearest::nearest;
use fettle_core::duration;
use fettle_core::id::PauseId;
use fettle_core::surroundings::{Pause, PauseScope};
use fettle_core::time::{Timestamp, after};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    rule: Option<String>,
    target: Option<String>,
    r#for: Option<String>,
    until: Option<String>,
}

/// `POST /api/v1/pause`
pub(in crate::http) async fn pause(
    Admin(caller): Admin,
    request: HttpRequest,
    payload: web::Payload,
    control: web::Data<Control>,
) -> Answer {
    let body: Body = control.read(&request, payload).await?;
    let now = control.time.now();
    let pause = Pause {
        id: control.time.new_id(),
        scope: scope(&control, body.rule, body.target.as_deref())?,
        reason: reason(&body.reason)?.to_owned(),
        by: caller.name.to_string(),
        at: now,
        until: until(body.r#for.as_deref(), body.until.as_deref(), now)?,
    };
    control.store.pause(&pause).await.map_err(|error| Problem::not_stored(&error))?;
    let (scope, about) = words(&pause.scope);
    tracing::warn!(actor = pause.by, scope, about, reason = pause.reason, until = pause.until.map(tracing::field::display),
        pause.id = %pause.id, "{} paused {}: {}", pause.by, about.as_deref().unwrap_or("everything"), pause.reason);
    Ok(HttpResponse::Created().insert_header(("Location", format!("/api/v1/pause/{}", pause.id))).json(view(&pause)))
}

/// `GET /api/v1/pause`
pub(in crate::http) async fn pauses(_: Viewer, control: web::Data<Control>) -> Answer {
    let found = control.store.pauses(control.time.now()).await.map_err(|error| Problem::store(&error))?;
    Ok(HttpResponse::Ok().json(found.iter().map(view).collect::<Vec<_>>()))
}

/// `DELETE /api/v1/pause/{id}`
pub(in crate::http) async fn resume(
    Admin(caller): Admin,
    id: web::Path<String>,
    control: web::Data<Control>,
) -> Answer {
    let unknown = || Problem::not_found("no pause that stands has this id");
    let id: PauseId = id.parse().map_err(|_| unknown())?;
    let resumed = control.store.resume(id, &caller.name, control.time.now()).await;
    if !resumed.map_err(|error| Problem::not_stored(&error))? {
        return Err(unknown());
    }
    control.wake.wake();
    tracing::info!(actor = &*caller.name, pause.id = %id, "{} ended pause {id}", caller.name);
    Ok(HttpResponse::NoContent().finish())
}

fn scope(control: &Control, rule: Option<String>, target: Option<&str>) -> Result<PauseScope, Problem> {
    match (rule, target) {
        (None, None) => Ok(PauseScope::All),
        (Some(_), Some(_)) => Err(Problem::parameter("target", "is given beside rule: pause one of them")),
        (Some(rule), None) => {
            let rules = control.rules.load();
            if rules.get(&rule).is_some() {
                return Ok(PauseScope::Rule(rule));
            }
            let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            let near = nearest(&rule, &names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            Err(Problem::parameter("rule", format!("names no rule in force{near}")))
        }
        (None, Some(text)) => control.target(text).map(PauseScope::Target),
    }
}

fn until(length: Option<&str>, instant: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match (length, instant) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::parameter("until", "is given beside for: say one of them")),
        (Some(length), None) => {
            let read = duration::parse(length);
            let length =
                read.map_err(|error| Problem::parameter("for", format!("does not read: {error}; {}", error.help)))?;
            if length.is_zero() {
                return Err(Problem::parameter("for", "must be longer than nothing"));
            }
            Ok(Some(after(now, length)))
        }
        (None, Some(instant)) => {
            let read: Result<Timestamp, _> = instant.parse();
            let instant =
                read.map_err(|_| Problem::parameter("until", "must be an instant such as 2026-01-31T12:00:00Z"))?;
            if instant <= now {
                return Err(Problem::parameter("until", "is over already"));
            }
            Ok(Some(instant))
        }
    }
}

/// The scope's word, and what it is about.
fn words(scope: &PauseScope) -> (&'static str, Option<String>) {
    match scope {
        PauseScope::All => ("all", None),
        PauseScope::Rule(rule) => ("rule", Some(rule.clone())),
        PauseScope::Target(target) => ("target", Some(target.to_string())),
    }
}

fn view(pause: &Pause) -> Value {
    let (scope, about) = words(&pause.scope);
    let (rule, target) = match &pause.scope {
        PauseScope::Rule(_) => (about, None),
        _ => (None, about),
    };
    json!({"id": pause.id, "scope": scope, "rule": rule, "target": target, "reason": pause.reason, "by": pause.by,
        "at": pause.at, "until": pause.until})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn a_pause_ends_after_a_while_at_an_instant_or_when_somebody_ends_it() {
        let end = |length, instant| until(length, instant, now()).map(|end| end.map(|it| it.to_string()));
        assert_eq!(end(None, None).expect("no end"), None);
        assert_eq!(end(Some("2h"), None).expect("reads").as_deref(), Some("2026-01-31T14:00:00Z"));
        assert_eq!(
            end(None, Some("2026-01-31T15:00:00+01:00")).expect("reads").as_deref(),
            Some("2026-01-31T14:00:00Z")
        );
        let wrong = [
            end(Some("2"), None),
            end(Some("0s"), None),
            end(None, Some("tomorrow")),
            end(None, Some("2026-01-31T12:00:00Z")),
            end(Some("1h"), Some("2026-01-31T14:00:00Z")),
        ];
        let wrong: Vec<String> = wrong.into_iter().map(|it| it.expect_err("wrong").to_string()).collect();
        insta::assert_snapshot!(wrong.join("\n"), @r#"
        A parameter does not read: for does not read: "2" has no unit; write 2s for seconds
        A parameter does not read: for must be longer than nothing
        A parameter does not read: until must be an instant such as 2026-01-31T12:00:00Z
        A parameter does not read: until is over already
        A parameter does not read: until is given beside for: say one of them
        "#);
    }

    #[test]
    fn what_a_pause_is_about_has_a_member_of_its_own() {
        let pause = |scope| Pause {
            id: PauseId::nil(),
            scope,
            reason: "deploy".into(),
            by: "oncall".into(),
            at: now(),
            until: None,
        };
        let about = |scope| {
            let view = view(&pause(scope));
            [&view["scope"], &view["rule"], &view["target"]].map(Clone::clone)
        };
        assert_eq!(about(PauseScope::All), [json!("all"), json!(null), json!(null)]);
        assert_eq!(about(PauseScope::Rule("web".into())), [json!("rule"), json!("web"), json!(null)]);
        let target = "container:local/web".parse().expect("a target");
        assert_eq!(about(PauseScope::Target(target)), [json!("target"), json!(null), json!("container:local/web")]);
    }
}
