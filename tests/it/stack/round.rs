//! The loop with its real parts and the shipped files: Prometheus with the shipped rules, Alertmanager with the shipped
//! routes, fettle with the shipped rules behind the shipped lists of what Docker may be asked, PostgreSQL, Docker, and the
//! sample service, which crashes, leaks and fills its disk.
//!
//! Changed in the files: addresses, the paths of secrets, how often Prometheus looks, how long an alert must last, whom the
//! page wakes, and the cooldowns. What is healed within two seconds in so fast a world is looked at by holding Prometheus
//! still meanwhile. Of the scraped only cAdvisor is played by the test: it serves Docker's own figures under cAdvisor's names.

use std::time::Duration;

use serde_json::Value;

use super::rig::{LOOP, Stack, TARGET};
use super::{items, text};
use crate::support::wait;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_healed_once_though_fettle_is_killed_and_its_database_goes_away_in_the_middle() {
    let mut stack = Stack::start().await;
    let before = stack.arcanum.started_at().await;
    stack.breaks("crash").await;
    stack.holds("ArcanumNeedsRestart").await;
    wait::until("fettle is at it", LOOP, async || {
        let open = stack.fettle.remediations(TARGET).await;
        if open.is_empty() { Err(stack.fettle.log()) } else { Ok(()) }
    })
    .await;
    stack.fettle.kill();
    stack.postgres.kill();
    stack.fettle.launch();
    stack.postgres.restart().await;
    stack.fettle.ready().await;
    stack.is_at_work("ArcanumNeedsRestart").await;
    stack.pages_are_sent().await;
    stack.watcher.signal("-CONT");
    stack.heals("ArcanumNeedsRestart", "restart", "arcanum-needs-restart").await;
    assert_ne!(stack.arcanum.started_at().await, before);
    stack.sees("up{job=\"arcanum\"} == 1").await;
    assert_eq!(stack.fettle.remediations(TARGET).await.len(), 1);
    // The way from Prometheus to fettle was seen to be open.
    wait::until("the heartbeat is heard", LOOP, async || {
        let alerts = stack.fettle.get("/api/v1/alerts?limit=1000").await;
        let heard = items(&alerts).iter().any(|it| it["labels"]["alertname"] == "Watchdog");
        if heard { Ok(()) } else { Err(format!("{alerts:#}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_is_ended_by_a_restart_before_the_kernel_kills() {
    let stack = Stack::start().await;
    let before = stack.arcanum.started_at().await;
    let used = "container_memory_working_set_bytes / container_spec_memory_limit_bytes";
    // In small bites, so that the limit is approached and not run into.
    let url = format!("http://127.0.0.1:{}/api/v1/query", stack.prometheus);
    wait::until("it has leaked", LOOP, async || {
        let asked = stack.client.get(&url).query(&[("query", used)]).send().await.map_err(|error| error.to_string())?;
        let answer: Value = asked.json().await.map_err(|error| error.to_string())?;
        let share =
            answer["data"]["result"][0]["value"][1].as_str().and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
        if share > 0.955 || stack.arcanum.started_at().await != before {
            return Ok(());
        }
        stack.breaks(if share < 0.8 { "leak?mib=4" } else { "leak?mib=1" }).await;
        // Prometheus looks once a second: wait for what the last bite did.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        Err(format!("{share}"))
    })
    .await;
    stack.holds("ContainerMemoryExhaustion").await;
    stack.is_at_work("ContainerMemoryExhaustion").await;
    stack.watcher.signal("-CONT");
    let row = stack.heals("ContainerMemoryExhaustion", "restart", "container-memory-exhaustion").await;
    assert_ne!(stack.arcanum.started_at().await, before);
    let state = stack.arcanum.inspect().await.state.unwrap_or_default();
    assert_ne!(state.oom_killed, Some(true), "{state:?}");
    assert!(row["detail"].to_string().contains("memory"), "the evidence has its figures: {row:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_its_logs_fill_is_emptied_and_every_file_is_on_record() {
    let stack = Stack::start().await;
    let before = stack.arcanum.started_at().await;
    stack.breaks("fill?percent=95").await;
    stack.sees("service:volume_used:ratio > 0.85").await;
    stack.holds("HighDiskUsage").await;
    stack.is_at_work("HighDiskUsage").await;
    stack.watcher.signal("-CONT");
    let row = stack.heals("HighDiskUsage", "clean_logs", "service-disk-logs").await;
    let file = &row["detail"]["cleaned"]["files"][0];
    assert_eq!((text(&file["root"]), text(&file["path"])), ("/var/log/arcanum", "arcanum.log"), "{row:#}");
    stack.sees("service:volume_used:ratio < 0.5").await;
    assert_eq!(stack.arcanum.started_at().await, before, "nothing was restarted for it");
}
