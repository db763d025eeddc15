//! `GET /api/v1/breakers` and `POST /api/v1/breakers/{rule}/reset`: the circuit breakers of the rules.
//!
//! Listed are those that were ever open or reset; every other rule's is closed. A rule that was removed keeps its breaker, so
//! it can be reset before the rule comes back.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::control::Control;
use crate::http::auth::{Admin, Viewer};
use crate::http::problem::Problem;
use fettle_core::guard::{BreakerState, breaker_state};
use fettle_core::settings::TripLimit;
use fettle_core::surroundings::Breaker;
use fettle_core::time::{Timestamp, after, before};

/// From when on what proves nothing counts.
pub(in crate::http) fn since(trip: Option<TripLimit>, now: Timestamp) -> Timestamp {
    trip.map_or(now, |trip| before(now, trip.within))
}

/// Where a breaker stands; where breakers are off, each is closed.
pub(in crate::http) fn stands(
    breaker: &Breaker,
    trip: Option<TripLimit>,
    now: Timestamp,
) -> (BreakerState, Option<Timestamp>) {
    trip.map_or((BreakerState::Closed, None), |trip| breaker_state(breaker, trip, now))
}

/// `GET /api/v1/breakers`
pub(in crate::http) async fn breakers(_: Viewer, control: web::Data<Control>) -> Answer {
    let (trip, now) = (control.settings.trip, control.time.now());
    let found = control.store.breakers(since(trip, now)).await.map_err(|error| Problem::store(&error))?;
    let found: Vec<Value> = found.iter().map(|(rule, breaker)| view(rule, breaker, trip, now)).collect();
    Ok(HttpResponse::Ok().json(found))
}

fn view(rule: &str, breaker: &Breaker, trip: Option<TripLimit>, now: Timestamp) -> Value {
    let (state, opened_at) = stands(breaker, trip, now);
    let half_open_at = opened_at.zip(trip).map(|(at, trip)| after(at, trip.within));
    json!({
        "rule": rule,
        "state": state,
        "opened_at": opened_at,
        "half_open_at": half_open_at,
        "probe": breaker.probe,
        "unproven": breaker.unproven.len(),
        "limit": trip.map(|trip| trip.unproven),
        "within_seconds": trip.map(|trip| trip.within.as_secs()),
        "then": trip.map(|trip| trip.then.as_str()),
    })
}

/// `POST /api/v1/breakers/{rule}/reset`
pub(in crate::http) async fn reset(
    Admin(caller): Admin,
    rule: web::Path<String>,
    control: web::Data<Control>,
) -> Answer {
    let done = control.store.reset_breaker(&rule, &caller.name, control.time.now()).await;
    let done = done.map_err(|error| Problem::not_stored(&error))?;
    if done {
        control.wake.wake();
        tracing::info!(actor = &*caller.name, rule = &**rule, "{} reset the breaker of rule {}", caller.name, &**rule);
    } else if control.rules.load().get(&rule).is_none() && !is_known(&control, &rule).await? {
        return Err(Problem::not_found("no rule in force has this name, and none had whose breaker was ever open"));
    }
    Ok(HttpResponse::Ok().json(json!({"rule": *rule, "reset": done})))
}

async fn is_known(control: &Control, rule: &str) -> Result<bool, Problem> {
    let found = control.store.breakers(control.time.now()).await.map_err(|error| Problem::store(&error))?;
    Ok(found.iter().any(|(name, _)| name == rule))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use fettle_core::rule::model::Mode;

    #[test]
    fn a_breaker_says_since_when_it_is_open_and_when_one_act_is_tried() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let now = at("2026-01-31T12:20:00Z");
        let trip = TripLimit { unproven: 3, within: Duration::from_mins(30), then: Mode::Propose };
        let open = Breaker { opened_at: Some(at("2026-01-31T12:00:00Z")), probe: None, unproven: vec![now; 3] };
        insta::assert_json_snapshot!(view("web", &open, Some(trip), now), @r#"
        {
          "half_open_at": "2026-01-31T12:30:00Z",
          "limit": 3,
          "opened_at": "2026-01-31T12:00:00Z",
          "probe": null,
          "rule": "web",
          "state": "open",
          "then": "propose",
          "unproven": 3,
          "within_seconds": 1800
        }
        "#);
        let later = at("2026-01-31T12:30:00Z");
        assert_eq!(view("web", &open, Some(trip), later)["state"], "half_open");
        assert_eq!(view("web", &Breaker::default(), Some(trip), now)["state"], "closed");
        let off = view("web", &open, None, now);
        assert_eq!((&off["state"], &off["limit"]), (&json!("closed"), &json!(null)), "breakers are off");
    }
}
