//! How the statements of a decision find their rows: by an index, however much has been stored.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use fettle_core::ports::model::FactsAsk;
use fettle_store::open;
use uuid::Uuid;

use super::fixture::{at, held, open_all, target};
use super::schema::statements;
use super::{Db, on_both};

on_both!(decisions_are_made_from_indexed_rows);

/// Tables that grow with time. The others hold what is open, or one row for each rule.
const GROWING: [&str; 8] =
    ["actions", "verdicts", "remediations", "alerts", "candidates", "answers", "announcements", "loans"];

/// Statements that are made for every decision, with parameters for PostgreSQL.
const HOT: [(&str, &str); 12] = [
    (
        "facts.FACTS",
        "'01920000-0000-7000-8000-000000000001', now(), 'rule-7', now() - interval '30 minutes', 64, 'container:local/t7', \
         'key-7', '{HostDown}', '{\"{\\\"instance\\\":\\\"a\\\"}\"}', now() - interval '10 minutes', 256",
    ),
    (
        "ledger.LEDGER",
        "'{rule_target,rule,target,fleet}', \
         array_fill(now() - interval '1 hour', ARRAY[4]), '{3,6,6,20}', 'act', 'rule-7', 'container:local/t7', 'key-7', \
         '01920000-0000-7000-8000-000000000001', '{key-7,service-7}', now() - interval '30 minutes', 64, now()",
    ),
    ("lending.FACTS", "'container:local/t7', 'rule-7', now()"),
    ("world.LOCK", "'{01920000-0000-7000-8000-000000000001}', '{0000000000000007}', '{container:local/t7}'"),
    ("world.STANDING", "'{0000000000000007}'"),
    ("past.PAST", "now() - interval '2 minutes', 5, '{container:local/t7}', now() - interval '30 minutes'"),
    ("facts.LAST_HEARD", "'Watchdog'"),
    ("answers.EARLIER", "'01920000-0000-7000-8000-000000000001', 'plan', now()"),
    ("loans.CLAIM", "'01920000-0000-7000-8000-000000000001', now(), now(), 9"),
    ("outbox.TAKE_BACK", "now()"),
    ("outbox.LAPSE", "now()"),
    ("outbox.CLAIM", "'01920000-0000-7000-8000-000000000001', now(), now(), now(), 9"),
];

/// What SQLite has instead of the large ones.
const SQLITE: [&str; 22] = [
    "standing.ATTACHED",
    "facts.LOANS",
    "facts.ANSWER",
    "facts.NAMED",
    "facts.LAST_HEARD",
    "unproven.UNPROVEN",
    "unproven.BREAKER_OF",
    "ledger.FLEET",
    "ledger.RULE",
    "ledger.TARGET",
    "ledger.RULE_TARGET",
    "ledger.LAST_EFFECT",
    "ledger.RIVALS",
    "ledger.IN_FLIGHT",
    "lending.ALERTS",
    "past.FIXED",
    "past.RECENT",
    "past.RETURNED",
    "answers.EARLIER",
    "outbox.TAKE_BACK",
    "outbox.CLAIM",
    "loans.CLAIM",
];

/// 200,000 actions of a year with their verdicts, and 20,000 of everything else.
const YEARS: &str = "
    INSERT INTO remediations (id, opened_at, closed_at, actions, state, outcome, rule, target, target_key, host, alertname,
                              fingerprint, doc)
    SELECT gen_random_uuid(), t, t, 1, 'closed', 'fixed', 'rule-' || n % 50, 'container:local/t' || n % 500,
           'key-' || n % 500, 'local', 'ServiceDown', md5(n::text), '{}'
    FROM (SELECT n, now() - n * interval '26 minutes' AS t FROM generate_series(1, 20000) n) x;
    INSERT INTO actions (id, remediation_id, rule, action, target, target_key, host, mode, result, actor, alertname,
                         fingerprint, labels, planned_at, finished_at, attempt, step, detail, spends)
    SELECT gen_random_uuid(), r.id, r.rule, 'restart', r.target, r.target_key, 'local', 'act', 'succeeded', 'fettle',
           'ServiceDown', r.fingerprint, '{}', r.opened_at + n * interval '2 minutes', r.opened_at, 1, 1, '{}', true
    FROM remediations r, generate_series(0, 9) n;
    INSERT INTO verdicts (action_id, at, verdict, reason)
    SELECT id, planned_at, CASE WHEN random() < 0.3 THEN 'not_fixed' ELSE 'fixed' END, '' FROM actions ORDER BY planned_at;
    INSERT INTO alerts (evidence_at, heard_at, starts_at, first_at, episode, firing, fingerprint, alertname, labels)
    SELECT now(), now(), now(), now(), 1, n % 2 = 0, md5(n::text), 'Alert' || n % 300,
           jsonb_build_object('alertname', 'Alert' || n % 300, 'instance', 'i' || n)
    FROM generate_series(1, 20000) n;
    INSERT INTO candidates (fingerprint, rule, episode, target, standing, remediation_id)
    SELECT fingerprint, rule, 1, target, 'spent', id FROM remediations;
    INSERT INTO answers (id, remediation_id, kind, by, at)
    SELECT gen_random_uuid(), id, 'cancel', 'me', opened_at FROM remediations;
    INSERT INTO loans (id, remediation_id, rule, target, target_key, keys, state, opened_at, closed_at, doc)
    SELECT gen_random_uuid(), id, rule, target, target_key, ARRAY[target_key], 'returned', opened_at, closed_at, '{}'
    FROM remediations;
    INSERT INTO announcements (id, name, remediation_id, labels, annotations, starts_at, at, until, ended)
    SELECT gen_random_uuid(), 'FettleWorking', id, '{}', '{}', opened_at, opened_at, opened_at, true FROM remediations;
    ANALYZE";

async fn decisions_are_made_from_indexed_rows(db: Db) {
    if db.is_sqlite() { on_sqlite(&db).await } else { on_postgres(&db).await }
}

fn sql_of(all: &[(String, String)], name: &str) -> String {
    let found = all.iter().find(|(it, _)| it == name);
    found.unwrap_or_else(|| panic!("there is no {name}")).1.clone()
}

/// With the plan for exactly these parameters, with the one that a connection keeps for all of them, and with that of a
/// transaction that decides.
async fn on_postgres(db: &Db) {
    db.sql(YEARS).await.unwrap();
    let all = statements("postgres");
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    for (mode, scans) in [("force_custom_plan", "on"), ("force_generic_plan", "on"), ("force_generic_plan", "off")] {
        for (name, parameters) in HOT {
            let (sql, prepared) = (sql_of(&all, name), name.replace('.', "_"));
            let setup = format!(
                "DEALLOCATE ALL; SET plan_cache_mode = {mode}; SET enable_seqscan = {scans}; SET jit = {scans}; \
                 PREPARE {prepared} AS {sql}"
            );
            sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut connection).await.unwrap();
            let explain = format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE {prepared}({parameters})");
            let lines: Vec<sqlx::postgres::PgRow> =
                sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = lines.iter().map(|line| sqlx::Row::get(line, 0)).collect();
            let plan = plan.join("\n");
            // Compiling a plan takes longer than all of it. Where scans are off it is too: what must scan looks dear then.
            assert!(!plan.contains("JIT:"), "{name}, {mode}: {plan}");
            for table in GROWING {
                let executed = plan.lines().filter(|line| line.contains(&format!("Seq Scan on {table}")));
                let executed: Vec<_> = executed.filter(|line| !line.contains("never executed")).collect();
                assert!(executed.is_empty(), "{name}, {mode}: {executed:?}\n{plan}");
            }
        }
    }
}

/// The server would compile every plan of this database, and writes down what it compiles.
#[tokio::test]
async fn nothing_that_the_service_asks_is_compiled() {
    let db = Db::postgres().await;
    let eager = "ALTER DATABASE {} SET jit_above_cost = 0; ALTER DATABASE {} SET jit_dump_bitcode = on";
    let name = db.texts("SELECT current_database()::text").await.remove(0);
    db.sql(&eager.replace("{}", &format!("\"{name}\""))).await.unwrap();
    let compiled = async || db.texts("SELECT it FROM pg_ls_dir('.') AS it WHERE it LIKE '%.bc'").await;

    let service = open(&db.url(), Uuid::now_v7().into()).await.expect("open the store a second time");
    let it = held("web", at(0));
    open_all(&*service, std::slice::from_ref(&it)).await;
    let ask = FactsAsk {
        remediation: it.id,
        rule: it.rule.clone(),
        unproven_since: at(0),
        target: target("web"),
        key: None,
        unless: Vec::new(),
        unless_since: at(0),
        now: at(1),
    };
    assert_eq!(service.work().facts(&ask).await.unwrap().alerts.len(), 1);
    let pids =
        "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fettle'";
    let theirs = db.texts(pids).await;
    assert!(!theirs.is_empty());
    let files = compiled().await;
    let own = |file: &&String| theirs.iter().any(|pid| file.starts_with(&format!("{pid}.")));
    assert_eq!(files.iter().find(own), None);
    assert!(!files.is_empty(), "what this test asked was compiled");
}

/// Planning them for each call would take longer than executing them.
#[tokio::test]
async fn facts_are_planned_once_for_any_parameters() {
    let db = Db::postgres().await;
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    let (name, parameters) = HOT[0];
    let often = format!("EXECUTE often({parameters}); ").repeat(9);
    let run = format!("PREPARE often AS {}; {often}", sql_of(&statements("postgres"), name));
    sqlx::raw_sql(AssertSqlSafe(run)).execute(&mut connection).await.unwrap();
    let generic = "SELECT generic_plans FROM pg_prepared_statements WHERE name = 'often'";
    let generic: i64 = sqlx::query_scalar(generic).fetch_one(&mut connection).await.unwrap();
    assert_eq!(generic, 4, "the server plans the first five anew");
}

async fn on_sqlite(db: &Db) {
    let all = statements("sqlite");
    let mut connection = SqliteConnection::connect(&db.url()).await.unwrap();
    for name in SQLITE {
        let explain = format!("EXPLAIN QUERY PLAN {}", sql_of(&all, name));
        let lines: Vec<sqlx::sqlite::SqliteRow> =
            sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = lines.iter().map(|line| sqlx::Row::get(line, 3)).collect();
        // A partial index that is walked from end to end holds only what is open.
        let whole = plan.iter().filter(|line| line.starts_with("SCAN ") && !line.contains(" USING "));
        let aliases = ["a", "c", "r", "v", "n", "loans", "announcements"];
        let whole: Vec<_> = whole
            .filter(|line| {
                let table = line.split_whitespace().nth(1).unwrap_or_default();
                GROWING.contains(&table) || aliases.contains(&table)
            })
            .collect();
        assert!(whole.is_empty(), "{name}: {whole:?}\n{plan:#?}");
    }
}
