//! The page in a real browser: clicked through an approval, by keyboard alone on a phone, with texts that would like to be
//! more than text.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::browser::{Browser, ENTER, ESCAPE, SOON};
use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, all_firing, firing, resolved};
use crate::support::wait;

const ADMIN: &str = "the-token-of-ann";
const VIEWER: &str = "the-token-of-vera";
const SENDER: &str = "the-token-of-alertmanager";

/// What a label may hold when somebody means ill.
const HOSTILE: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>";

const RULES: &str = "version: 1
rules:
  - name: patient
    match: ['alertname=\"Held\"']
    hold: 9m
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    steps: [restart]
  - name: restart
    owner: team-shop
    match: ['service=~\".+\"']
    mode: propose
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    cooldown: 0s
    steps:
      - restart: {grace: 5s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 3s}
";

async fn fettle(daemon: &Daemon) -> Fettle {
    let token = |name: &str, role: &str, token: &str| {
        let sha256 = format!("{:x}", Sha256::digest(token));
        format!("{{name: {name}, role: {role}, sha256: {sha256}}}")
    };
    let tokens =
        [token("ann", "admin", ADMIN), token("vera", "viewer", VIEWER), token("alertmanager", "sender", SENDER)];
    let config = format!("storm: off\ntrip: off\nauth: {{tokens: [{}]}}\n", tokens.join(", "));
    Setup::new(&daemon.url(), RULES).config(&config).token(ADMIN).start().await
}

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

/// An alert about the container; the remediation that waits for a person.
async fn proposed(fettle: &Fettle, alertname: &str, container: &Container) -> Value {
    fettle.send(&firing(&[("alertname", alertname), ("service", &container.name), ("note", HOSTILE)])).await;
    wait::until("it is proposed", SOON, async || {
        let newest = fettle.remediations(&target(container)).await.into_iter().next().unwrap_or_default();
        if newest["state"] == "awaiting_approval" { Ok(newest) } else { Err(format!("{newest}\n{}", fettle.log())) }
    })
    .await
}

async fn enter(browser: &Browser, token: &str) {
    browser.write("#token", token).await;
    browser.click("#door-form button").await;
}

async fn nothing_ran(browser: &Browser) {
    assert_eq!(browser.script("return window.hacked === undefined;").await, true, "a label's text was run");
    assert_eq!(browser.script("return document.querySelectorAll('main img, main script').length;").await, 0);
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_clicks_through_an_approval_and_sees_the_plan_first() {
    let daemon = Daemon::shared().await;
    let fettle = fettle(&daemon).await;
    let container = Run::named("clicked").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let browser = Browser::start(1200, 900).await;

    // Without a token: health, and a door.
    browser.open(&fettle.url("/")).await;
    browser.reads("#health-body", "fettle 0.1.0 is").await;
    browser.reads("#door", "A token, please").await;
    assert_eq!(browser.text("#view").await, "");

    // A wrong one says so and leaves nothing behind; a sender's may not look.
    enter(&browser, "not-a-token").await;
    browser.reads("#door-said", "This token is not known here.").await;
    enter(&browser, SENDER).await;
    browser.reads("#door-said", "This token may only send notifications.").await;
    assert_eq!(browser.script("return sessionStorage.length + localStorage.length + document.cookie.length;").await, 0);
    assert_eq!(browser.text("#view").await, "");

    // A viewer sees what comes, as it comes, and has nothing to press.
    enter(&browser, VIEWER).await;
    browser.reads("#who", "vera (viewer)").await;
    browser.reads("#view", "Open (0)").await;
    let it = proposed(&fettle, HOSTILE, &container).await;
    browser.reads("#view", "Open (1)").await;
    browser.reads("article[data-id]", &target(&container)).await;
    browser.reads("article[data-id]", HOSTILE).await;
    assert_eq!(browser.script("return document.querySelectorAll('#view button').length;").await, 0);
    nothing_ran(&browser).await;
    browser.click("#leave").await;
    assert_eq!(browser.text("#view").await, "", "what was shown is gone with the token");

    // An admin looks at the plan and approves exactly that.
    enter(&browser, ADMIN).await;
    browser.reads("#who", "ann (admin)").await;
    let id = it["id"].as_str().expect("an id");
    let plan = fettle.get(&format!("/api/v1/remediations/{id}")).await["proposal"]["plan"].clone();
    browser.click(&format!("[data-key=\"approve {id}\"]")).await;
    browser.reads("#ask-body .plan", plan.as_str().expect("a plan")).await;
    assert_eq!(container.started_at().await, before, "looking changes nothing");
    browser.click("#ask-yes").await;
    browser.reads("#said", "Approved: restart of").await;
    wait::until("it is restarted", SOON, async || {
        let now = container.started_at().await;
        if now == before { Err(fettle.log()) } else { Ok(()) }
    })
    .await;

    // Its story tells who, and texts stay texts.
    browser.open(&fettle.url(&format!("/#/remediations/{id}"))).await;
    browser.reads("#view", "approved by ann").await;
    browser.reads("#view", HOSTILE).await;
    nothing_ran(&browser).await;
    let row = &fettle.get(&format!("/api/v1/remediations/{id}")).await["action_rows"][0];
    assert_eq!((&row["actor"], &row["detail"]["plan"]), (&json!("ann"), &plan), "{row}");

    // The audit is filtered; the rules show what is left.
    browser.click("nav a[data-view=audit]").await;
    browser.reads("#view table", "restart").await;
    browser.write("#by-rule", "no-such-rule").await;
    browser.click("form.filters button").await;
    browser.reads("#view", "Nothing fits these filters.").await;
    browser.click("nav a[data-view=rules]").await;
    browser.reads("#view", "team-shop").await;
    browser.reads("#view", "per target: 2 left").await;
    browser.click("nav a[data-view=events]").await;
    browser.reads("#view", "This machine").await;
    nothing_ran(&browser).await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_and_by_keyboard_alone_a_proposal_is_rejected_and_everything_paused_and_resumed() {
    let daemon = Daemon::shared().await;
    let fettle = fettle(&daemon).await;
    let container = Run::named("typed").enabled().start(&daemon).await;
    let it = proposed(&fettle, "ServiceDown", &container).await;
    let id = it["id"].as_str().expect("an id");
    let browser = Browser::start(360, 740).await;
    browser.scheme("dark").await;
    browser.open(&fettle.url("/")).await;
    browser.reads("#door", "A token, please").await;
    browser.tab_to("the token", "at.id === 'token'").await;
    for key in ADMIN.chars() {
        browser.press(&key.to_string()).await;
    }
    browser.press(ENTER).await;
    browser.reads("article[data-id]", &target(&container)).await;
    let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth;";
    assert_eq!(browser.script(wider).await, false, "nothing to scroll sideways");
    let dark = "return getComputedStyle(document.body).backgroundColor;";
    assert_eq!(browser.script(dark).await, "rgb(20, 24, 22)");

    // Escape leaves the dialog without an answer.
    let reject = format!("at.getAttribute('data-key') === 'reject {id}'");
    browser.tab_to("reject", &reject).await;
    browser.press(ENTER).await;
    browser.reads("#ask-title", "Reject restart of").await;
    assert_eq!(browser.script(wider).await, false);
    browser.press(ESCAPE).await;
    wait::until("the dialog is closed", SOON, async || {
        let open = browser.script("return document.getElementById('ask').open;").await;
        if open == false { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
    browser.tab_to("reject", &reject).await;
    browser.press(ENTER).await;
    browser.tab_to("the yes", "at.id === 'ask-yes'").await;
    browser.press(ENTER).await;
    browser.reads("#said", "Rejected: ").await;
    let closed = fettle.closed(&target(&container), SOON).await;
    assert_eq!(closed["outcome"], "rejected", "{closed:#}");

    browser.tab_to("pause", "at.getAttribute('data-key') === 'pause'").await;
    browser.press(ENTER).await;
    browser.tab_to("why", "at.id === 'pause-why'").await;
    for key in "deploy".chars() {
        browser.press(&key.to_string()).await;
    }
    browser.press(ENTER).await;
    browser.reads("#said", "Paused.").await;
    browser.reads("#view", "deploy").await;
    let pauses = fettle.get("/api/v1/pause").await;
    assert_eq!((&pauses[0]["reason"], &pauses[0]["by"]), (&json!("deploy"), &json!("ann")), "{pauses}");
    browser.tab_to("resume", "(at.getAttribute('data-key') || '').startsWith('resume ')").await;
    browser.press(ENTER).await;
    browser.tab_to("the yes", "at.id === 'ask-yes'").await;
    browser.press(ENTER).await;
    browser.reads("#said", "Resumed.").await;
    assert_eq!(fettle.get("/api/v1/pause").await, json!([]));

    for view in ["audit", "rules", "events"] {
        browser.click(&format!("nav a[data-view={view}]")).await;
        browser.reads("#view h2", if view == "events" { "This machine" } else { "" }).await;
        assert_eq!(browser.script(wider).await, false, "{view}");
    }
    nothing_ran(&browser).await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_back_by_itself_when_fettle_was_away() {
    let daemon = Daemon::shared().await;
    let mut fettle = fettle(&daemon).await;
    let browser = Browser::start(1200, 900).await;
    browser.open(&fettle.url("/")).await;
    enter(&browser, VIEWER).await;
    browser.reads("#view", "Open (0)").await;
    fettle.kill();
    browser.reads("#health-body", "fettle does not answer").await;
    fettle.launch();
    fettle.ready().await;
    let container = Run::named("back").enabled().start(&daemon).await;
    proposed(&fettle, "ServiceDown", &container).await;
    browser.reads("#view", "Open (1)").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_more_than_can_be_shown_those_that_wait_for_a_person_are_all_there_and_the_page_says_so() {
    let daemon = Daemon::shared().await;
    let fettle = fettle(&daemon).await;
    let container = Run::named("oldest").enabled().start(&daemon).await;
    let it = proposed(&fettle, "ServiceDown", &container).await;
    let names: Vec<String> = (0..230).map(|n| format!("a-service-with-a-rather-long-name-number-{n:03}")).collect();
    let alerts: Vec<_> = names.iter().map(|name| vec![("alertname", "Held"), ("service", name.as_str())]).collect();
    fettle.send(&all_firing(&alerts)).await;
    let browser = Browser::start(360, 740).await;
    browser.open(&fettle.url("/")).await;
    enter(&browser, ADMIN).await;
    browser.reads("#view", "Open (200 or more)").await;
    browser.reads("#view", &target(&container)).await;
    assert_eq!(browser.script("return document.title;").await, "(1) fettle");
    let drawn = "return document.querySelectorAll('article[data-id]').length;";
    assert_eq!(browser.script(drawn).await, 31, "few, and the one that waits");
    let first = "return document.querySelector('article[data-id]').dataset.id;";
    assert_eq!(browser.script(first).await, it["id"], "which comes first");
    browser.click("[data-key=unfold]").await;
    browser.reads("#view", "number-031").await;
    assert_eq!(browser.script(drawn).await, 201);
    let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth;";
    assert_eq!(browser.script(wider).await, false, "nothing to scroll sideways");
    browser.end().await;
}

/// Pictures for the README: `cargo nextest run --run-ignored only -E 'test(pictures_for_the_readme)'`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes docs/screenshots"]
async fn pictures_for_the_readme() {
    let daemon = Daemon::shared().await;
    let fettle = fettle(&daemon).await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    std::fs::create_dir_all(&folder).expect("a folder");
    let containers = [
        Run::named("").exactly("arcanum").enabled().start(&daemon).await,
        Run::named("").exactly("shop-web-1").enabled().start(&daemon).await,
    ];
    let mut ids = Vec::new();
    for (container, alertname) in containers.iter().zip(["ArcanumNeedsRestart", "ServiceDown"]) {
        let labels = [("alertname", alertname), ("service", container.name.as_str()), ("severity", "critical")];
        fettle.send(&firing(&labels)).await;
        let newest = wait::until("it is proposed", SOON, async || {
            let newest = fettle.remediations(&target(container)).await.into_iter().next().unwrap_or_default();
            if newest["state"] == "awaiting_approval" { Ok(newest) } else { Err(newest.to_string()) }
        })
        .await;
        ids.push(newest["id"].as_str().expect("an id").to_owned());
    }
    let plan = fettle.get(&format!("/api/v1/remediations/{}", ids[0])).await["proposal"]["plan"].clone();
    fettle.ask(&format!("/api/v1/remediations/{}/approve", ids[0]), &json!({"plan": plan})).await;
    wait::until("it is restarted", SOON, async || {
        let rows = fettle.actions(&target(&containers[0])).await;
        if rows.first().is_some_and(|row| row["result"] == "succeeded") { Ok(()) } else { Err(format!("{rows:#?}")) }
    })
    .await;
    fettle
        .send(&resolved(&[("alertname", "ArcanumNeedsRestart"), ("service", "arcanum"), ("severity", "critical")]))
        .await;
    fettle.closed(&target(&containers[0]), SOON).await;
    let browser = Browser::start(1100, 860).await;
    browser.open(&fettle.url("/")).await;
    enter(&browser, ADMIN).await;
    browser.reads("#view", "Open (1)").await;
    let picture = async |name: &str| {
        // What is drawn must have settled: the host's second look comes after 5 s.
        let picture = browser.picture().await;
        assert!(picture.len() < 150_000, "{name}: {} bytes", picture.len());
        std::fs::write(folder.join(name), picture).expect("written");
    };
    picture("now.png").await;
    browser.scheme("dark").await;
    picture("now-dark.png").await;
    browser.scheme("light").await;
    let ask = format!("[data-key=\"approve {}\"]", ids[1]);
    browser.click(&ask).await;
    browser.reads("dialog[open] #ask-title", "Approve restart of").await;
    picture("approve.png").await;
    browser.click("#ask-no").await;
    browser.open(&fettle.url(&format!("/#/remediations/{}", ids[0]))).await;
    browser.reads("#view", "What happened").await;
    picture("story.png").await;
    browser.size(390, 800, true).await;
    browser.open(&fettle.url("/#/")).await;
    browser.reads("#view", "Open (1)").await;
    picture("phone.png").await;
    browser.click(&ask).await;
    browser.reads("dialog[open] #ask-title", "Approve restart of").await;
    picture("phone-approve.png").await;
    browser.end().await;
}
