//! `fettle replay` over a month of a busy place: a million recorded alerts, a thousand rules.
//!
//! The record is one that a service of today would have: a database that fettle made, filled with notifications of 20 alerts.
//! Each alert fires, is told three times more and resolves; each is selected by one rule, so two hundred thousand
//! remediations are opened, acted on, judged and closed, and budgets hold some of them back.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Bench, noise, quiet};
use crate::fettle::{Database, Rules};
use crate::machine::{self, Watch};
use crate::table::{Row, Table};

const ALERTS: u64 = 1_000_000;
const PER_BODY: u64 = 20;
/// Each alert fires so often, and then resolves.
const TOLD: u64 = 4;
const RULES: u64 = 1000;
const SERVICES: u64 = 2000;
/// A month, in seconds.
const MONTH: u64 = 30 * 24 * 3600;
/// 2026-01-01T00:00:00Z.
const BEGIN: u64 = 1_767_225_600;

const MUST: f64 = 20.0;
const MUST_MB: f64 = 300.0;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let alerts = if bench.options.quick { ALERTS / 10 } else { ALERTS };
    let mut fettle = bench.fettle("replay", Database::Sqlite, Rules::Unselected)?;
    fettle.kill();
    let folder = bench.folder.join("replay");
    fill(&folder.join("fettle.db"), alerts / PER_BODY)?;
    fs::write(folder.join("rules.yaml"), rules())?;

    quiet(bench);
    let watch = Watch::start();
    let mut command = Command::new(&bench.options.fettle);
    let period = ["--since", "2026-01-01T00:00:00Z", "--until", "2026-02-01T00:00:00Z"];
    command.args(["replay", "--output", "json", "--config"]).arg(folder.join("fettle.yaml"));
    command.arg("--rules").arg(folder.join("rules.yaml")).args(period).current_dir(&folder);
    command.env_remove("DATABASE_URL").stdin(Stdio::null()).stderr(fs::File::create(folder.join("replay.log"))?);
    let out = folder.join("replay.json");
    command.stdout(fs::File::create(&out)?);
    let begin = Instant::now();
    let mut child = command.spawn().context("run fettle replay")?;
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(machine::peak_mb(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = begin.elapsed().as_secs_f64();
    ensure!(status.success(), "fettle replay: {}", fs::read_to_string(folder.join("replay.log"))?.trim());
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&out)?)?;
    ensure!(report["alerts"] == alerts, "it replayed {} alerts", report["alerts"]);
    let measured = format!(
        "{took:.1} s ({:.0} alerts/s), {peak:.0} MB, {} remediations{}",
        alerts as f64 / took,
        report["total"]["would"]["opened"],
        noise(&watch)
    );
    let met = took < MUST && peak < MUST_MB;
    let title = format!("replay of {alerts} recorded alerts with {RULES} rules");
    table.rows.push(Row::judged(&title, measured, ("< 20 s, < 300 MB", "< 10 s"), (met, met && took < MUST / 2.0)));
    Ok(())
}

/// One rule per alert name, for containers of any name.
fn rules() -> String {
    let mut text = "version: 1\nrules:\n".to_owned();
    for n in 0..RULES {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  - name: rule-{n}\n    match: ['alertname=\"Alert{n}\"', 'env=~\"prod|stage\"']\n    \
             target: {{container: $labels.service, host: host-0, allow: [\"service-*\"]}}\n    steps: [restart, restart]"
        );
    }
    text
}

/// Writes the notifications as the service stores them, by SQL: 50,000 bodies take seconds.
fn fill(database: &Path, bodies: u64) -> Result<()> {
    let step = MONTH / bodies;
    let round = TOLD + 1;
    // Body `i` is word `i % round` about the alerts of group `i / round`; the last word is that they have resolved.
    let instant = |seconds: &str| format!("strftime('%Y-%m-%dT%H:%M:%S', {BEGIN} + ({seconds}) * {step}, 'unixepoch')");
    let (at, since) = (instant("i"), instant(&format!("i / {round} * {round}")));
    let alert = format!(
        "json_object('status', status, 'labels', json_object('alertname', 'Alert' || (n % {RULES}), 'cluster', 'eu-west-1a', \
         'env', 'prod', 'image', 'registry.example.net/shop/checkout-api:1.4.' || (n % 7), 'instance', \
         'docker-' || (n % 20) || '.example.net:9323', 'job', 'cadvisor', 'service', 'service-' || (n % {SERVICES}), \
         'severity', 'critical', 'team', 'payments'), 'annotations', json_object('summary', 'The container fails its health \
         check', 'description', 'The health probe has failed 5 times in 2m; requests are still being routed to it.'), \
         'startsAt', {since} || 'Z', 'endsAt', iif(status = 'firing', '0001-01-01T00:00:00Z', {at} || 'Z'), \
         'generatorURL', 'http://prometheus.example.net:9090/graph?g0.tab=1', 'fingerprint', '0000000000000000')"
    );
    let sql = format!(
        "PRAGMA synchronous = OFF;
         WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < {bodies}),
         places(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM places WHERE k + 1 < {PER_BODY}),
         rows AS (SELECT i, iif(i % {round} = {TOLD}, 'resolved', 'firing') AS status FROM numbers),
         bodies AS (
             SELECT i, status, CAST('{{\"receiver\":\"fettle\",\"status\":\"' || status || '\",\"version\":\"4\",\"groupKey\":\"{{}}\",\
                 \"truncatedAlerts\":0,\"alerts\":[' || (
                     SELECT group_concat({alert}) FROM (SELECT i / {round} * {PER_BODY} + k AS n FROM places)
                 ) || ']}}' AS blob) AS body
             FROM rows
         )
         INSERT INTO notifications (id, received_at, sender, receiver, group_key, status, alerts, truncated, bytes, body)
         SELECT printf('%08x-0000-7000-8000-000000000000', i), {at} || '.000000Z', 'bench', 'fettle', '{{}}', status,
                {PER_BODY}, 0, length(body), body
         FROM bodies;"
    );
    let filled = Command::new("sqlite3").arg("-bail").arg(database).arg(sql).output().context("run sqlite3")?;
    ensure!(filled.status.success(), "sqlite3: {}", String::from_utf8_lossy(&filled.stderr).trim());
    Ok(())
}
