//! `fettle explain` and `fettle reach` beside a real fettle: what is said is what is done, and asking leaves no trace.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bollard::query_parameters::InspectServiceOptions;
use serde_json::{Value, json};

use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::postgres::Database;
use crate::support::{swarm, wait};

const SOON: Duration = Duration::from_secs(40);

const RULES: &str = r#"version: 1
rules:
  - {name: other, match: ['alertname="Other"'], target: {min_age: 0s, container: other}, steps: [restart]}
  - name: restart
    match: ['alertname="Down"']
    target: {min_age: 0s, container: $labels.service, allow: ["*"]}
    budget: [1 per 1h]
    cooldown: 0s
    steps:
      - restart: {grace: 5s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 3s}
"#;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// The command line on this machine, without a URL.
async fn fettle(folder: &Path, words: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
    command.args(words).current_dir(folder).stdin(Stdio::null());
    for name in
        ["DATABASE_URL", "DOCKER_HOST", "FETTLE_LISTEN", "FETTLE_MODE", "FETTLE_RULES", "FETTLE_DATABASE", "FETTLE_URL"]
    {
        command.env_remove(name);
    }
    let done = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

async fn explained(service: &Fettle, name: &str) -> Value {
    let label = format!("service={name}");
    let said = fettle(service.folder(), &["explain", "alertname=Down", &label, "--output", "json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let local: Value = serde_json::from_str(&said.out).expect("JSON");
    let (status, remote) = service.ask("/api/v1/explain", &firing(&[("alertname", "Down"), ("service", name)])).await;
    assert_eq!(status, 200, "{remote}");
    let of = |it: &Value| it["alerts"][0]["efforts"][0].clone();
    let (local, remote) = (of(&local), of(&remote));
    for member in ["rule", "target", "standing", "stopped_by", "mode", "plan"] {
        assert_eq!(local[member], remote[member], "{member}\n{local:#}\n{remote:#}");
    }
    remote
}

fn says<'a>(effort: &'a Value, guard: &str) -> &'a Value {
    let all = effort["guards"].as_array().expect("guards");
    all.iter().find(|it| it["guard"] == guard).unwrap_or_else(|| panic!("{guard} is not there: {effort:#}"))
}

async fn what_is_said_is_what_is_done(setup: Setup, daemon: &Daemon) {
    let container = Run::named("told").enabled().start(daemon).await;
    let service = setup.start().await;
    let target = format!("container:local/{}", container.name);
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];

    let before = container.started_at().await;
    let effort = explained(&service, &container.name).await;
    assert_eq!((&effort["standing"], &effort["stopped_by"]), (&json!("new"), &Value::Null), "{effort:#}");
    assert_eq!(effort["next"][0]["what"], "restart", "{effort:#}");
    assert_eq!(says(&effort, "budget")["numbers"]["scopes"][0]["used"], 0, "{effort:#}");
    for path in ["/api/v1/remediations", "/api/v1/alerts", "/api/v1/actions"] {
        assert_eq!(service.get(path).await, json!([]), "asking leaves nothing in {path}");
    }
    assert_eq!(container.started_at().await, before, "asking does nothing");

    service.send(&firing(&labels)).await;
    wait::until("it was restarted", SOON, async || {
        let rows = service.actions(&target).await;
        if rows.iter().any(|row| row["result"] == "succeeded") { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    service.send(&resolved(&labels)).await;
    service.closed(&target, SOON).await;

    let effort = explained(&service, &container.name).await;
    assert_eq!(effort["stopped_by"], "budget", "{effort:#}");
    let until = says(&effort, "budget")["until"].clone();
    assert_eq!(says(&effort, "budget")["says"], "waits", "{effort:#}");
    service.send(&firing(&labels)).await;
    let blocked = wait::until("it is blocked", SOON, async || {
        let newest = service.remediations(&target).await.into_iter().next().unwrap_or_default();
        if newest["state"] == "blocked" { Ok(newest) } else { Err(newest.to_string()) }
    })
    .await;
    assert_eq!((&blocked["reason"], &blocked["due_at"]), (&json!("budget"), &until), "as it was said");

    let id = blocked["id"].as_str().expect("an id");
    let story = service.get(&format!("/api/v1/remediations/{id}")).await;
    assert_eq!(story["now"]["stopped_by"], "budget", "{story:#}");
    assert_eq!(says(&story["now"], "budget")["until"], until);
    let told = story["timeline"].as_array().expect("a timeline");
    let refusal = told.iter().find(|it| it["what"] == "blocked by budget").expect("it is in the story");
    assert_eq!(refusal["detail"]["numbers"]["max"], 1, "{refusal}");

    let said = fettle(service.folder(), &["explain", id]).await;
    assert!(said.code == Some(0) && said.out.contains("stopped by budget"), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("1 of 1 in 3600 s are used"), "{}", said.out);
    let url = service.url("");
    let said = fettle(service.folder(), &["show", id, "--url", &url]).await;
    assert!(said.code == Some(0) && said.out.contains("stopped by budget"), "{}\n{}", said.out, said.err);
    let said = fettle(service.folder(), &["explain", id, "--url", &url]).await;
    assert!(said.code == Some(0) && said.out.contains("stopped by budget"), "{}\n{}", said.out, said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_what_is_done_on_sqlite() {
    let daemon = Daemon::shared().await;
    what_is_said_is_what_is_done(Setup::new(&daemon.url(), RULES), &daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_what_is_done_on_postgres() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let setup = Setup::new(&daemon.url(), RULES).database(&database.url());
    what_is_said_is_what_is_done(setup, &daemon).await;
}

const SERVICES: &str = r#"version: 1
rules:
  - name: anew
    match: ['alertname="Down"']
    target: {swarm: {service: $labels.service}, allow: ["shop_*"]}
    budget: [1 per 1h]
    cooldown: 0s
    steps:
      - restart: {}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 2m}
  - name: fewer
    match: ['alertname="Load"']
    target: {swarm: {service: $labels.service}, allow: ["shop_*"]}
    cooldown: 0s
    steps:
      - scale_down: {by: 1, floor: 1}
        restore: never
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_services_of_a_swarm_is_what_is_done() {
    let own = swarm::start().await;
    let client = &own.daemon.client;
    swarm::create(client, "shop_web", swarm::replicated(2), true).await;
    swarm::create(client, "shop_closed", swarm::replicated(1), false).await;
    swarm::create(client, "shop_agent", swarm::global(), true).await;
    swarm::create(client, "other", swarm::replicated(1), true).await;
    let service = Setup::new(&own.daemon.url(), SERVICES).start().await;

    let said = fettle(service.folder(), &["reach", "--output", "json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let reach: Value = serde_json::from_str(&said.out).expect("JSON");
    let lines: Vec<String> = reach["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .flat_map(|rule| rule["touches"].as_array().expect("touches"))
        .map(|it| format!("{} {} {}", it["target"], it["action"], it["guard"]).replace('"', ""))
        .collect();
    assert_eq!(
        lines,
        [
            "swarm:local/shop_agent restart null",
            "swarm:local/shop_closed restart not_enabled",
            "swarm:local/shop_web restart null",
            "swarm:local/shop_agent scale_down not_scalable",
            "swarm:local/shop_closed scale_down not_enabled",
            "swarm:local/shop_web scale_down null",
        ]
    );
    assert_eq!(reach["rules"][0]["not_allowed"], 1, "one is there and not permitted: {}", said.out);
    let remote = service.get("/api/v1/reach").await;
    for (mine, theirs) in
        reach["rules"].as_array().into_iter().flatten().zip(remote["rules"].as_array().into_iter().flatten())
    {
        assert_eq!(mine["touches"], theirs["touches"]);
    }

    for (name, stopped_by) in [("shop_closed", json!("not_enabled")), ("other", json!("not_allowed"))] {
        let effort = explained(&service, name).await;
        assert_eq!(effort["stopped_by"], stopped_by, "{effort:#}");
    }
    let effort = explained(&service, "shop_web").await;
    assert_eq!(
        (&effort["stopped_by"], &effort["target"]),
        (&Value::Null, &json!("swarm:local/shop_web")),
        "{effort:#}"
    );
    assert_eq!(effort["next"][0]["what"], "restart", "{effort:#}");

    let version = async || {
        let seen = client.inspect_service("shop_web", None::<InspectServiceOptions>).await.expect("it is there");
        seen.version.and_then(|it| it.index).expect("a version")
    };
    let before = version().await;
    let labels = [("alertname", "Down"), ("service", "shop_web")];
    service.send(&firing(&labels)).await;
    wait::until("its tasks are made anew", SOON, async || {
        let rows = service.actions("swarm:local/shop_web").await;
        if rows.iter().any(|row| row["result"] == "succeeded") { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    assert!(version().await > before, "somebody did what was said");
    service.send(&resolved(&labels)).await;
    let story = service.closed("swarm:local/shop_web", Duration::from_mins(3)).await;
    assert_eq!(story["outcome"], "fixed", "{story:#}");
    assert_eq!(explained(&service, "shop_web").await["stopped_by"], "budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_does_not_permit_is_told_and_refused_alike() {
    let daemon = Daemon::shared().await;
    let container = Run::named("closed").start(&daemon).await;
    let service = Setup::new(&daemon.url(), RULES).start().await;
    let effort = explained(&service, &container.name).await;
    assert_eq!(effort["stopped_by"], "not_enabled", "{effort:#}");
    assert_eq!(effort["next"][0]["what"], "closed refused: not_enabled", "{effort:#}");
    service.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
    let story = service.closed(&format!("container:local/{}", container.name), SOON).await;
    assert_eq!((&story["outcome"], &story["reason"]), (&json!("refused"), &json!("not_enabled")));
    assert_eq!(story["now"], Value::Null, "what is closed is about to do nothing");
    let told = story["timeline"].as_array().expect("a timeline");
    assert!(
        told.iter().any(|it| it["what"] == "refused by not_enabled" && it["detail"]["why"].is_string()),
        "{told:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anything_but_rules_an_alert_is_explained_and_rules_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("new.yaml", RULES);
    write("old.yaml", &RULES.replace("\"*\"", "web"));
    write("broken.yaml", "version: 1\nrules: [{nam: x}]\n");
    let words = ["explain", "--offline", "--rules", "new.yaml", "alertname=Down", "service=web"];
    let said = fettle(folder.path(), &words).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("taken by restart") && said.out.contains("alertname=\"Other\" says no"), "{}", said.out);
    assert!(said.out.contains("not asked") && said.out.contains("Docker was not asked"), "{}", said.out);

    let same = fettle(folder.path(), &["reach", "--offline", "--rules", "old.yaml", "--diff", "old.yaml"]).await;
    assert_eq!((same.code, same.out.as_str()), (Some(0), "the rules reach no wider than before\n"), "{}", same.err);
    let wider = fettle(folder.path(), &["reach", "--offline", "--rules", "new.yaml", "--diff", "old.yaml"]).await;
    assert_eq!(wider.code, Some(1), "{}", wider.out);
    assert!(wider.out.contains("allow") && wider.err.contains("wider than before"), "{}\n{}", wider.out, wider.err);

    let broken = fettle(folder.path(), &["reach", "--offline", "--rules", "new.yaml", "--diff", "broken.yaml"]).await;
    assert!(broken.code == Some(1) && broken.err.contains("the rules do not load"), "{}", broken.err);
    for words in [&["reach", "--offline"][..], &["explain", "alertname=Down", "x"], &["explain", "a=b", "a=c"]] {
        assert_eq!(fettle(folder.path(), words).await.code, Some(2), "{words:?}");
    }
    let said =
        fettle(folder.path(), &["explain", "--offline", "--rules", "new.yaml", "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11"]);
    let said = said.await;
    assert!(said.code == Some(1) && said.err.contains("--url"), "{}", said.err);
    assert!(!folder.path().join("fettle.db").exists(), "nothing is created");
}

#[tokio::test(flavor = "multi_thread")]
async fn reach_is_saved_and_compared_with_without_docker() {
    let daemon = Daemon::shared().await;
    let container = Run::named("reached").enabled().start(&daemon).await;
    let service = Setup::new(&daemon.url(), RULES).start().await;
    let said = fettle(service.folder(), &["reach", "--output", "json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let reach: Value = serde_json::from_str(&said.out).expect("JSON");
    let name = format!("container:local/{}", container.name);
    let touch = |of: &Value| {
        let all = of["rules"][1]["touches"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|it| it["target"] == name.as_str()).expect("it is there")
    };
    assert_eq!(touch(&reach)["may"], true, "{}", said.out);
    assert_eq!(touch(&service.get("/api/v1/reach").await)["may"], true);
    std::fs::write(service.folder().join("reach.json"), &said.out).expect("written");
    let old = RULES.replace("\"*\"", "nothing");
    std::fs::write(service.folder().join("old.yaml"), old).expect("written");
    let words = ["reach", "--diff", "old.yaml", "--containers", "reach.json"];
    let said = fettle(service.folder(), &words).await;
    assert!(said.code == Some(1) && said.out.contains(&format!("restart of {name}")), "{}\n{}", said.out, said.err);
    let said = fettle(service.folder(), &["reach", "--may", "--url", &service.url("")]).await;
    assert!(said.code == Some(0) && said.out.contains(&name), "{}\n{}", said.out, said.err);
}
