//! Looks at a target and asks a metric, for the core: a failure is an observation too.

use crate::shell::Shell;
use fettle_core::decide::{Blind, Looked};
use fettle_core::effect::Effect;
use fettle_core::ports::upstream::judge;
use fettle_core::sight::{CallPath, Pin};
use fettle_core::target::Target;

/// Looks again at what was found before, and asks the metric where there is one. Where `path_of` is given, its call's path is
/// tried right before: what the look then shows is younger than the answer.
pub(crate) async fn look(
    shell: &Shell,
    target: &Target,
    pin: &Pin,
    query: Option<&str>,
    path_of: Option<&Effect>,
) -> Looked {
    let path = match path_of {
        None => CallPath::NotShown,
        Some(effect) => shell.platform.call_path(target, pin, effect).await,
    };
    let sight = shell.platform.look(target, pin).await;
    let target = sight.map(|sight| sight.map(Box::new)).map_err(|error| Blind::from(&error));
    let metric = match query {
        None => None,
        Some(query) => Some(metric(shell, query).await),
    };
    Looked { target, metric, path }
}

/// The metric's value now, by Prometheus' own clock; an answer that proves nothing is blindness.
async fn metric(shell: &Shell, query: &str) -> Result<bool, Blind> {
    let blind = |reason, error: String| Blind { reason, error };
    let Some(prometheus) = &shell.query else {
        return Err(blind("no_prometheus", "no Prometheus is configured".to_owned()));
    };
    let answer = prometheus.query(query, None).await;
    let answer = answer.map_err(|error| blind(error.reason(), error.to_string()))?;
    judge(&answer).ok_or_else(|| blind("metric_unproven", "the answer proves nothing".to_owned()))
}
