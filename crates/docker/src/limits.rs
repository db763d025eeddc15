//! Other limits for a running container.
//!
//! Memory is never set below what is in use and a margin: the kernel would refuse, or kill. The swap that the container may
//! use besides its memory stays what it was. What was before is said, so that a person can undo it. Compose does not know
//! of the change: the next time it makes the container anew the limits are those of its file again.

use bollard::models::{ContainerMemoryStats, ContainerUpdateBody, HostConfig};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::host::{Host, Op};
use super::{find, full_id, seen, unsent};
use fettle_core::action::LIMITS_CHANGE_LIMIT;
use fettle_core::ports::platform::{Performed, PlatformError};

/// The least that Docker takes.
const MEMORY_MIN: u64 = 6 << 20;

/// Sets what is given and leaves the rest.
pub(super) async fn set(host: &Host, id: &str, memory: Option<u64>, nano_cpus: Option<u64>) -> Performed {
    let mut touched = json!({});
    let answer = change(host, id, memory, nano_cpus, &mut touched).await;
    Performed { touched, answer, short: None }
}

async fn change(
    host: &Host,
    id: &str,
    memory: Option<u64>,
    nano_cpus: Option<u64>,
    touched: &mut Value,
) -> Result<(), PlatformError> {
    let id = full_id(id)?;
    let Some(container) = find::inspect(host, id).await.map_err(unsent)? else {
        return Err(PlatformError::Unfit("the container is gone".to_owned()));
    };
    let before = container.host_config.unwrap_or_default();
    if let Some(memory) = memory {
        enough(host, id, &before, memory).await?;
    }
    let body = body(&before, memory, nano_cpus)?;
    let show = |memory: Option<i64>, memory_swap: Option<i64>, nano_cpus: Option<i64>| json!({"memory": memory, "memory_swap": memory_swap, "nano_cpus": nano_cpus});
    touched["limits"] = json!({
        "before": show(before.memory, before.memory_swap, before.nano_cpus),
        "asked": show(body.memory, body.memory_swap, body.nano_cpus),
    });
    host.act(Op::Update, LIMITS_CHANGE_LIMIT, |client| async move { client.update_container(id, body).await }).await
}

/// Refuses less memory than is in use and a tenth more.
async fn enough(host: &Host, id: &str, before: &HostConfig, memory: u64) -> Result<(), PlatformError> {
    if memory < MEMORY_MIN {
        return Err(PlatformError::Unfit(format!("{memory} bytes of memory are less than Docker takes, {MEMORY_MIN}")));
    }
    let limit = before.memory.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0);
    if limit.is_some_and(|limit| memory >= limit) {
        return Ok(());
    }
    let Some(used) = usage(host, id).await.map_err(unsent)?.used else {
        return Err(PlatformError::Unfit(
            "how much memory is in use cannot be seen, so it is not made less".to_owned(),
        ));
    };
    let least = used.saturating_add(used / 10);
    if memory < least {
        let why = format!("{used} bytes of memory are in use: {memory} are too few, {least} would be enough");
        return Err(PlatformError::Unfit(why));
    }
    Ok(())
}

fn body(
    before: &HostConfig,
    memory: Option<u64>,
    nano_cpus: Option<u64>,
) -> Result<ContainerUpdateBody, PlatformError> {
    let too_large = |what: &str| PlatformError::Unfit(format!("this is too large for a limit of {what}"));
    let memory = memory.map(i64::try_from).transpose().map_err(|_| too_large("memory"))?;
    let nano_cpus = nano_cpus.map(i64::try_from).transpose().map_err(|_| too_large("processors"))?;
    if nano_cpus.is_some() && (before.cpu_quota.unwrap_or(0) > 0 || before.cpu_period.unwrap_or(0) > 0) {
        let why = "the container's processors are limited by period and quota, which cannot be mixed with cpus";
        return Err(PlatformError::Unfit(why.to_owned()));
    }
    let memory_swap = memory.map(|memory| swap(before, memory));
    Ok(ContainerUpdateBody { memory, memory_swap, nano_cpus, ..ContainerUpdateBody::default() })
}

/// Docker's limit of memory and swap together; -1 is unlimited. It must go along, or a raise above it is refused.
fn swap(before: &HostConfig, memory: i64) -> i64 {
    match (before.memory.unwrap_or(0), before.memory_swap.unwrap_or(0)) {
        (_, -1) | (..=0, ..=0) => -1,
        (limit, together) if together > 0 => memory.saturating_add((together - limit).max(0)),
        // Where it is not said Docker takes twice the memory.
        _ => memory.saturating_mul(2),
    }
}

/// What a container uses of memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Bytes that it could not do without: cache that it does not use left out, as `docker stats` does.
    pub(super) used: Option<u64>,
    /// Bytes that it may use.
    pub(super) limit: Option<u64>,
}

/// Asks the daemon once.
pub(super) async fn usage(host: &Host, id: &str) -> Result<Usage, PlatformError> {
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let ask = |client: bollard::Docker| async move {
        // Not a temporary: the stream borrows the client.
        let first = client.stats(id, Some(options)).next().await;
        first.transpose()
    };
    let stats = host.see(Op::Stats, ask).await?.and_then(|stats| stats.memory_stats);
    let Some(stats) = stats else { return Err(seen::senseless(host, "no memory figures")) };
    Ok(Usage { used: used(&stats), limit: stats.limit })
}

/// `total_inactive_file` in version 1 of control groups, `inactive_file` in version 2.
fn used(stats: &ContainerMemoryStats) -> Option<u64> {
    let named = |name: &str| stats.stats.as_ref().and_then(|it| it.get(name)).copied();
    let cache = named("total_inactive_file").or_else(|| named("inactive_file")).unwrap_or(0);
    stats.usage.map(|usage| usage.saturating_sub(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(memory: i64, memory_swap: i64) -> HostConfig {
        HostConfig { memory: Some(memory), memory_swap: Some(memory_swap), ..HostConfig::default() }
    }

    #[test]
    fn the_swap_besides_the_memory_stays_what_it_was() {
        let table = [(100, 100, 300), (100, 200, 400), (100, -1, -1), (100, 0, 600), (0, 0, -1), (0, -1, -1)];
        for (memory, together, expected) in table {
            assert_eq!(swap(&host(memory, together), 300), expected, "{memory} {together}");
        }
        assert_eq!(swap(&HostConfig::default(), 300), -1);
    }

    #[test]
    fn processors_by_quota_are_not_mixed_with_cpus() {
        let by_quota = HostConfig { cpu_quota: Some(50_000), ..HostConfig::default() };
        assert!(matches!(body(&by_quota, None, Some(1)), Err(PlatformError::Unfit(_))));
        assert!(body(&by_quota, Some(1 << 30), None).is_ok());
        assert!(matches!(body(&host(0, 0), Some(u64::MAX), None), Err(PlatformError::Unfit(_))));
    }

    #[test]
    fn cache_that_is_not_used_does_not_count() {
        let stats = |name: &str| ContainerMemoryStats {
            usage: Some(100),
            stats: Some([(name.to_owned(), 30)].into()),
            ..ContainerMemoryStats::default()
        };
        assert_eq!(used(&stats("total_inactive_file")), Some(70));
        assert_eq!(used(&stats("inactive_file")), Some(70));
        assert_eq!(used(&stats("rss")), Some(100));
        assert_eq!(used(&ContainerMemoryStats::default()), None);
    }
}
