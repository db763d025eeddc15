//! `docker-compose.yml`: read by docker-compose itself; every service is held in, and whoever is named exists.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use fettle::config;
use serde_json::Value;

use super::{files, items, read, root, run, text, yaml};

/// The stack with its sample service, as docker-compose understands it.
pub fn stack() -> Value {
    // Asked once: it takes seconds on a busy machine.
    static STACK: OnceLock<Value> = OnceLock::new();
    let ask = || {
        let said = run("docker-compose", "docker-compose", &["--profile", "demo", "config"]);
        serde_yaml::from_str(&said).unwrap_or_else(|error| panic!("{error}\n{said}"))
    };
    STACK.get_or_init(ask).clone()
}

/// One service of it.
pub fn service(name: &str) -> Value {
    let service = stack()["services"][name].clone();
    assert!(service.is_object(), "there is no service {name}");
    service
}

fn services() -> Vec<(String, Value)> {
    let stack = stack();
    let services = stack["services"].as_object().expect("services");
    services.iter().map(|(name, service)| (name.clone(), service.clone())).collect()
}

/// What is mounted: from where, to where, read-only or not.
fn mounts(service: &Value) -> Vec<(String, String, bool)> {
    let read = |mount: &Value| {
        let parts: Vec<&str> = text(mount).split(':').collect();
        let read_only = parts.get(2).is_some_and(|options| options.split(',').any(|it| it == "ro"));
        (parts[0].to_owned(), parts.get(1).copied().unwrap_or_default().to_owned(), read_only)
    };
    items(&service["volumes"]).iter().map(read).collect()
}

#[test]
fn only_the_sample_service_and_its_load_have_a_profile() {
    // docker-compose 1.29 shows them whether or not their profile is asked for.
    let in_profile = |(_, service): &(String, Value)| !service["profiles"].is_null();
    let (demo, plain): (Vec<_>, Vec<_>) = services().into_iter().partition(in_profile);
    assert!(demo.iter().all(|(_, service)| service["profiles"] == serde_json::json!(["demo"])), "{demo:#?}");
    let names = |services: &[(String, Value)]| services.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    let (demo, plain) = (names(&demo), names(&plain));
    assert_eq!(demo, BTreeSet::from(["arcanum".to_owned(), "arcanum-load".to_owned()]));
    for part in
        ["fettle", "postgres", "prometheus", "alertmanager", "grafana", "loki", "alloy", "node-exporter", "cadvisor"]
    {
        assert!(plain.contains(part), "{part}");
    }
}

#[test]
fn every_service_is_pinned_watched_and_held_in() {
    for (name, service) in services() {
        let image = text(&service["image"]);
        let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
        assert!(tag.contains('.') && tag.chars().any(|c| c.is_ascii_digit()), "{name}: {image} is no version");
        assert_eq!(service["read_only"], true, "{name}: its root can be written");
        assert!(service["security_opt"].to_string().contains("no-new-privileges:true"), "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert!(service["mem_limit"].is_string() || service["mem_limit"].is_number(), "{name}: no memory limit");
        assert!(service["privileged"].is_null(), "{name}");
        if name == "secrets" {
            assert_eq!((text(&service["restart"]), text(&service["network_mode"])), ("no", "none"));
            continue;
        }
        assert!(service["healthcheck"]["test"].is_array(), "{name}: no health check");
        let restart = if name == "arcanum" { "no" } else { "unless-stopped" };
        assert_eq!(text(&service["restart"]), restart, "{name}");
        for (from, to, read_only) in mounts(&service) {
            let data = from.ends_with("-data");
            assert!(read_only || data, "{name}: {from} on {to} can be written");
        }
    }
}

#[test]
fn nothing_but_grafana_and_fettles_page_is_published_beyond_loopback() {
    let mut open = Vec::new();
    for (name, service) in services() {
        for port in items(&service["ports"]) {
            // Where no address is given, Compose writes a map.
            let port = port.as_str().map_or_else(|| port["published"].to_string(), str::to_owned);
            if !port.starts_with("127.0.0.1:") {
                open.push(format!("{name} {port}"));
            }
        }
    }
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(
        open.iter().any(|it| it.starts_with("fettle 9876")) && open.iter().any(|it| it.starts_with("grafana 3000"))
    );
}

#[test]
fn only_the_proxies_have_dockers_socket_and_they_lead_nowhere_else() {
    let stack = stack();
    for (name, service) in services() {
        let has_socket = service["volumes"].to_string().contains("docker.sock");
        assert_eq!(has_socket, name.starts_with("docker-"), "{name}");
        if has_socket {
            let networks: Vec<String> =
                service["networks"].as_object().map_or_else(Vec::new, |it| it.keys().cloned().collect());
            assert_eq!(networks.len(), 1, "{name}: {networks:?}");
            assert_eq!(stack["networks"][&networks[0]]["internal"], true, "{name}");
        }
    }
}

#[test]
fn every_file_that_is_mounted_is_in_the_repository() {
    let inside = root().to_string_lossy().into_owned();
    let mut seen = 0;
    for (name, service) in services() {
        for (from, _, _) in mounts(&service).into_iter().filter(|(from, _, _)| from.starts_with(&inside)) {
            assert!(std::path::Path::new(&from).exists(), "{name} mounts {from}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen}");
}

/// `host:port` of every service that a file of the stack names.
fn named(text: &str) -> Vec<(String, String)> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let names: BTreeSet<String> = services().into_iter().map(|(name, _)| name).collect();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with(['#', '/'])) {
        for word in line.split(|c| !word(c)) {
            let Some((host, port)) = word.rsplit_once(':') else { continue };
            let is_port = port.len() >= 4 && port.chars().all(|c| c.is_ascii_digit());
            let is_name = host.chars().any(|c| c.is_ascii_alphabetic()) && !host.contains('.') && host != "localhost";
            if is_port && is_name {
                assert!(names.contains(host), "{word}: there is no service {host}");
                found.push((host.to_owned(), port.to_owned()));
            }
        }
    }
    found
}

#[test]
fn whoever_the_settings_name_is_a_service_of_the_stack() {
    for file in
        ["prometheus/prometheus.yml", "alertmanager/alertmanager.yml", "loki/config.alloy", "compose/fettle.yaml"]
    {
        assert!(!named(&read(file)).is_empty(), "{file}");
    }
    for file in files("grafana/provisioning/datasources") {
        named(&std::fs::read_to_string(file).expect("readable"));
    }
    assert!(named(&read("compose/secrets.sh")).contains(&("postgres".into(), "5432".into())));
}

/// `/run/secrets/NAME` in a text.
fn secrets_in(text: &str) -> BTreeSet<String> {
    let legal = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let found = text
        .match_indices("/run/secrets/")
        .map(|(at, word)| text[at + word.len()..].chars().take_while(legal).collect());
    found.filter(|name: &String| !name.is_empty()).collect()
}

#[test]
fn every_secret_that_a_service_reads_is_made_in_the_volume_that_it_mounts() {
    let made = read("compose/secrets.sh");
    for (name, service) in services() {
        let mut wanted = secrets_in(&service.to_string());
        for (from, _, _) in mounts(&service) {
            let path = std::path::Path::new(&from);
            if path.is_file() {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                wanted.extend(secrets_in(&text));
                wanted.extend(
                    text.lines()
                        .filter_map(|line| line.split("$(secret ").nth(1))
                        .filter_map(|rest| rest.split(')').next().map(str::to_owned)),
                );
            }
        }
        // Examples that are off until somebody fills them in.
        for off in ["mail_password", "slack_url", "pager_token", "slack_", "NAME"] {
            wanted.remove(off);
        }
        let volume =
            mounts(&service).into_iter().find(|(from, to, _)| from.starts_with("secrets-") && to == "/run/secrets");
        let folder = volume.map(|(from, _, _)| from.trim_start_matches("secrets-").to_owned()).unwrap_or_default();
        for secret in wanted {
            assert!(
                made.contains(&format!("give {folder}/{secret} ")),
                "{name} reads {secret}, which nobody makes in {folder}/"
            );
        }
    }
}

#[test]
fn the_shipped_rules_touch_what_is_in_the_stack_and_says_yes() {
    let rules = read("rules/memory.yaml");
    let project = read(".env").lines().find_map(|line| line.strip_prefix("COMPOSE_PROJECT_NAME=").map(str::to_owned));
    assert!(
        rules.contains(&format!("project: {}", project.expect("a name"))),
        "the project of the rules is the stack's"
    );
    for (name, service) in services() {
        let enabled = service["labels"]["fettle.enable"] == "true";
        assert_eq!(enabled, name.starts_with("arcanum"), "{name}: the label fettle.enable");
    }
    assert_eq!(text(&service("arcanum")["container_name"]), "arcanum");
}

#[test]
fn fettles_settings_for_the_stack_load_with_its_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).expect("a folder");
    for name in ["sender_token", "metrics_token", "admin_token"] {
        std::fs::write(secrets.join(name), format!("{name} of this test")).expect("write");
    }
    std::fs::write(secrets.join("database"), "postgres://fettle:x@postgres:5432/fettle").expect("write");
    let settings = read("compose/fettle.yaml").replace("/run/secrets", &secrets.to_string_lossy());
    let settings = settings.replace("/etc/fettle/rules", &root().join("rules").to_string_lossy());
    let file = folder.path().join("fettle.yaml");
    std::fs::write(&file, settings).expect("write");
    let (config, warnings) = config::load(Some(&file), &|_| None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(warnings.is_empty(), "{warnings:#?}");
    assert!(config.alertmanager.is_some() && config.prometheus.is_some() && config.heartbeat.is_some());
    let sources = files("rules").into_iter().filter(|it| it.extension().is_some_and(|end| end == "yaml"));
    let sources = sources.filter(|it| !it.to_string_lossy().ends_with(".test.yaml"));
    let sources: Vec<_> = sources
        .map(|path| fettle_core::rule::compile::SourceFile {
            text: std::fs::read_to_string(&path).expect("readable"),
            path: path.display().to_string(),
        })
        .collect();
    let (_, warnings) = fettle_core::rule::compile::compile(&sources, &config.rule_context())
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn loki_keeps_a_week() {
    let loki = yaml("loki/loki.yml");
    assert_eq!(loki["limits_config"]["retention_period"], "168h");
    assert_eq!(
        (&loki["compactor"]["retention_enabled"], &loki["limits_config"]["allow_structured_metadata"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
}
