//! Real Alertmanagers: what fires, what is held back by whom, what is gone, and what fettle posts.

use std::sync::Arc;

use fettle_core::ports::upstream::{Answers, UpstreamError};
use fettle_core::upstream::{Standing, silenced};

use super::canned::{Canned, reply};
use super::*;

#[tokio::test]
async fn a_silenced_alert_fires_and_is_silenced() {
    let real = Real::start().await;
    let (quiet, loud) = (alert("ServiceDown", "web"), alert("DiskLow", "web"));
    real.fires(&[&quiet, &loud]).await;
    let upstream = peers(&[&real.url()]);
    seen(&upstream, "both are listed", |it| has(it, &quiet) && has(it, &loud)).await;
    real.silence("ServiceDown").await;
    let (quiet, loud) = (Fingerprint::of(&quiet), Fingerprint::of(&loud));
    let picture = seen(&upstream, "one is silenced", |it| silenced(it, &quiet)).await;
    assert!(!silenced(&picture, &loud));
    assert_eq!((picture.standing(&quiet), picture.standing(&loud)), (Standing::Firing, Standing::Firing));
    assert_eq!((picture.answered, picture.asked, picture.believes_absence), (1, 1, false), "it has just begun");
    assert_eq!(picture.standing(&Fingerprint::of(&alert("Other", "web"))), Standing::Unknown);
}

#[tokio::test]
async fn an_alert_inhibited_by_fettles_own_fires_and_by_another_does_not() {
    let real = Real::start().await;
    let (web, db) = (alert("ServiceDown", "web"), alert("DiskLow", "db"));
    real.fires(&[&web, &db]).await;
    let upstream = peers(&[&real.url()]);
    for (peer, posted) in
        upstream.post(&[announcement(&own("web"), SOON * 6), announcement(&own("db"), SOON * 6)]).await
    {
        posted.unwrap_or_else(|error| panic!("{peer}: {error}"));
    }
    let (web, db) = (Fingerprint::of(&web), Fingerprint::of(&db));
    let suppressed = |it: &Picture, alert| {
        it.alerts.get(alert).is_some_and(|seen| seen.status == fettle_core::upstream::Status::Suppressed)
    };
    let picture = seen(&upstream, "both are inhibited", |it| suppressed(it, &web) && suppressed(it, &db)).await;
    assert_eq!((picture.standing(&web), picture.standing(&db)), (Standing::Firing, Standing::Firing));
    // Now the host, too: for the service it is the cause.
    real.fires(&[&Labels::from_iter([("alertname", "HostDown"), ("instance", "node-a:9100")])]).await;
    let picture = seen(&upstream, "the host inhibits the service", |it| it.standing(&web) == Standing::Inhibited).await;
    assert_eq!(picture.standing(&db), Standing::Firing, "fettle alone holds this one");
}

#[tokio::test]
async fn of_two_peers_a_dead_one_does_not_answer_and_the_other_is_enough() {
    let (real, mut dead) = (Real::start().await, Real::start().await);
    let (both, one) = (alert("ServiceDown", "web"), alert("DiskLow", "db"));
    real.fires(&[&both]).await;
    dead.fires(&[&both, &one]).await;
    let upstream = peers(&[&real.url(), &dead.url()]);
    let picture = seen(&upstream, "all are listed", |it| has(it, &both) && has(it, &one)).await;
    assert_eq!((picture.answered, picture.asked, picture.alerts.len()), (2, 2, 2));
    dead.kill();
    let picture = seen(&upstream, "one is away", |it| it.answered == 1).await;
    assert!(picture.asked == 2 && has(&picture, &both) && !has(&picture, &one));
    let posted = upstream.post(&[announcement(&own("web"), SOON * 6)]).await;
    let results: Vec<_> =
        posted.iter().map(|(peer, posted)| (peer.clone(), posted.as_ref().err().map(UpstreamError::reason))).collect();
    assert_eq!(results, [(real.url(), None), (dead.url(), Some("upstream_unreachable"))], "each has its own result");
    assert_eq!(upstream.peers(), [real.url(), dead.url()]);
    seen(&upstream, "it was posted to the one that lives", |it| has(it, &own("web"))).await;
}

#[tokio::test]
async fn what_fettle_posts_is_listed_and_lapses_at_its_end() {
    let real = Real::start().await;
    let upstream = peers(&[&real.url()]);
    let mut it = announcement(&own("web"), Duration::from_secs(3));
    assert!(upstream.post(std::slice::from_ref(&it)).await.iter().all(|(_, posted)| posted.is_ok()));
    let picture = seen(&upstream, "it is listed", |picture| has(picture, &it.labels)).await;
    let listed = picture.alerts[&Fingerprint::of(&it.labels)];
    assert_eq!(listed.starts_at.as_millisecond(), it.starts_at.as_millisecond());
    let list: serde_json::Value = plain()
        .get(format!("{}/api/v2/alerts", real.url()))
        .send()
        .await
        .expect("it answers")
        .json()
        .await
        .expect("JSON");
    assert_eq!(list[0]["annotations"]["summary"], "fettle restarts \"it\"\n", "{list:#}");
    assert_eq!(list[0]["generatorURL"], "http://fettle.example/r/1", "{list:#}");
    seen(&upstream, "it lapses", |picture| !has(picture, &it.labels)).await;
    assert!(Timestamp::now() >= it.ends_at, "not before its end");
    // Posted with an end that has passed it is withdrawn at once.
    it.ends_at = fettle_core::time::after(Timestamp::now(), SOON * 6);
    upstream.post(std::slice::from_ref(&it)).await;
    seen(&upstream, "it is back", |picture| has(picture, &it.labels)).await;
    it.ends_at = Timestamp::now();
    upstream.post(std::slice::from_ref(&it)).await;
    seen(&upstream, "it is withdrawn", |picture| !has(picture, &it.labels)).await;
}

#[tokio::test]
async fn a_batch_that_a_peer_refuses_is_told_with_its_words() {
    let real = Real::start().await;
    let upstream = peers(&[&real.url()]);
    let mut bad = announcement(&own("web"), SOON);
    bad.labels = Labels::default();
    let (_, posted) = upstream.post(&[bad]).await.remove(0);
    let error = posted.expect_err("an alert without labels");
    assert!(!error.is_transient() && error.reason() == "upstream_error", "{error}");
    assert!(error.to_string().contains("label"), "{error}");
}

/// A real peer's own answers behind a clock that is ten minutes ahead: a peer that has been up for long.
async fn grown_up(real: &Real) -> Canned {
    let url = real.url();
    Canned::start(move |path| {
        let url = format!("{url}{path}");
        async move {
            let body = plain().get(url).send().await.expect("it answers").bytes().await.expect("a body");
            let later = fettle_core::time::after(Timestamp::now(), Duration::from_mins(10));
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&later).expect("a date");
            reply(200, &format!("Date: {date}\r\n"), &body)
        }
    })
    .await
}

#[tokio::test]
async fn an_absent_alert_is_gone_when_every_peer_that_answers_has_been_up_for_long() {
    let (old, young) = (Real::start().await, Real::start().await);
    let (there, absent) = (alert("ServiceDown", "web"), Fingerprint::of(&alert("Absent", "web")));
    old.fires(&[&there]).await;
    let front = grown_up(&old).await;
    let alone = peers(&[&front.url()]);
    let picture = seen(&alone, "it is listed", |it| has(it, &there)).await;
    assert!(picture.believes_absence, "{picture:?}");
    assert_eq!(
        (picture.standing(&absent), picture.standing(&Fingerprint::of(&there))),
        (Standing::Gone, Standing::Firing)
    );
    let with_young = seen(&peers(&[&front.url(), &young.url()]), "both answer", |it| it.answered == 2).await;
    assert_eq!(with_young.standing(&absent), Standing::Unknown, "the young one may not know yet");
    let with_dead = seen(&peers(&[&front.url(), "http://127.0.0.1:1"]), "one answers", |it| it.answered == 1).await;
    assert_eq!(with_dead.standing(&absent), Standing::Gone, "who does not answer is not asked for its word");
}

#[tokio::test]
async fn what_a_peer_was_seen_to_list_is_gone_when_it_lists_it_no_more_however_young_it_is() {
    let real = Real::start().await;
    let (over, other) = (alert("ServiceDown", "web"), Fingerprint::of(&alert("Absent", "web")));
    real.fires(&[&over]).await;
    let upstream = peers(&[&real.url()]);
    seen(&upstream, "it is listed", |it| has(it, &over)).await;
    real.resolves(&over).await;
    let picture = seen(&upstream, "it is listed no more", |it| !has(it, &over)).await;
    assert!(!picture.believes_absence, "it has just begun");
    assert_eq!(
        (picture.standing(&Fingerprint::of(&over)), picture.standing(&other)),
        (Standing::Gone, Standing::Unknown)
    );
    // Who has not seen it listed does not believe it.
    let stranger = peers(&[&real.url()]).picture(Timestamp::now(), FRESH).await.expect("it answers");
    assert_eq!(stranger.standing(&Fingerprint::of(&over)), Standing::Unknown);
}

#[tokio::test]
async fn a_peer_that_was_started_again_is_not_believed_about_what_it_listed_in_an_earlier_life() {
    let began = Timestamp::now();
    let state = std::sync::Arc::new(std::sync::Mutex::new((began, true)));
    let now = state.clone();
    let canned = Canned::start(move |path| {
        let (began, lists) = *now.lock().expect("not poisoned");
        let listed = serde_json::json!([{"labels": alert("ServiceDown", "web"), "fingerprint": "a",
            "startsAt": began.to_string(), "status": {"state": "active"}}]);
        let body = match path.starts_with("/api/v2/status") {
            true => serde_json::json!({"uptime": began.to_string()}),
            false if lists => listed,
            false => serde_json::json!([]),
        };
        std::future::ready(reply(200, "", body.to_string().as_bytes()))
    })
    .await;
    let upstream = peers(&[&canned.url()]);
    let it = Fingerprint::of(&alert("ServiceDown", "web"));
    let standing = async || upstream.picture(Timestamp::now(), FRESH).await.expect("it answers").standing(&it);
    let becomes = |began, lists| *state.lock().expect("not poisoned") = (began, lists);
    assert_eq!(standing().await, Standing::Firing);
    becomes(began, false);
    assert_eq!(standing().await, Standing::Gone);
    becomes(began, true);
    assert_eq!(standing().await, Standing::Firing);
    let later = fettle_core::time::after(began, Duration::from_secs(1));
    becomes(later, false);
    assert_eq!((standing().await, standing().await), (Standing::Unknown, Standing::Unknown));
}

#[tokio::test]
async fn every_request_to_a_peer_is_counted_and_what_is_remembered_is_not_one() {
    let real = Real::start().await;
    let metrics = Arc::new(fettle::telemetry::metrics::Metrics::new());
    let nobody = format!("http://127.0.0.1:{}", crate::support::postgres::free_port());
    let upstream = peers(&[&real.url(), &nobody]).counted(&(metrics.clone() as Arc<dyn Answers>));
    let counted = |code: &str| {
        let line = format!("fettle_upstream_requests_total{{code=\"{code}\",peer_kind=\"alertmanager\"}} ");
        let text = metrics.render();
        text.lines().find_map(|it| it.strip_prefix(&line)).unwrap_or("none").to_owned()
    };
    let now = Timestamp::now();
    upstream.picture(now, FRESH).await.expect("one answers");
    assert_eq!(
        (counted("200"), counted("upstream_unreachable")),
        ("3".into(), "2".into()),
        "its age, its alerts, and its age again"
    );
    upstream.picture(now, Duration::from_mins(1)).await.expect("known already");
    assert_eq!((counted("200"), counted("upstream_unreachable")), ("3".into(), "2".into()), "a picture that is shared");
    upstream.post(&[announcement(&own("web"), SOON * 6)]).await;
    assert_eq!((counted("200"), counted("upstream_unreachable")), ("4".into(), "3".into()));
}
