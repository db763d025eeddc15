//! Fewer or more running containers of a Compose service: those that are there are stopped or started, one after the other.
//!
//! Always holds: the whole ends in the time that scaling may take; a replica whose turn would come too late to end in it is
//! not touched any more. At the first failure the rest is left alone.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::host::Host;
use super::{full_id, restart};
use fettle_core::action::{CALL_MARGIN, SCALE_GRACE};
use fettle_core::effect::Replica;
use fettle_core::ports::platform::{Performed, PlatformError};

/// What the daemon needs besides the process's time to end: 0.1 s when it is well, so this is for one that is busy.
const TURN: Duration = Duration::from_secs(2);

/// Stops these replicas, in this order.
pub(super) async fn stop(host: &Host, replicas: &[Replica], grace: Duration) -> Performed {
    let stop = |id, left| async move { restart::stop_within(host, id, grace, left).await };
    each(replicas, "stopped", grace + TURN, stop).await
}

/// Starts these replicas, in this order.
pub(super) async fn start(host: &Host, replicas: &[Replica]) -> Performed {
    each(replicas, "started", TURN, |id, left| async move { restart::start(host, id, left).await }).await
}

async fn each<'r, F>(
    replicas: &'r [Replica],
    done: &'static str,
    turn: Duration,
    act: impl Fn(&'r str, Duration) -> F,
) -> Performed
where
    F: Future<Output = Result<(), PlatformError>>,
{
    let deadline = Instant::now() + SCALE_GRACE + CALL_MARGIN;
    let mut touched: Vec<&Replica> = Vec::new();
    let answer = async {
        for replica in replicas {
            full_id(&replica.id)?;
        }
        for replica in replicas {
            let left = deadline.saturating_duration_since(Instant::now());
            if left < turn {
                let (n, all) = (touched.len(), replicas.len());
                return Err(PlatformError::Incomplete(format!("{n} of {all} replicas {done}, no time for the rest")));
            }
            act(&replica.id, left).await?;
            touched.push(replica);
        }
        Ok(())
    };
    let answer = answer.await;
    Performed { touched: as_touched(done, &touched), answer, short: None }
}

fn as_touched(done: &str, replicas: &[&Replica]) -> Value {
    let mut it = json!({});
    it[done] = json!(replicas);
    it
}
