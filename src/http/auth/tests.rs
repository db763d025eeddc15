//! Every role at every door.

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;

use super::*;

const ROLES: [Role; 4] = [Role::Sender, Role::Viewer, Role::Analyst, Role::Admin];

fn gate() -> Gate {
    let token = |role: Role| Token {
        name: role.as_str().into(),
        role,
        sha256: Sha256::digest(format!("the-{}s-token", role.as_str())).into(),
    };
    Gate::new(&ROLES.map(token))
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a header"))).collect()
}

fn asked(gate: &Gate, method: &Method, pairs: &[(HeaderName, &str)], need: Role) -> Result<String, u16> {
    let admitted = gate.admit(method, &headers(pairs), need);
    admitted.map(|it| it.name.to_string()).map_err(|it| it.problem.status_code().as_u16())
}

#[test]
fn roles_rise_from_viewer_to_admin_and_a_sender_stands_apart() {
    use Role::{Admin, Analyst, Sender, Viewer};
    for (need, may) in [
        (Sender, &[Sender, Admin][..]),
        (Viewer, &[Viewer, Analyst, Admin]),
        (Analyst, &[Analyst, Admin]),
        (Admin, &[Admin]),
    ] {
        for role in ROLES {
            let name = role.as_str();
            let bearer = format!("Bearer the-{name}s-token");
            let asked = asked(&gate(), &Method::GET, &[(AUTHORIZATION, &bearer)], need);
            let expected = if may.contains(&role) { Ok(name.to_owned()) } else { Err(403) };
            assert_eq!(asked, expected, "{name} asks for what {need:?} may do");
        }
    }
}

#[test]
fn a_token_comes_as_bearer_or_as_the_basic_password() {
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (sent, code) in [
        ("Bearer the-viewers-token".to_owned(), Ok("viewer".to_owned())),
        ("bearer   the-viewers-token ".to_owned(), Ok("viewer".to_owned())),
        (basic("anyone:the-viewers-token"), Ok("viewer".to_owned())),
        (basic(":the-viewers-token"), Ok("viewer".to_owned())),
        (basic("the-viewers-token:"), Err(401)),
        (basic("the-viewers-token"), Err(401)),
        (basic("a:b:the-viewers-token"), Err(401)),
        ("Basic !!!".to_owned(), Err(401)),
        ("Basic".to_owned(), Err(401)),
        ("Bearer ".to_owned(), Err(401)),
        ("Bearer the-viewers-toke".to_owned(), Err(401)),
        ("Bearer the-viewers-token2".to_owned(), Err(401)),
        ("the-viewers-token".to_owned(), Err(401)),
        ("Digest the-viewers-token".to_owned(), Err(401)),
    ] {
        assert_eq!(asked(&gate(), &Method::GET, &[(AUTHORIZATION, &sent)], Role::Viewer), code, "{sent}");
    }
    assert_eq!(asked(&gate(), &Method::GET, &[], Role::Viewer), Err(401));
}

#[test]
fn a_refusal_asks_for_a_bearer_token_and_does_not_repeat_what_was_sent() {
    let sent = headers(&[(AUTHORIZATION, "Bearer hunter2")]);
    let denied = gate().admit(&Method::GET, &sent, Role::Viewer).expect_err("unknown");
    let response = denied.problem.error_response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers().get("WWW-Authenticate").and_then(|it| it.to_str().ok()), Some("Bearer"));
    assert!(!denied.problem.to_string().contains("hunter2"));
    assert_eq!(&*denied.name, "unknown");
}

#[test]
fn every_post_and_delete_says_it_is_json() {
    let bearer = (AUTHORIZATION, "Bearer the-admins-token");
    for (method, content_type, expected) in [
        (Method::POST, Some("application/json"), Ok(())),
        (Method::POST, Some("Application/JSON; charset=utf-8"), Ok(())),
        (Method::DELETE, Some("application/json"), Ok(())),
        (Method::POST, Some("text/plain"), Err(415)),
        (Method::POST, Some("application/json-seq"), Err(415)),
        (Method::POST, Some("application/x-www-form-urlencoded"), Err(415)),
        (Method::POST, None, Err(415)),
        (Method::DELETE, None, Err(415)),
        (Method::GET, None, Ok(())),
    ] {
        let mut pairs = vec![bearer.clone()];
        pairs.extend(content_type.map(|it| (CONTENT_TYPE, it)));
        let asked = asked(&gate(), &method, &pairs, Role::Admin).map(|_| ());
        assert_eq!(asked, expected, "{method} {content_type:?}");
    }
}

#[test]
fn credentials_are_asked_for_before_the_content_type() {
    assert_eq!(asked(&gate(), &Method::POST, &[], Role::Admin), Err(401));
    let viewer = (AUTHORIZATION, "Bearer the-viewers-token");
    assert_eq!(asked(&gate(), &Method::POST, &[viewer], Role::Admin), Err(403));
}

#[test]
fn without_tokens_only_this_machines_own_programs_may_ask() {
    let open = Gate::new(&[]);
    let json = (CONTENT_TYPE, "application/json");
    for (host, origin, expected) in [
        ("localhost:9876", None, Ok(())),
        ("LOCALHOST", None, Ok(())),
        ("127.0.0.1:9876", None, Ok(())),
        ("127.8.9.1", None, Ok(())),
        ("[::1]:9876", None, Ok(())),
        ("[::1]", None, Ok(())),
        ("localhost:9876", Some("http://localhost:9876"), Ok(())),
        ("evil.example:9876", None, Err(403)),
        ("localhost.evil.example", None, Err(403)),
        ("127.0.0.1.evil.example", None, Err(403)),
        ("127.0.0.1:evil", None, Err(403)),
        ("192.168.1.7:9876", None, Err(403)),
        ("0.0.0.0:9876", None, Err(403)),
        ("[::]:9876", None, Err(403)),
        ("[::1]x", None, Err(403)),
        ("::1", None, Err(403)),
        ("", None, Err(403)),
        ("localhost:9876", Some("http://evil.example"), Err(403)),
        ("localhost:9876", Some("http://localhost:3000"), Err(403)),
        ("localhost:9876", Some("null"), Err(403)),
    ] {
        let mut pairs = vec![json.clone(), (HOST, host)];
        pairs.extend(origin.map(|it| (ORIGIN, it)));
        let asked = asked(&open, &Method::POST, &pairs, Role::Admin).map(|_| ());
        assert_eq!(asked, expected, "Host {host}, Origin {origin:?}");
    }
}

#[test]
fn without_tokens_a_missing_host_is_foreign_and_reading_needs_no_origin() {
    let open = Gate::new(&[]);
    assert_eq!(asked(&open, &Method::GET, &[], Role::Viewer), Err(403));
    let pairs = [(HOST, "localhost"), (ORIGIN, "http://evil.example")];
    assert_eq!(asked(&open, &Method::GET, &pairs, Role::Viewer), Ok("anonymous".into()));
    assert_eq!(asked(&open, &Method::POST, &[(HOST, "localhost")], Role::Sender), Err(415));
}
