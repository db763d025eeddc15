//! Errors as `application/problem+json` (RFC 9457): a stable `type`, a short text, the id that the log has too.
//!
//! Always holds: no SQL, no path of this machine, no secret. Alertmanager reads an error body whole and logs it, so every
//! one is short and complete.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use fettle_core::alert::bounds::Exceeded;
use fettle_core::alert::webhook::Malformed;
use fettle_core::ports::StoreError;

/// What went wrong, as far as callers tell it apart. The `type` is `/problems/` and the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No token, or one that nobody has.
    Unauthorized,
    /// The token's role is not enough.
    Forbidden,
    /// Without tokens: the request does not come from this machine's own programs.
    Foreign,
    /// Nothing is there.
    NotFound,
    /// Something is there, but not for this method.
    MethodNotAllowed,
    /// The body was too slow.
    RequestTimeout,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// A name or a value in the notification is longer than the limit.
    TextTooLong,
    /// The body is not said to be JSON.
    UnsupportedMediaType,
    /// The body broke off.
    BrokenBody,
    /// The body is not a notification of Alertmanager's version 4.
    MalformedNotification,
    /// A parameter does not read.
    InvalidParameter,
    /// The body is not the JSON that is asked for.
    MalformedBody,
    /// Another plan is proposed by now.
    PlanChanged,
    /// The plan was answered already.
    PlanUsed,
    /// Nobody answered in time.
    PlanTimedOut,
    /// Nothing waits for an answer.
    NotWaiting,
    /// A guard refused what was ordered.
    Refused,
    /// What was ordered is not finished yet.
    StillRunning,
    /// Too much is under way; come again.
    Overloaded,
    /// It could not be stored; come again.
    NotStored,
    /// This process is going away; come again.
    Closing,
    /// This process is not ready for work.
    NotReady,
    /// What is stored cannot be read now.
    StoreUnavailable,
    /// The rules do not load; those before them still run.
    RulesRefused,
    /// Our fault.
    Internal,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "No valid token"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "The token's role is not enough"),
            Self::Foreign => (S::FORBIDDEN, "foreign", "Only this machine's own programs may ask"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Not for this method"),
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request-timeout", "The body came too slowly"),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large"),
            Self::TextTooLong => (S::BAD_REQUEST, "text-too-long", "A name or a value is too long"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be application/json")
            }
            Self::BrokenBody => (S::BAD_REQUEST, "broken-body", "The body broke off"),
            Self::MalformedNotification => {
                (S::BAD_REQUEST, "malformed-notification", "Not a notification of version 4")
            }
            Self::InvalidParameter => (S::BAD_REQUEST, "invalid-parameter", "A parameter does not read"),
            Self::MalformedBody => (S::BAD_REQUEST, "malformed-body", "The body is not what is asked for"),
            Self::PlanChanged => (S::CONFLICT, "plan-changed", "Another plan is proposed now"),
            Self::PlanUsed => (S::CONFLICT, "plan-used", "The plan was answered already"),
            Self::PlanTimedOut => (S::CONFLICT, "plan-timed-out", "The time for an answer is over"),
            Self::NotWaiting => (S::CONFLICT, "not-waiting", "Nothing waits for an answer"),
            Self::Refused => (S::CONFLICT, "refused", "A guard refused"),
            Self::StillRunning => (S::GATEWAY_TIMEOUT, "still-running", "Not finished yet"),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", "Too much is under way"),
            Self::NotStored => (S::SERVICE_UNAVAILABLE, "not-stored", "It could not be stored"),
            Self::Closing => (S::SERVICE_UNAVAILABLE, "closing", "fettle is shutting down"),
            Self::NotReady => (S::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            Self::StoreUnavailable => (S::SERVICE_UNAVAILABLE, "store-unavailable", "The database does not answer"),
            Self::RulesRefused => (S::INTERNAL_SERVER_ERROR, "rules-refused", "The rules do not load"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "An error inside fettle"),
        }
    }
}

/// One error, on its way to a caller.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    id: Uuid,
    more: Option<Box<Map<String, Value>>>,
    allow: Option<&'static str>,
}

impl Problem {
    /// A problem; `detail` is for the caller, a sentence without its full stop.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), id: Uuid::now_v7(), more: None, allow: None }
    }

    /// A body that is not a notification, or one that exceeds a limit.
    #[must_use]
    pub fn malformed(malformed: &Malformed) -> Self {
        let kind = match malformed.exceeded {
            None => Kind::MalformedNotification,
            Some(exceeded) if exceeded.bound.is_of_the_whole() => Kind::PayloadTooLarge,
            Some(_) => Kind::TextTooLong,
        };
        let it = Self::new(kind, malformed.to_string()).with("path", json!(malformed.path));
        match malformed.exceeded {
            Some(Exceeded { bound, most }) => {
                it.with("limit", json!(format!("limits.{}", bound.as_str()))).with("most", json!(most))
            }
            None => it,
        }
    }

    /// No such route, or nothing of that id.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, what)
    }

    /// The route is there for `allow` only.
    #[must_use]
    pub fn method(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(Kind::MethodNotAllowed, format!("allowed: {allow}")) }
    }

    /// `name` is wrong because of `why`.
    pub fn parameter(name: &str, why: impl fmt::Display) -> Self {
        let name: String = name.chars().take(64).flat_map(char::escape_debug).collect();
        Self::new(Kind::InvalidParameter, format!("{name} {why}")).with("parameter", json!(name))
    }

    /// The store did not answer. The cause goes to the log, here and once.
    #[must_use]
    pub fn store(error: &StoreError) -> Self {
        let it = Self::new(Kind::StoreUnavailable, "the database does not answer; what is asked for is still stored");
        tracing::warn!(request.id = %it.id, error = %fettle_core::ports::chain(error), "a question could not be answered from the database");
        it
    }

    /// What was asked for could not be stored. The cause goes to the log, here and once.
    #[must_use]
    pub fn not_stored(error: &StoreError) -> Self {
        let it = Self::new(Kind::NotStored, "the database did not take it; come again");
        tracing::warn!(request.id = %it.id, error = %fettle_core::ports::chain(error), "what was asked for could not be stored");
        it
    }

    /// The same with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.get_or_insert_default().insert(name.to_owned(), value);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The id that the answer and the log share.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    fn body(&self) -> impl Serialize {
        let (status, name, title) = self.kind.parts();
        Body {
            kind: format!("/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            request_id: self.id,
            more: self.more.as_deref(),
        }
    }
}

/// In the order people read it.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    request_id: Uuid,
    #[serde(flatten)]
    more: Option<&'a Map<String, Value>>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, _, title) = self.kind.parts();
        write!(f, "{title}: {}", self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if self.kind == Kind::Unauthorized {
            response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let Some(allow) = self.allow {
            response.insert_header((ALLOW, HeaderValue::from_static(allow)));
        }
        response.body(serde_json::to_string(&self.body()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 25] = [
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::Foreign,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::RequestTimeout,
        Kind::PayloadTooLarge,
        Kind::UnsupportedMediaType,
        Kind::BrokenBody,
        Kind::MalformedNotification,
        Kind::InvalidParameter,
        Kind::MalformedBody,
        Kind::PlanChanged,
        Kind::PlanUsed,
        Kind::PlanTimedOut,
        Kind::NotWaiting,
        Kind::Refused,
        Kind::StillRunning,
        Kind::Overloaded,
        Kind::NotStored,
        Kind::Closing,
        Kind::NotReady,
        Kind::StoreUnavailable,
        Kind::RulesRefused,
        Kind::Internal,
    ];

    #[test]
    fn types_and_statuses_stay_as_they_are() {
        let table: Vec<String> = ALL
            .iter()
            .map(|&kind| {
                let (status, name, title) = kind.parts();
                format!("{} /problems/{name}: {title}", status.as_u16())
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        401 /problems/unauthorized: No valid token
        403 /problems/forbidden: The token's role is not enough
        403 /problems/foreign: Only this machine's own programs may ask
        404 /problems/not-found: Not found
        405 /problems/method-not-allowed: Not for this method
        408 /problems/request-timeout: The body came too slowly
        413 /problems/payload-too-large: The body is too large
        415 /problems/unsupported-media-type: The body must be application/json
        400 /problems/broken-body: The body broke off
        400 /problems/malformed-notification: Not a notification of version 4
        400 /problems/invalid-parameter: A parameter does not read
        400 /problems/malformed-body: The body is not what is asked for
        409 /problems/plan-changed: Another plan is proposed now
        409 /problems/plan-used: The plan was answered already
        409 /problems/plan-timed-out: The time for an answer is over
        409 /problems/not-waiting: Nothing waits for an answer
        409 /problems/refused: A guard refused
        504 /problems/still-running: Not finished yet
        503 /problems/overloaded: Too much is under way
        503 /problems/not-stored: It could not be stored
        503 /problems/closing: fettle is shutting down
        503 /problems/not-ready: Not ready
        503 /problems/store-unavailable: The database does not answer
        500 /problems/rules-refused: The rules do not load
        500 /problems/internal: An error inside fettle
        ");
    }

    #[test]
    fn no_answer_is_ever_429_or_a_redirect() {
        // 429 costs Alertmanager a whole group_interval; a redirect turns its POST into an empty GET.
        assert!(ALL.iter().all(|kind| kind.parts().0 != 429 && !kind.parts().0.is_redirection()));
    }

    #[test]
    fn a_body_has_the_members_of_the_standard_and_the_id_of_the_log() {
        let problem = Problem::parameter("limit", "must be a number from 1 to 1000");
        insta::assert_json_snapshot!(problem.body(), { ".request_id" => "…" }, @r#"
        {
          "type": "/problems/invalid-parameter",
          "title": "A parameter does not read",
          "status": 400,
          "detail": "limit must be a number from 1 to 1000",
          "request_id": "…",
          "parameter": "limit"
        }
        "#);
        let body = serde_json::to_value(problem.body()).expect("JSON");
        assert_eq!(body["request_id"], json!(problem.id()));
    }

    #[test]
    fn a_hostile_parameter_name_is_cut_and_escaped() {
        let problem = Problem::parameter(&format!("\n{}", "x".repeat(500)), "unknown");
        assert!(problem.detail.len() < 90 && problem.detail.starts_with("\\nxx"), "{}", problem.detail);
    }
}
