//! A real Prometheus that scrapes itself: conditions that hold, that do not, and that nobody can tell.

use fettle_core::ports::upstream::judge;
use fettle_core::ports::upstream::{Answer, Query};
use fettle_upstream::prometheus::Prometheus;

use super::canned::{Canned, reply};
use super::*;

fn client(url: &str) -> Prometheus {
    provider();
    let config = config::Prometheus { url: Url::parse(url).expect("a URL"), access: Access::default() };
    Prometheus::new(&config.url, &config.access).expect("a client")
}

async fn asked(prometheus: &Prometheus, expr: &str) -> Option<bool> {
    judge(&prometheus.query(expr, None).await.unwrap_or_else(|error| panic!("{expr}: {error}")))
}

#[tokio::test]
async fn a_condition_holds_or_does_not_or_nobody_can_tell() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: self, metrics_path: /prefix/metrics, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).expect("written");
    let arguments = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=tsdb".to_owned(),
        "--web.route-prefix=/prefix".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let process = Process::start(folder.path(), "prometheus", "prometheus", &arguments);
    let prometheus = client(&format!("http://127.0.0.1:{port}/prefix/"));
    wait::until("it has scraped itself", SOON, async || match prometheus.query("up == 1", None).await {
        Ok(Answer::Vector(samples)) => Ok(samples),
        other => Err(format!("{other:?}")),
    })
    .await;
    for (expr, judged) in [
        (r#"up{job="self"} == 1"#, Some(true)),
        (r#"up{job="self"} == 0"#, Some(false)),
        (r#"up{job="absent"}"#, Some(false)),
        (r#"up{job=~"se(l|x)f"} > 0 and on() vector(1)"#, Some(true)),
        (r#"scalar(up{job="self"})"#, Some(true)),
        ("0", Some(false)),
        (r#"scalar(up{job="absent"})"#, None),
        ("vector(0) / vector(0)", None),
        ("vector(1) / vector(0)", Some(true)),
    ] {
        assert_eq!(asked(&prometheus, expr).await, judged, "{expr}");
    }
    let Answer::Vector(samples) = prometheus.query("up", None).await.expect("it answers") else { panic!("a vector") };
    assert_eq!((samples[0].labels.get("job"), samples.len()), ("self", 1));
    assert!((samples[0].value - 1.0).abs() < f64::EPSILON);
    // Before it was there, nothing was up.
    let before = fettle_core::time::before(Timestamp::now(), Duration::from_hours(1));
    assert_eq!(prometheus.query("up", Some(before)).await.expect("it answers"), Answer::Empty);
    for (expr, reason) in
        [("up{", "upstream_error"), ("up[1m]", "upstream_senseless"), (r#""text""#, "upstream_senseless")]
    {
        let error = prometheus.query(expr, None).await.expect_err(expr);
        assert_eq!((error.reason(), error.is_transient()), (reason, false), "{error}");
    }
    drop(process);
    let error = prometheus.query("up", None).await.expect_err("it is gone");
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_prometheus_that_hangs_or_floods_is_given_up() {
    let flood = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b' '; fettle_upstream::prometheus::ANSWER_MAX + 1]].concat();
    let error = client(&Canned::always(flood).await.url()).query("up", None).await.expect_err("too much");
    assert_eq!(error.reason(), "upstream_too_large");
    let hung = Canned::hung().await;
    let start = std::time::Instant::now();
    let error = client(&hung.url()).query("up == 1", Some(Timestamp::UNIX_EPOCH)).await.expect_err("it hangs");
    assert_eq!(error.reason(), "upstream_timeout");
    let limit = fettle_upstream::prometheus::ASK;
    assert!(start.elapsed() >= limit && start.elapsed() < limit * 2, "{:?}", start.elapsed());
    assert!(
        hung.heads()[0]
            .starts_with("GET /api/v1/query?query=up+%3D%3D+1&timeout=4s&time=1970-01-01T00%3A00%3A00.000Z ")
    );
    let partial = br#"{"status":"success","warnings":["a store is away"],"data":{"resultType":"vector","result":[]}}"#;
    let doubtful = Canned::always(reply(200, "", partial)).await;
    assert_eq!(asked(&client(&doubtful.url()), "up").await, None);
}
