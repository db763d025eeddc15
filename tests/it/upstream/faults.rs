//! Peers that hang, lie, flood or lead elsewhere.

use std::time::Instant;

use fettle_upstream::alertmanager::{ASK, LIST_MAX, REMEMBERED};

use super::canned::{Canned, reply};
use super::*;

/// More than a deadline by as much as a busy machine may need.
const LATE: Duration = Duration::from_secs(3);

async fn reason(upstream: &Alertmanager) -> (&'static str, String) {
    let error = upstream.picture(Timestamp::now(), FRESH).await.expect_err("no picture");
    (error.reason(), error.to_string())
}

#[tokio::test]
async fn a_hung_peer_costs_its_deadline_once_and_is_asked_again_later() {
    let (real, hung) = (Real::start().await, Canned::hung().await);
    let it = alert("ServiceDown", "web");
    real.fires(&[&it]).await;
    let upstream = peers(&[&hung.url(), &real.url()]);
    let start = Instant::now();
    let picture = upstream.picture(Timestamp::now(), FRESH).await.expect("one answers");
    let first = start.elapsed();
    assert!(first >= ASK && first < ASK + LATE, "{first:?}");
    assert_eq!((picture.answered, picture.asked), (1, 2));
    // Remembered: the next looks do not wait for it.
    let start = Instant::now();
    let mut looks = 0;
    while start.elapsed() < REMEMBERED / 2 {
        upstream.picture(Timestamp::now(), FRESH).await.expect("one answers");
        looks += 1;
    }
    assert!(start.elapsed() < ASK && looks > 3, "{looks} looks in {:?}", start.elapsed());
    assert_eq!(hung.requests("GET /api/v2/alerts?"), 1);
    seen(&upstream, "it is asked again", |_| hung.requests("GET /api/v2/alerts?") == 2).await;
}

#[tokio::test]
async fn when_no_peer_answers_everybody_is_told_at_once_after_the_first() {
    let hung = Canned::hung().await;
    let upstream = peers(&[&hung.url()]);
    let start = Instant::now();
    // Many at once: one look for all of them.
    let asked = (0..50).map(|_| upstream.picture(Timestamp::now(), FRESH));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.expect_err("it hangs").reason(), "upstream_timeout");
    }
    assert!(start.elapsed() < ASK + LATE, "{:?}", start.elapsed());
    assert_eq!(hung.requests("GET /api/v2/alerts?"), 1);
    let both = peers(&[&hung.url(), "http://127.0.0.1:1"]);
    let error = both.picture(Timestamp::now(), FRESH).await.expect_err("none answers");
    assert!(error.reason() == "upstream_no_answer" && error.is_transient(), "{error}");
    assert!(error.to_string().contains(&hung.url()) && error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_look_and_a_young_picture_is_used_again() {
    let canned = Canned::always(reply(200, "", b"[]")).await;
    let upstream = peers(&[&canned.url()]);
    let now = Timestamp::now();
    let first = upstream.picture(now, FRESH).await.expect("it answers");
    let lists = || canned.requests("GET /api/v2/alerts?");
    assert_eq!(lists(), 1);
    let later = fettle_core::time::after(first.at, Duration::from_secs(5));
    for _ in 0..20 {
        let again = upstream.picture(later, Duration::from_secs(5)).await.expect("it answers");
        assert_eq!(again.at, first.at);
    }
    assert_eq!(lists(), 1);
    let anew = upstream.picture(later, Duration::from_secs(4)).await.expect("it answers");
    assert!(anew.at >= later && lists() == 2);
    // All ask at once and accept nothing older than their question.
    let much_later = fettle_core::time::after(later, SOON);
    let asked = (0..50).map(|_| upstream.picture(much_later, FRESH));
    for answer in futures_util::future::join_all(asked).await {
        assert!(answer.expect("it answers").at >= much_later);
    }
    assert_eq!(lists(), 3, "one look for 50 callers");
    let ages = canned.requests("GET /api/v2/status");
    assert_eq!(ages, 6, "before and after each list, because it never says since when it is up");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_told_apart() {
    let cut = [&b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"[..], b"[{"].concat();
    for (answer, expected) in [
        (reply(200, "", b"<html>not here</html>"), "upstream_senseless"),
        (reply(200, "", br#"[{"labels":{}}]"#), "upstream_senseless"),
        (reply(200, "", "[".repeat(1 << 20).as_bytes()), "upstream_senseless"),
        (reply(200, "", &vec![b' '; 3 << 20]), "upstream_senseless"),
        (cut, "upstream_broken"),
        (Vec::new(), "upstream_broken"),
        (reply(503, "", b"\"Limit of concurrent GET requests reached\""), "upstream_error"),
        (reply(403, "", b"\x1b[31mno"), "upstream_denied"),
    ] {
        let canned = Canned::always(answer).await;
        let (reason, text) = reason(&peers(&[&canned.url()])).await;
        assert_eq!(reason, expected, "{text}");
        assert!(!text.contains('\u{1b}') && text.len() < 500, "{text}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_and_one_that_declares_too_much_is_not_read() {
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LIST_MAX + 1).into_bytes();
    let canned = Canned::always(declared).await;
    assert_eq!(reason(&peers(&[&canned.url()])).await.0, "upstream_too_large");
    // No length at all: the end of the connection is the end of the body.
    let endless = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &vec![b' '; LIST_MAX + (1 << 20)]].concat();
    let canned = Canned::always(endless).await;
    assert_eq!(reason(&peers(&[&canned.url()])).await.0, "upstream_too_large");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let real = Real::start().await;
    let front = Canned::always(reply(302, &format!("Location: {}/api/v2/alerts\r\n", real.url()), b"")).await;
    let upstream = peers(&[&front.url()]);
    let (reason, text) = reason(&upstream).await;
    assert_eq!(reason, "upstream_error");
    assert!(text.contains("302") && text.contains("redirect"), "{text}");
    let (_, posted) = upstream.post(&[announcement(&own("web"), SOON)]).await.remove(0);
    assert!(posted.is_err());
    seen(&peers(&[&real.url()]), "nothing arrived there", |it| it.alerts.is_empty()).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_look_to_the_next() {
    let hung = Canned::hung().await;
    let upstream = peers(&[&hung.url()]);
    let dropped = tokio::time::timeout(Duration::from_millis(50), upstream.picture(Timestamp::now(), FRESH)).await;
    assert!(dropped.is_err());
    assert_eq!(reason(&upstream).await.0, "upstream_timeout");
}
