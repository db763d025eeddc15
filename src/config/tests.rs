//! Settings from file and environment, and every way in which they can be wrong.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Config, Credentials, DatabaseKind, Host, LogFormat, Role, Secret, load};
use fettle_core::alert::bounds::Bounds;
use fettle_core::diagnostic::Diagnostic;
use fettle_core::diagnostic::render::human;
use fettle_core::rule::compile::Context;
use fettle_core::rule::model::Mode;
use fettle_core::settings::{StormLimit, TripLimit};
use fettle_engine::rule_files::{load_rules, read_rules};

mod upstream;

type Loaded = Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>>;

/// `text` as `fettle.yaml`, with these variables.
fn with(text: &str, env: &[(&str, &str)]) -> Loaded {
    let folder = TempDir::new().expect("a folder");
    read(&folder, text, env)
}

fn read(folder: &TempDir, text: &str, env: &[(&str, &str)]) -> Loaded {
    let path = folder.path().join("fettle.yaml");
    fs::write(&path, text).expect("written");
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    let loaded = load(Some(&path), &|name| env.get(name).map(|text| (*text).to_owned()));
    // Snapshots must not name the folder.
    let place = format!("{}/", folder.path().display());
    loaded.map_err(|mut found| {
        for it in &mut found {
            it.file = it.file.replace(&place, "");
            it.message = it.message.replace(&place, "");
        }
        found
    })
}

fn good(text: &str, env: &[(&str, &str)]) -> Config {
    with(text, env).unwrap_or_else(|found| panic!("{}", human(&found))).0
}

fn bad(text: &str, env: &[(&str, &str)]) -> String {
    human(&with(text, env).expect_err("a bad configuration"))
}

#[test]
fn without_file_and_variables_the_documented_defaults_hold() {
    let config = load(None, &|_| None);
    // The tests run beside the shipped file, which says `mode: act`, and what of the host itself may be cleaned.
    let mut config = config.unwrap_or_else(|found| panic!("{}", human(&found))).0;
    assert_eq!(config.mode, Mode::Act);
    let nothing = good("# nothing\n", &[]);
    (config.mode, config.hosts) = (nothing.mode, nothing.hosts);
    insta::assert_debug_snapshot!(config);
}

#[test]
fn every_setting_of_the_file_is_read() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("oncall"), "hunter2-hunter2\n").expect("written");
    let text = r#"
listen: 0.0.0.0:9999
database: postgres://fettle:${PASSWORD}@db/fettle
rules: my/rules
mode: act
hosts:
  node-b: {docker: tcp://10.0.0.12:2375, read: "http://[::1]:2375", instances: ["node-b:9100", b]}
  node-a:
auth:
  tokens:
    - {name: am, role: sender, sha256: "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"}
    - {name: oncall, role: admin, token_file: oncall}
  metrics_open: true
limits: {in_flight: 2, budget: [1 per 1m], target_budget: [2 per 1h, 3 per 1d], body: 1MiB, senders: 50 per 1s}
storm: {targets: 9, within: 1m, then: observe, quiet_for: 5m}
trip: {unproven: 2}
freshness: 5m
alertmanager: {urls: ["http://am-a:9093", "https://mon.example/am/"], bearer_token_file: oncall}
prometheus: {url: "http://prometheus:9090", basic_auth: {username: fettle, password_file: oncall}}
heartbeat: {max_silence: 2m}
protected: {containers: [a, b], compose_projects: [c]}
retention: {notifications: 1d, audit: 2d}
log: {format: json, level: "info,fettle=debug"}
"#;
    let loaded = read(&folder, text, &[("PASSWORD", "p@ss: [")]);
    let (config, warnings) = loaded.unwrap_or_else(|found| panic!("{}", human(&found)));
    assert!(warnings.is_empty());
    assert_eq!(config.database.url.expose(), "postgres://fettle:p@ss: [@db/fettle");
    assert_eq!((config.database.kind, config.mode), (DatabaseKind::Postgres, Mode::Act));
    assert_eq!(config.rules, folder.path().join("my/rules"));
    assert_eq!(config.listen.to_string(), "0.0.0.0:9999");
    let names: Vec<&str> = config.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!((names, config.known_hosts().find("node-b:9100")), (vec!["node-a", "node-b"], Some("node-b")));
    assert_eq!(config.hosts[0].docker, "unix:///var/run/docker.sock");
    let tokens = &config.auth.tokens;
    assert_eq!((tokens[0].sha256[0], tokens[0].role, tokens[1].role), (0x9f, Role::Sender, Role::Admin));
    assert_eq!(tokens[1].sha256[..2], [0x84, 0xca], "white space around a token does not count");
    assert_eq!((config.limits.in_flight, config.limits.body_bytes, config.limits.budget.len()), (2, 1 << 20, 1));
    assert_eq!(config.limits.longest_window().as_secs(), 86_400);
    assert_eq!((config.log.format, config.auth.metrics_open), (LogFormat::Json, true));
    let context = config.rule_context();
    assert_eq!((context.freshness.as_secs(), context.audit_kept.as_secs()), (300, 172_800));
    assert!(context.alertmanager && context.prometheus && context.approvers);
    let storm = config.storm.expect("on");
    assert_eq!(
        (storm.targets, storm.within.as_secs(), storm.then, storm.quiet_for.as_secs()),
        (9, 60, Mode::Observe, 300)
    );
    assert_eq!(config.trip, Some(TripLimit { unproven: 2, ..TripLimit::default() }));
    let (alertmanager, prometheus) =
        (config.alertmanager.as_ref().expect("one"), config.prometheus.as_ref().expect("one"));
    let urls: Vec<_> = alertmanager.urls.iter().map(reqwest::Url::as_str).collect();
    assert_eq!(
        (urls, prometheus.url.as_str()),
        (vec!["http://am-a:9093/", "https://mon.example/am"], "http://prometheus:9090/")
    );
    let file = folder.path().join("oncall");
    assert_eq!(alertmanager.access.credentials, Some(Credentials::Bearer { token_file: file.clone() }));
    let basic = Credentials::Basic { username: "fettle".into(), password_file: file };
    assert_eq!(prometheus.access.credentials, Some(basic));
    let heartbeat = config.heartbeat.as_ref().expect("one");
    assert_eq!((heartbeat.alertname.as_str(), heartbeat.max_silence.as_secs()), ("Watchdog", 120));
    let shown = format!("{config:?}");
    assert!(!shown.contains("p@ss") && shown.contains("[redacted]"), "{shown}");
}

#[test]
fn a_variable_goes_before_the_file() {
    let folder = TempDir::new().expect("a folder");
    let secret = folder.path().join("url");
    fs::write(&secret, "sqlite://elsewhere.db").expect("written");
    let secret = secret.to_string_lossy().into_owned();
    let text = "listen: 127.0.0.1:1\nmode: act\nrules: r\ndatabase: sqlite://file.db\nlimits: {body: 1MiB}\n";
    let env = [
        ("FETTLE_LISTEN", "[::1]:2"),
        ("FETTLE_DATABASE_FILE", secret.as_str()),
        ("DATABASE_URL", "postgres://not/this"),
        ("FETTLE_RULES", "here"),
        ("FETTLE_MODE", "observe"),
        ("FETTLE_HOSTS", "{a: {docker: tcp://a:1, instances: [x]}}"),
        ("FETTLE_AUTH_TOKENS", ""),
        ("FETTLE_LIMITS_BUDGET", "1 per 1m, 9 per 1h"),
        ("FETTLE_PROTECTED_CONTAINERS", "a,b"),
        ("FETTLE_LOG", "warn"),
        ("FETTLE_STORM", "off"),
        ("FETTLE_TRIP", "{then: observe}"),
        ("DOCKER_HOST", "tcp://unused:1"),
    ];
    let (config, _) = read(&folder, text, &env).unwrap_or_else(|found| panic!("{}", human(&found)));
    assert_eq!((config.listen.to_string().as_str(), config.rules), ("[::1]:2", PathBuf::from("here")));
    assert_eq!(config.database.url.expose(), "sqlite://elsewhere.db");
    assert_eq!((config.mode, config.hosts[0].docker.as_str()), (Mode::Observe, "tcp://a:1"));
    assert_eq!((config.limits.budget.len(), config.limits.body_bytes), (2, 1 << 20));
    assert_eq!((config.storm, config.trip.map(|it| it.then)), (None, Some(Mode::Observe)));
    assert_eq!(
        (config.protected.containers, config.log.level),
        (vec!["a".to_owned(), "b".to_owned()], "warn".to_owned())
    );
    let local = good("", &[("DOCKER_HOST", "tcp://other:1"), ("DATABASE_URL", "postgresql://db/x")]);
    assert_eq!(local.hosts, [Host::only("tcp://other:1".into())]);
    assert_eq!(local.database.kind, DatabaseKind::Postgres);
}

#[test]
fn every_problem_is_said_at_once_and_no_secret_with_it() {
    let text = r#"listen: 0.0.0.0:9876
databse: x
database: mysql://root:hunter2@db/x
database_file: /run/x
mode: propose
alertmanager: {urls: ["http://root:hunter2@a"]}
hosts:
  "a b": {docker: tcp://nowhere}
  c: {docker: https://x:1, instances: [x, d]}
  d: {docker: unix://relative, instances: [x]}
auth:
  tokens:
    - {name: a, role: viewer, token: hunter2}
    - {name: a, role: root, sha256: hunter2}
    - {name: "b b", role: admin}
    - {name: c, role: admin, sha256: x, token_file: y}
    - {name: d, role: admin, token_file: absent}
    - hunter2
  metrics_open: maybe
limits: {in_flight: 0, budget: [], target_budget: [6 per 2d], body: 10 MiBi, senders: 0 per 1s}
freshness: 0s
protected: {containers: a}
retention: {notifications: 30, audit: 1d}
log: {format: xml, level: debgu}
storm: {targets: 1, within: 0s, then: act, quiet: 1m}
trip: on
"#;
    let found = bad(text, &[("FETTLE_FRESHNESS", "")]);
    insta::assert_snapshot!(found);
    assert!(!found.contains("hunter2"));
}

#[test]
fn an_audit_is_kept_for_a_day_at_least() {
    let told = bad("retention: {audit: 23h}\nlimits: {budget: [9 per 1h], target_budget: [9 per 1h]}\n", &[]);
    assert!(told.contains("fettle.yaml:1:20: error[F057]") && told.contains("write 1d or more"), "{told}");
    good("retention: {audit: 1d}\nlimits: {budget: [9 per 1h], target_budget: [9 per 1h]}\n", &[]);
}

#[test]
fn problems_of_variables_name_the_variable_and_show_no_secret() {
    let env = [
        ("FETTLE_LISTEN", "example.org"),
        ("FETTLE_DATABASE", "hunter2"),
        ("FETTLE_HOSTS", "{a: ["),
        ("FETTLE_AUTH_TOKENS", "[{nam: hunter2}]"),
        ("DOCKER_HOST", "npipe://x"),
        ("FETTLE_LIMITS_IN_FLIGHT", "many"),
        ("SECRET", "hunter2"),
    ];
    let text = "log: {format: \"${SECRET}\"}\nfreshness: ${ABSENT}\nretention: {audit: \"${SECRET\", notifications: \"${A B}\"}\n";
    let found = bad(text, &env);
    insta::assert_snapshot!(found);
    assert!(!found.contains("hunter2"));
}

#[test]
fn interpolation_reaches_every_value_and_never_the_structure() {
    let env = [("LEVEL", "debug"), ("EMPTY", ""), ("TRICK", "x, y]")];
    let text = "log: {level: \"${LEVEL}\"}\nfreshness: ${EMPTY:-7}m\nprotected: {containers: [\"${TRICK}\", \"a$${b}\", $c]}\n";
    let config = good(text, &env);
    assert_eq!((config.log.level.as_str(), config.freshness.as_secs()), ("debug", 420));
    assert_eq!(config.protected.containers, ["x, y]", "a${b}", "$c"]);
}

#[test]
fn without_tokens_only_loopback_is_served() {
    for (listen, loads) in [
        ("127.0.0.1:1", true),
        ("127.8.8.8:1", true),
        ("localhost:1", true),
        ("'[::1]:1'", true),
        ("'[::ffff:127.0.0.1]:1'", true),
        ("0.0.0.0:1", false),
        ("'[::]:1'", false),
        ("10.0.0.1:1", false),
    ] {
        let loaded = with(&format!("listen: {listen}\n"), &[]);
        assert_eq!(loaded.is_ok(), loads, "{listen}");
        if let Err(found) = loaded {
            assert_eq!((found.len(), found[0].code), (1, "F052"));
        }
    }
    let by_variable = with("", &[("FETTLE_LISTEN", "0.0.0.0:1")]).expect_err("open");
    assert_eq!((by_variable[0].code, by_variable[0].file.as_str()), ("F052", "environment FETTLE_LISTEN"));
}

#[test]
fn the_memory_must_hold_one_notification_of_the_largest_size() {
    let config = good(
        "limits: {body: 1MiB, alerts: 10, labels: 9, annotations: 8, name: 64B, value: 1KiB, text: 2KiB, memory: 16MiB}\n",
        &[],
    );
    let bounds = Bounds { alerts: 10, labels: 9, annotations: 8, name_bytes: 64, value_bytes: 1024, text_bytes: 2048 };
    assert_eq!((config.limits.bounds, config.limits.memory_bytes), (bounds, 16 << 20));
    let told = bad("limits: {body: 20MiB}\n", &[]);
    assert!(told.contains("limits.memory does not hold one notification of limits.body"), "{told}");
    assert!(told.contains("memory: 222MiB"), "{told}");
    good("limits: {body: 20MiB, memory: 222MiB}\n", &[]);
    good("", &[("FETTLE_LIMITS_MEMORY", "1GiB"), ("FETTLE_LIMITS_BODY", "64MiB")]);
    bad("", &[("FETTLE_LIMITS_MEMORY", "64MiB")]);
}

#[test]
fn what_waits_for_a_person_needs_somebody_who_could_approve() {
    let token = |role: &str| format!("auth: {{tokens: [{{name: a, role: {role}, sha256: {}}}]}}\n", "1".repeat(64));
    for (tokens, approvers) in
        [(String::new(), true), (token("admin"), true), (token("sender"), false), (token("analyst"), false)]
    {
        let config = good(&tokens, &[]);
        let then = if approvers { Mode::Propose } else { Mode::Observe };
        assert_eq!(config.storm, Some(StormLimit { then, ..StormLimit::default() }), "{tokens}");
        assert_eq!(config.trip, Some(TripLimit { then, ..TripLimit::default() }), "{tokens}");
        assert_eq!(config.rule_context().approvers, approvers, "{tokens}");
        for asks in ["mode: propose\n", "storm: {then: propose}\n", "trip: {then: propose}\n"] {
            let loaded = with(&format!("{tokens}{asks}"), &[]);
            assert_eq!(loaded.is_ok(), approvers, "{tokens}{asks}");
            if let Err(found) = loaded {
                assert_eq!((found.len(), found[0].code, found[0].line), (1, "F091", 2), "{asks}");
            }
        }
    }
    assert_eq!(good("mode: propose\n", &[]).mode, Mode::Propose);
}

#[test]
fn storm_and_trip_are_on_unless_they_are_switched_off() {
    let config = good("storm: off\ntrip: \"off\"\n", &[]);
    assert_eq!((config.storm, config.trip), (None, None));
    let config = good("storm: {}\ntrip: {unproven: 1}\n", &[]);
    assert_eq!(config.storm, Some(StormLimit::default()));
    assert_eq!(config.trip, Some(TripLimit { unproven: 1, ..TripLimit::default() }));
    for text in ["storm:\n", "trip: never\n", "trip: [1]\n", "storm: {targets: 1}\n", "trip: {unproven: 0}\n"] {
        let found = with(text, &[]).expect_err(text);
        assert_eq!((found.len(), found[0].line, found[0].help.is_some()), (1, 1, true), "{text}");
    }
    let found = with("trip: {within: 500d}\n", &[]).expect_err("rows are gone by then");
    assert_eq!((found.len(), found[0].code), (1, "F057"));
}

#[test]
fn a_named_file_must_exist() {
    let found = load(Some(Path::new("/nonexistent/fettle.yaml")), &|_| None).expect_err("absent");
    assert_eq!((found.len(), found[0].code), (1, "F001"));
}

#[test]
fn roles_stand_above_one_another_and_the_sender_apart() {
    use Role::{Admin, Analyst, Sender, Viewer};
    for (role, covers) in [
        (Viewer, &[Viewer][..]),
        (Analyst, &[Viewer, Analyst]),
        (Admin, &[Viewer, Analyst, Admin, Sender]),
        (Sender, &[Sender]),
    ] {
        for needed in [Viewer, Analyst, Admin, Sender] {
            assert_eq!(role.covers(needed), covers.contains(&needed), "{role:?} {needed:?}");
        }
        assert_eq!(Role::from_word(role.as_str()), Some(role));
    }
}

#[test]
fn a_secret_prints_as_redacted() {
    assert_eq!(format!("{:?}", Secret::from("hunter2".to_owned())), "[redacted]");
}

#[test]
fn the_shipped_settings_and_rules_load_without_a_warning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (config, warnings) =
        load(Some(&root.join("fettle.yaml")), &|_| None).unwrap_or_else(|found| panic!("{}", human(&found)));
    assert!(warnings.is_empty() && config.mode == Mode::Act);
    let (set, warnings) =
        load_rules(&config.rules, &config.rule_context()).unwrap_or_else(|found| panic!("{}", human(&found)));
    // Without Alertmanager's API its ladder may end early.
    let ids: Vec<&str> = warnings.iter().map(|it| it.code).collect();
    assert_eq!(ids, ["F109"], "{}", human(&warnings));
    assert!(set.get("arcanum-needs-restart").is_some() && set.get("web-restart").is_some());
}

#[test]
fn what_the_shipped_settings_show_as_comments_loads_too() {
    let shipped = include_str!("../../fettle.yaml");
    let text: String = shipped
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|it| !["fettle's", "${NAME}", "yaml-language-server"].iter().any(|start| it.starts_with(start)))
                .unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let text = text.replace("token_file: /run/secrets/oncall", &format!("sha256: {}", "1".repeat(64)));
    let text = text.lines().filter(|line| !line.starts_with("database_file")).collect::<Vec<_>>().join("\n");
    let config = good(&text, &[]);
    assert_eq!((config.hosts.len(), config.auth.tokens.len(), config.limits.senders.is_some()), (3, 2, true));
}

const RULE: &str = "version: 1\nrules:\n- {name: NAME, match: [a=b], target: {container: a}, steps: [restart]}\n";

#[test]
fn a_folder_gives_every_rule_file_but_tests_and_hidden_ones() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path();
    fs::create_dir_all(root.join("sub/.hidden")).expect("made");
    fs::create_dir_all(root.join("..data")).expect("made");
    for name in [
        "b.yaml",
        "a.yml",
        "sub/c.yaml",
        "x.test.yaml",
        "x.test.yml",
        ".h.yaml",
        "sub/.hidden/d.yaml",
        "note.txt",
        "..data/map.yaml",
    ] {
        fs::write(root.join(name), RULE.replace("NAME", &name.replace('/', "-"))).expect("written");
    }
    // As a ConfigMap is mounted; and a link that leads in a circle.
    std::os::unix::fs::symlink("..data/map.yaml", root.join("map.yaml")).expect("linked");
    std::os::unix::fs::symlink(root, root.join("sub/loop")).expect("linked");
    let files = read_rules(root).expect("readable");
    let names: Vec<&str> =
        files.iter().map(|file| file.path.strip_prefix(&format!("{}/", root.display())).expect("inside")).collect();
    assert_eq!(names, ["a.yml", "b.yaml", "map.yaml", "sub/c.yaml"]);
    assert_eq!(read_rules(&root.join("x.test.yaml")).expect("named").len(), 1, "a file that is named is read");
}

#[test]
fn every_file_that_cannot_be_read_is_said() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path();
    fs::write(root.join("latin.yaml"), b"# caf\xe9\n").expect("written");
    fs::write(root.join("big.yaml"), vec![b'#'; (10 << 20) + 1]).expect("written");
    fs::write(root.join("bom.yaml"), "\u{FEFF}version: 1\nrules: []\n").expect("written");
    std::os::unix::fs::symlink("nowhere", root.join("gone.yaml")).expect("linked");
    let found = read_rules(root).expect_err("three of four");
    let said: Vec<(&str, &str)> =
        found.iter().map(|it| (it.file.rsplit('/').next().unwrap_or_default(), it.message.as_str())).collect();
    assert_eq!(said[0], ("big.yaml", "cannot be read: larger than 10 MiB"));
    assert!(said[1].0 == "gone.yaml" && said[1].1.contains("No such file"));
    assert_eq!(said[2], ("latin.yaml", "cannot be read: not UTF-8 from byte 5 on"));
    assert!(read_rules(&root.join("absent")).expect_err("absent")[0].help.is_some());
    assert_eq!(read_rules(&root.join("bom.yaml")).expect("readable")[0].text, "version: 1\nrules: []\n");
}

#[test]
fn no_rule_at_all_is_a_warning() {
    let folder = TempDir::new().expect("a folder");
    let (set, warnings) = load_rules(folder.path(), &Context::default()).expect("legal");
    assert!(set.is_empty());
    assert_eq!((warnings.len(), warnings[0].code), (1, "F031"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_makes_load_panic(text in "([a-z\"'{}\\[\\]:,$ -]|\n  |\n- |: |hosts|auth|tokens|listen|limits|\\PC){0,60}") {
        let _ = with(&text, &[]);
    }
}

/// PEM of this kind: what it holds is not looked at when settings are loaded.
fn pem(kind: &str) -> String {
    format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n")
}

#[test]
fn certificates_and_disks_of_a_host_are_read() {
    let folder = TempDir::new().expect("a folder");
    for (file, kind) in [("ca.pem", "CERTIFICATE"), ("cert.pem", "CERTIFICATE"), ("key.pem", "EC PRIVATE KEY")] {
        fs::write(folder.path().join(file), pem(kind)).expect("written");
    }
    let text = "
hosts:
  far:
    docker: tcp://10.0.0.12:2376
    tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}
    disks:
      srv: {path: /srv/logs, allow: [clean_logs, prune]}
      data: {path: /data, allow: [prune]}
  near:
";
    let (config, _) = read(&folder, text, &[]).unwrap_or_else(|found| panic!("{}", human(&found)));
    let [far, near] = &config.hosts[..] else { panic!("{:?}", config.hosts) };
    assert_eq!(far.tls.as_ref().map(|tls| tls.key_file.clone()), Some(folder.path().join("key.pem")));
    assert_eq!(far.disks["srv"].path, Path::new("/srv/logs"));
    assert!((near.tls.is_none(), near.disks.is_empty()) == (true, true));
    let disks = config.rule_context().disks;
    assert_eq!(disks["far"]["srv"].iter().collect::<Vec<_>>(), ["clean_logs", "prune"]);
    assert_eq!(disks["far"]["data"].iter().collect::<Vec<_>>(), ["prune"]);
}

#[test]
fn certificates_and_disks_that_cannot_be_used_are_told_with_their_place() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("ca.pem"), pem("CERTIFICATE")).expect("written");
    let tls = |text: &str| format!("hosts: {{a: {{docker: \"tcp://h:2376\", tls: {text}}}}}\n");
    let disk = |text: &str| format!("hosts: {{a: {{disks: {text}}}}}\n");
    for (text, code, says) in [
        (tls("{ca_file: ca.pem, cert_file: ca.pem, key_file: ca.pem}"), "F077", "holds no private key"),
        (tls("{ca_file: ca.pem, cert_file: gone.pem, key_file: ca.pem}"), "F077", "cannot read"),
        (tls("{ca_file: ca.pem, cert_file: ca.pem}"), "F005", "`key_file` is missing"),
        (tls("{ca_file: ca.pem, cert: ca.pem}"), "F004", "unknown key `cert`"),
        (
            "hosts: {a: {tls: {ca_file: ca.pem, cert_file: ca.pem, key_file: ca.pem}}}\n".into(),
            "F076",
            "TLS is for tcp",
        ),
        (disk("{srv: {path: srv, allow: [prune]}}"), "F078", "not a path"),
        (disk("{srv: {path: /, allow: [prune]}}"), "F078", "not a path"),
        (disk("{srv: {path: /srv/../etc, allow: [prune]}}"), "F078", "not a path"),
        (disk("{\"a b\": {path: /srv, allow: [prune]}}"), "F078", "not a name"),
        (disk("{srv: {path: /srv, allow: []}}"), "F079", "permits nothing"),
        (disk("{srv: {path: /srv, allow: [restart]}}"), "F010", "not possible here"),
        (disk("{srv: {path: /srv}}"), "F005", "`allow` is missing"),
    ] {
        let found = read(&folder, &text, &[]).expect_err(&text);
        let told = found.iter().any(|it| it.code == code && it.message.contains(says) && it.line == 1);
        assert!(told, "{text}: {}", human(&found));
    }
}
