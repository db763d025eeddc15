//! Every SQL of the dashboards at a million audit rows: by an index, and soon.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fettle_core::time::{Timestamp, after, before};
use uuid::Uuid;

use super::expand::{Ask, expand};
use super::scene::{Reader, as_owner, with_role};
use super::{SQL, queries};

const YEARS: &str = include_str!("million.sql");

/// What grows with time. The others hold what stands now.
const GROWING: [&str; 9] =
    ["actions", "verdicts", "remediations", "events", "notifications", "transitions", "loans", "alerts", "answers"];

/// What a person waits for. The quickest of a few times, for this machine does other things as well.
const LIMIT: Duration = Duration::from_millis(200);
const TIMES: usize = 9;

fn ask(days: u64) -> Ask<'static> {
    let now = Timestamp::now();
    // As fine as Grafana asks for some hundred points.
    let interval_seconds = u32::try_from(days * 900).expect("not many days");
    let (from, to) = (before(now, Duration::from_hours(24 * days)), after(now, Duration::from_secs(5)));
    Ask { from, to, interval_seconds, chosen: BTreeMap::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_million_audit_rows_every_sql_goes_by_an_index_and_answers_within_200_ms() {
    let postgres = with_role().await;
    fettle_store::open(&postgres.url(), Uuid::now_v7().into()).await.expect("fettle migrates").close().await;
    as_owner(&postgres.url(), YEARS).await;
    let mut reader = Reader::connect(postgres.address(), "postgres").await;
    let count = reader.lines("SELECT count(*)::text FROM fettle_audit").await.expect("counted");
    assert_eq!(count, ["1000000"]);
    for query in queries(SQL) {
        for days in [1, 7, 30] {
            let sql = expand(&query, &ask(days));
            let plan = reader.lines(&format!("EXPLAIN {sql}")).await.expect(&query.place).join("\n");
            for table in GROWING {
                let whole = regex::Regex::new(&format!(r"Seq Scan on {table}\b")).expect("an expression");
                assert!(!whole.is_match(&plan), "{}, {days} days: {table} as a whole\n{plan}", query.place);
            }
        }
        let sql = expand(&query, &ask(1));
        let mut quickest = Duration::MAX;
        for _ in 0..TIMES {
            let start = Instant::now();
            let table = reader.ask(&sql).await.expect(&query.place);
            quickest = quickest.min(start.elapsed());
            assert!(!table.rows.is_empty(), "{}: there is something of the last day", query.place);
            if quickest < LIMIT {
                break;
            }
        }
        assert!(quickest < LIMIT, "{}: {quickest:?}", query.place);
    }
}
