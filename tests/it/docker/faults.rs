//! Daemons that fail in every way, and what is said of it: "nothing was sent" only when it is certain.

use std::path::Path;
use std::time::{Duration, Instant};

use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::{Found, ImageLabel, Wanted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::canned::{Canned, an_id, reply};
use super::{Calling, found, local, look, named};
use crate::support::docker::Daemon;
use crate::support::proxy::{Fault, Proxy};

fn url(path: &Path) -> String {
    format!("unix://{}", path.display())
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    drop(std::os::unix::net::UnixListener::bind(inside("dead.sock")).unwrap());
    std::fs::write(inside("file"), "").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (endpoint, cause) in [
        (url(&inside("absent.sock")), "does not exist"),
        (url(&inside("file").join("docker.sock")), "does not exist"),
        (url(&inside("dead.sock")), "Connection refused"),
        (url(&inside("file")), "Connection refused"),
        (format!("tcp://127.0.0.1:{port}"), "Connection refused"),
    ] {
        let (docker, calls) = local(&endpoint);
        let error = docker.restart("local", &an_id(), Duration::ZERO).await.expect_err(&endpoint);
        assert!(matches!(&error, PlatformError::Unreachable { cause: c, .. } if c.contains(cause)), "{error:?}");
        assert!(error.nothing_sent() && error.to_string().contains(&endpoint), "{error}");
        assert_eq!(calls.take(), ["local restart docker_unreachable"]);
    }
}

#[tokio::test]
async fn where_a_connection_was_made_something_may_have_been_sent() {
    for (reads, answer) in [
        (false, ""),
        (true, ""),
        (true, "HTTP/1.1 20"),
        (true, "SSH-2.0-OpenSSH_9.2\r\n"),
        (true, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        (true, "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 13\r\n\r\n<html></html>"),
        (true, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n{\"message\": \"cut"),
    ] {
        let daemon = if reads { Canned::start(move |_| answer.into()) } else { Canned::deaf() };
        let (docker, _) = local(&daemon.url());
        let error = docker.restart("local", &an_id(), Duration::ZERO).await.expect_err(answer);
        assert!(matches!(error, PlatformError::Broken { .. }), "{answer}: {error:?}");
        assert!(!error.nothing_sent() && !error.is_answer());
        assert_eq!(daemon.requests(), usize::from(reads), "{answer}: sent once, never again");
    }
}

#[tokio::test]
async fn answers_are_kept_short_and_in_one_line() {
    for (answer, status, message) in [
        ("HTTP/1.1 409 Conflict\r\nContent-Length: 24\r\n\r\n{\"message\":\"in the way\"}\n", 409, "in the way"),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 55\r\n\r\n<html><body><h1>403 Forbidden</h1>\nNo.\n</body></html>  \n",
            403,
            "403 Forbidden No.",
        ),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 500, ""),
        ("HTTP/1.1 301 Moved Permanently\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 301, ""),
    ] {
        let daemon = Canned::start(move |_| answer.into());
        let (docker, calls) = local(&daemon.url());
        let error = docker.restart("local", &an_id(), Duration::ZERO).await.expect_err(answer);
        assert!(
            matches!(&error, PlatformError::Answered { status: s, message: m, .. } if *s == status && m == message),
            "{error:?}"
        );
        assert_eq!(calls.take(), [format!("local restart {status}")]);
    }
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_broken() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot json!",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ID\": \"cut",
    ] {
        let daemon = Canned::start(move |_| answer.into());
        let error = local(&daemon.url()).0.find(&named("web"), Wanted::default()).await.expect_err(answer);
        assert_eq!(error.reason(), "docker_broken", "{error}");
    }
}

/// A daemon with one container, `web`.
fn one_container(path: &str, state: &str, image: &str) -> String {
    let id = an_id();
    match path {
        "/info" => reply(200, r#"{"ID": "a daemon"}"#),
        path if path == format!("/containers/{id}/json") || path == "/containers/web/json" => {
            let labels = r#"{"Labels": {"fettle.enable": "true"}}"#;
            reply(
                200,
                &format!(
                    r#"{{"Id": "{id}", "Name": "/web", "Image": "sha256:{id}", "State": {state}, "Config": {labels}}}"#
                ),
            )
        }
        path if path.starts_with("/images/") => image.into(),
        _ => reply(403, "<html><body><h1>403 Forbidden</h1></body></html>"),
    }
}

#[tokio::test]
async fn a_state_unknown_to_docker_is_broken() {
    let daemon = Canned::start(|path| one_container(path, r#"{"Status": "stopped"}"#, ""));
    let (docker, _) = local(&daemon.url());
    assert_eq!(
        docker.find(&named("web"), Wanted::default()).await.expect_err("no such state").reason(),
        "docker_broken"
    );
    assert_eq!(look(&docker, "local", &an_id()).await.expect_err("no such state").reason(), "docker_broken");
}

#[tokio::test]
async fn without_access_to_events_who_stopped_it_stays_unknown() {
    let state = r#"{"Status": "exited", "ExitCode": 137, "StartedAt": "2026-11-21T23:35:33.056134293Z"}"#;
    let daemon = Canned::start(|path| one_container(path, state, &reply(200, "{}")));
    let (docker, calls) = local(&daemon.url());
    let sight = found(&docker, &named("web")).await;
    assert_eq!((sight.exit_code, sight.stopped_by_hand), (137, None));
    assert_eq!(calls.take().last().map(String::as_str), Some("local events 403"));
}

#[tokio::test]
async fn an_image_that_may_not_be_seen_is_unreadable_and_one_that_could_not_be_seen_is_an_error() {
    let state = r#"{"Status": "running"}"#;
    let daemon = Canned::start(|path| one_container(path, state, &reply(403, "no")));
    assert_eq!(found(&local(&daemon.url()).0, &named("web")).await.image_label, ImageLabel::Unreadable);
    let daemon = Canned::start(|path| one_container(path, state, ""));
    assert_eq!(
        local(&daemon.url()).0.find(&named("web"), Wanted::default()).await.expect_err("cut").reason(),
        "docker_broken"
    );
}

#[tokio::test]
async fn an_error_about_a_name_that_may_be_an_id_is_settled_by_the_list() {
    // As newer daemons answer when several ids begin like the name; 20.10 says 500.
    const AMBIGUOUS: &str = r#"{"message": "multiple IDs found with provided prefix: cafe"}"#;
    for (names, expected) in [("[]", None), (r#"["/other/cafe", "/cafe2"]"#, None), (r#"["/cafe"]"#, Some(400))] {
        let daemon = Canned::start(move |path| match path {
            "/info" => reply(200, r#"{"ID": "a daemon"}"#),
            path if path.starts_with("/containers/json?") => reply(200, &format!(r#"[{{"Names": {names}}}]"#)),
            _ => reply(400, AMBIGUOUS),
        });
        match (local(&daemon.url()).0.find(&named("cafe"), Wanted::default()).await, expected) {
            (Ok(Found::Nothing), None) => {}
            (Err(PlatformError::Answered { status, .. }), Some(expected)) => assert_eq!(status, expected),
            (other, _) => panic!("{names}: {other:?}"),
        }
        assert!(
            local(&daemon.url()).0.find(&named("web"), Wanted::default()).await.is_err(),
            "web is no id, so the error stands"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_hangs_is_a_timeout_within_the_deadline() {
    let daemon = Daemon::shared().await;
    let proxy = Proxy::unix(daemon.socket());
    proxy.fail(Fault::Stalled);
    // Says that a body follows, and nothing more: the client library's own limit does not cover bodies.
    let body = tokio::net::UnixListener::bind(proxy.path().with_extension("body")).unwrap();
    let stalls = url(&proxy.path().with_extension("body"));
    let held = tokio::spawn(async move {
        let (mut stream, _) = body.accept().await.expect("accept");
        stream.read_u8().await.expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await.expect("write");
        std::future::pending::<()>().await;
    });
    let silent = proxy.url();
    let late = async |endpoint: &str| {
        let (docker, calls) = local(endpoint);
        let start = Instant::now();
        let error = docker.find(&named("web"), Wanted::default()).await.expect_err("no answer");
        assert!(matches!(error, PlatformError::TimedOut { after, .. } if after == Duration::from_secs(5)), "{error:?}");
        assert!(!error.nothing_sent() && !error.is_answer());
        assert!((4..8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(calls.take(), ["local info docker_timeout"]);
    };
    tokio::join!(late(&silent), late(&stalls));
    held.abort();
}
