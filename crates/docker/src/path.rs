//! Whether the path that a call takes works: `GET /containers/{id}/top`.
//!
//! Measured on Docker 20.10 and 28.5, each part stopped in turn: `top` of a running container is answered only when daemon,
//! containerd and the container's shim all work. For one that does not run the daemon answers 409 by itself. A socket proxy may
//! deny it (403), and Podman has no containerd: there nothing is shown.

use bollard::query_parameters::TopOptions;
use futures_util::future::join_all;

use super::full_id;
use super::host::{Host, Op};
use fettle_core::effect::Effect;
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::{CallPath, Pin, Through};

/// Tries the path of the call of `effect`. Ends within the deadline of a look.
pub(super) async fn of_call(host: &Host, pin: &Pin, effect: &Effect) -> CallPath {
    match effect.through(pin) {
        Through::Containers(ids) => {
            let asked = join_all(ids.into_iter().map(|id| of_container(host, id))).await;
            asked.into_iter().reduce(CallPath::and).unwrap_or_default()
        }
        Through::Manager => CallPath::Works,
        Through::Other => CallPath::NotShown,
    }
}

async fn of_container(host: &Host, id: &str) -> CallPath {
    let Ok(id) = full_id(id) else { return CallPath::NotShown };
    match host.see(Op::Top, |client| async move { client.top_processes(id, None::<TopOptions>).await }).await {
        Ok(_) => CallPath::Works,
        Err(PlatformError::Answered { .. }) => CallPath::NotShown,
        Err(_) => CallPath::Silent,
    }
}
