//! From an effect to the calls that it means.

use serde_json::json;

use super::host::Host;
use super::{clean, limits, prune, restart, rollout, scale};
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Performed, PlatformError};
use fettle_core::sight::Pin;
use fettle_core::target::Target;

/// Does it.
pub(super) async fn perform(host: &Host, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
    let plain = |answer| Performed { touched: json!({}), answer, short: None };
    match (effect, target) {
        (Effect::Restart { grace }, _) => plain(restart::restart(host, &pin.id, *grace).await),
        (Effect::Stop { grace }, _) => plain(restart::stop(host, &pin.id, *grace).await),
        (Effect::StopReplicas { replicas, grace, .. }, _) => scale::stop(host, replicas, *grace).await,
        (Effect::StartReplicas { replicas, .. }, _) => scale::start(host, replicas).await,
        (Effect::SetReplicas { version, from, to }, Target::Swarm { .. }) => {
            rollout::set_replicas(host, &pin.id, *version, *from, *to).await
        }
        (Effect::ForceUpdate { version }, Target::Swarm { .. }) => {
            rollout::force(host, &pin.id, *version, pin.size).await
        }
        (Effect::SetLimits { memory, nano_cpus, .. }, _) => limits::set(host, &pin.id, *memory, *nano_cpus).await,
        (Effect::Prune(it), Target::Disk { .. }) => prune::prune(host, it).await,
        (Effect::Clean(it), Target::Disk { name, .. }) => clean::on_disk(host, name, it).await,
        (Effect::Clean(it), Target::Container { .. } | Target::Compose { .. }) => {
            clean::in_container(host, &pin.id, it).await
        }
        _ => plain(Err(PlatformError::Unfit(format!("this is not done to {target}")))),
    }
}
