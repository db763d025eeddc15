//! Docker's description of a container in fettle's words. Pure: no request is made here.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, EndpointSettings, HealthStatusEnum, HostConfig,
};
use jiff::Timestamp;

use super::evidence::printable;
use super::host::Host;
use super::is_full_id;
use super::stopped::Exit;
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::{Container, Health, ImageLabel, Status, published_port};
use fettle_core::time::micros;

/// What an inspect shows, the image's label and who stopped it still unknown.
pub(super) fn sight(host: &Host, daemon: &str, it: &ContainerInspectResponse) -> Result<Container, PlatformError> {
    let Some(id) = it.id.clone().filter(|id| is_full_id(id)) else {
        return Err(senseless(host, "a container without a full id"));
    };
    let Some(name) = name(it).map(ToOwned::to_owned) else {
        return Err(senseless(host, "a container without a name"));
    };
    let Some(state) = &it.state else { return Err(senseless(host, "a container without a state")) };
    Ok(Container {
        daemon: daemon.to_owned(),
        id,
        name,
        labels: labels(it).clone().into_iter().collect(),
        image_label: ImageLabel::Unreadable,
        status: status(state.status),
        started_at: state.started_at.as_deref().and_then(date).map(micros),
        restart_count: it.restart_count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        exit_code: state.exit_code.unwrap_or(0),
        oom_killed: state.oom_killed.unwrap_or(false),
        health: state.health.as_ref().and_then(|it| it.status).and_then(health),
        start_period: start_period(it),
        addresses: addresses(it).into_iter().chain(published(host, it)).collect(),
        stopped_by_hand: None,
        ended_at: ended_at(state),
        ended_by: None,
        number: labels(it).get("com.docker.compose.container-number").and_then(|text| text.parse().ok()),
        memory_limit: limit(it, |config| config.memory),
        nano_cpus: limit(it, |config| config.nano_cpus),
        health_log: health_log(state),
        siblings_well: 0,
        dependents: Vec::new(),
    })
}

/// Docker keeps it while the next run goes on.
fn ended_at(state: &ContainerState) -> Option<Timestamp> {
    let is_over = matches!(status(state.status), Status::Exited | Status::Dead);
    state.finished_at.as_deref().filter(|_| is_over).and_then(date).map(micros)
}

/// Docker counts it in nanoseconds, and writes 0 for none.
fn start_period(it: &ContainerInspectResponse) -> Duration {
    let check = it.config.as_ref().and_then(|config| config.healthcheck.as_ref());
    let nanos = check.and_then(|check| check.start_period).and_then(|nanos| u64::try_from(nanos).ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Docker writes 0 for no limit.
fn limit(it: &ContainerInspectResponse, of: fn(&HostConfig) -> Option<i64>) -> Option<u64> {
    it.host_config.as_ref().and_then(of).and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0)
}

/// Lines of the health check's log that are kept, and characters of each.
const HEALTH_LINES: usize = 3;
const HEALTH_CHARS: usize = 256;

fn health_log(state: &ContainerState) -> Vec<String> {
    let log = state.health.as_ref().and_then(|health| health.log.as_ref());
    let newest = log.into_iter().flatten().rev().take(HEALTH_LINES);
    let mut lines: Vec<String> = newest
        .map(|it| {
            let output: String = it.output.as_deref().unwrap_or_default().trim().chars().take(HEALTH_CHARS).collect();
            format!("exit {}: {}", it.exit_code.unwrap_or_default(), printable(&output))
        })
        .collect();
    lines.reverse();
    lines
}

/// How the last run ended, as far as the inspect shows.
pub(super) fn exit(it: &ContainerInspectResponse) -> Exit {
    let state = it.state.as_ref();
    let at = |pick: fn(&ContainerState) -> Option<&String>| state.and_then(pick).and_then(|text| date(text));
    Exit {
        code: state.and_then(|it| it.exit_code).unwrap_or(0),
        start_failed: state.and_then(|it| it.error.as_ref()).is_some_and(|it| !it.is_empty()),
        started: at(|state| state.started_at.as_ref()),
        finished: at(|state| state.finished_at.as_ref()),
    }
}

/// The name, without the slash before it.
pub(super) fn name(it: &ContainerInspectResponse) -> Option<&str> {
    it.name.as_deref().and_then(|name| name.strip_prefix('/'))
}

/// The labels, those of the image included.
pub(super) fn labels(it: &ContainerInspectResponse) -> &HashMap<String, String> {
    static NONE: std::sync::LazyLock<HashMap<String, String>> = std::sync::LazyLock::new(HashMap::new);
    it.config.as_ref().and_then(|config| config.labels.as_ref()).unwrap_or(&NONE)
}

/// An answer that no daemon should give.
pub(super) fn senseless(host: &Host, what: &str) -> PlatformError {
    PlatformError::Broken { endpoint: host.read().to_string(), cause: format!("the daemon answered with {what}") }
}

/// Docker writes the year 1 for "never".
fn date(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|at: &Timestamp| *at > Timestamp::UNIX_EPOCH)
}

fn status(it: Option<ContainerStateStatusEnum>) -> Status {
    match it {
        Some(ContainerStateStatusEnum::CREATED) => Status::Created,
        Some(ContainerStateStatusEnum::RUNNING) => Status::Running,
        Some(ContainerStateStatusEnum::PAUSED) => Status::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => Status::Restarting,
        Some(ContainerStateStatusEnum::REMOVING) => Status::Removing,
        Some(ContainerStateStatusEnum::EXITED) => Status::Exited,
        Some(ContainerStateStatusEnum::DEAD) => Status::Dead,
        _ => Status::Unknown,
    }
}

fn health(it: HealthStatusEnum) -> Option<Health> {
    match it {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => None,
    }
}

/// The ports of this machine behind which it answers, or would if it ran. What a daemon elsewhere publishes is another machine's.
fn published(host: &Host, it: &ContainerInspectResponse) -> BTreeSet<String> {
    let now = it.network_settings.as_ref().and_then(|it| it.ports.as_ref());
    let wanted = it.host_config.as_ref().and_then(|it| it.port_bindings.as_ref());
    let bound = now.into_iter().chain(wanted).flat_map(HashMap::values).flatten().flatten();
    let ports = bound.filter(|_| host.is_local()).filter_map(|it| it.host_port.as_deref()?.parse().ok());
    ports.map(published_port).collect()
}

/// Everything by which other containers may reach this one, in order and once each.
fn addresses(it: &ContainerInspectResponse) -> Vec<String> {
    let networks = it.network_settings.as_ref().and_then(|it| it.networks.as_ref());
    let of_network = |it: &EndpointSettings| {
        let ips = it.ip_address.iter().chain(&it.global_ipv6_address);
        let names = it.aliases.iter().flatten().chain(it.dns_names.iter().flatten());
        ips.chain(names).cloned().collect::<Vec<_>>()
    };
    let hostname = it.config.as_ref().and_then(|config| config.hostname.clone());
    let all = networks.into_iter().flat_map(HashMap::values).flat_map(of_network).chain(hostname);
    all.filter(|it| !it.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(json: &str) -> ContainerInspectResponse {
        serde_json::from_str(json).expect("an inspect")
    }

    #[test]
    fn the_year_one_is_never() {
        assert_eq!(date("0001-01-01T00:00:00Z"), None);
        assert_eq!(date(""), None);
        let at = date("2026-11-21T23:35:33.056134293Z").map(micros);
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("2026-11-21T23:35:33.056134Z"));
    }

    #[test]
    fn a_health_check_that_is_none_is_no_health_check() {
        assert_eq!(health(HealthStatusEnum::NONE), None);
        assert_eq!(health(HealthStatusEnum::EMPTY), None);
        assert_eq!(health(HealthStatusEnum::STARTING), Some(Health::Starting));
    }

    #[test]
    fn the_start_period_is_read_from_the_health_check_and_absent_or_negative_is_none() {
        let of = |config: &str| start_period(&inspected(&format!(r#"{{"Config": {config}}}"#)));
        assert_eq!(of(r#"{"Healthcheck": {"StartPeriod": 60000000000}}"#), Duration::from_mins(1));
        for none in [r#"{"Healthcheck": {"StartPeriod": -1}}"#, r#"{"Healthcheck": {}}"#, "{}"] {
            assert_eq!(of(none), Duration::ZERO, "{none}");
        }
    }

    #[test]
    fn a_missing_state_is_unknown() {
        assert_eq!((status(None), status(Some(ContainerStateStatusEnum::EMPTY))), (Status::Unknown, Status::Unknown));
    }

    #[test]
    fn addresses_are_ips_aliases_and_the_host_name_once_each() {
        let it = inspected(
            r#"{"Config": {"Hostname": "db"}, "NetworkSettings": {"Networks": {
                "shop": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::2", "Aliases": ["db", "postgres"]},
                "none": {"IPAddress": "", "Aliases": null, "DNSNames": ["shop-db-1"]}}}}"#,
        );
        assert_eq!(addresses(&it), ["172.18.0.2", "db", "fd00::2", "postgres", "shop-db-1"]);
        assert_eq!(addresses(&inspected("{}")), Vec::<String>::new());
    }

    #[test]
    fn a_failed_start_is_told_from_an_exit() {
        let failed = exit(&inspected(r#"{"State": {"ExitCode": 127, "Error": "OCI runtime create failed"}}"#));
        let exited = exit(&inspected(r#"{"State": {"ExitCode": 1, "Error": ""}}"#));
        assert_eq!((failed.start_failed, failed.code, exited.start_failed, exited.code), (true, 127, false, 1));
    }
}
