//! Every metric, its name in one place.
//!
//! Always holds: a series whose label values are known beforehand exists from the start, so that a rate begins at zero
//! and not at the first failure; what belongs to a rule goes when the rule is no longer loaded. Counting never fails and
//! never waits for I/O. What must be read from elsewhere (open remediations, the queue, budgets, pauses, the storm, breakers)
//! is set by whoever answers the scrape.

mod maker;
mod per_rule;

use std::time::{Duration, Instant};

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use fettle_core::action::NAMES;
use fettle_core::alert::bounds::Bound;
use fettle_core::announcement::AnnouncementName;
use fettle_core::guard::BreakerState;
use fettle_core::remediation::conclusion::Unopened;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::StateName;
use fettle_core::time::Timestamp;
use maker::Maker;
use per_rule::PerRule;

/// Answers that `POST /webhook` gives, for series that exist from the start.
const CODES: [&str; 9] = ["202", "400", "401", "403", "405", "408", "413", "415", "503"];

/// The sender's name where no token told one: none was sent, or a wrong one.
pub const UNKNOWN_SENDER: &str = "unknown";

/// The sender's name where no tokens are configured.
pub const ANONYMOUS: &str = "anonymous";

/// Events that have a name so far, for series that exist from the start.
const EVENTS: [&str; 14] = [
    "cleared_unproven",
    "clock_reset",
    "escalated",
    "gave_up",
    "host_critical",
    "host_recovered",
    "host_stressed",
    "late_call",
    "notification_set_aside",
    "pipeline_heard",
    "pipeline_silent",
    "self_heal",
    "storm_began",
    "unconfirmed",
];

/// Actions as the audit names them: what rules can ask for, and the return of a loan.
const ACTIONS: [&str; NAMES.len() + 1] = {
    let mut all = ["restore"; NAMES.len() + 1];
    let mut at = 0;
    while at < NAMES.len() {
        all[at] = NAMES[at];
        at += 1;
    }
    all
};

/// What becomes of an announcement's delivery to one peer or to all.
const DELIVERIES: [&str; 2] = ["delivered", "failed"];

/// Whom fettle asks and tells besides Docker.
const PEER_KINDS: [&str; 2] = ["alertmanager", "prometheus"];

/// Answers of such a peer whose series exist from the start: what it says when it works, when it is wrongly addressed or
/// refuses the credentials, when it is broken, and why there is no status at all.
const UPSTREAM_CODES: [&str; 13] = [
    "200",
    "400",
    "401",
    "403",
    "404",
    "500",
    "502",
    "503",
    "upstream_unreachable",
    "upstream_timeout",
    "upstream_broken",
    "upstream_too_large",
    "upstream_senseless",
];

/// Up to the 5 s a sender is left waiting; fine where a commit lies (0.5 ms) and where the goals are (10 and 25 ms).
const INTAKE: [f64; 14] = [0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// From one commit (0.5 ms) over the goals (2.5, 5, 10 and 25 ms) to what a queue or a daemon under load adds.
const REACTION: [f64; 12] = [0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// A restart takes from 0.1 s (ends at once) over the default grace of 10 s to a long grace and the call's margin.
const ACTION: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// A look takes 1 to 3 ms, a restart as long as an action.
const DOCKER: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// All metrics of one process. Shared as `Arc<Metrics>`.
pub struct Metrics {
    registry: Registry,
    notifications: IntCounterVec,
    refused: IntCounterVec,
    alerts: IntCounterVec,
    truncated: IntCounter,
    intake: Histogram,
    queue: IntGauge,
    open: IntGaugeVec,
    action_seconds: HistogramVec,
    reaction: Histogram,
    budget: GaugeVec,
    docker_requests: IntCounterVec,
    docker_seconds: HistogramVec,
    store_up: IntGauge,
    ready: IntGauge,
    clock_offset: Gauge,
    reload_ok: IntGauge,
    reload_at: Gauge,
    events: IntCounterVec,
    paused: IntGauge,
    storm: IntGauge,
    announcements: IntCounterVec,
    upstream: IntCounterVec,
    last_notification: Gauge,
    heartbeat: Gauge,
    host: GaugeVec,
    streams: IntGauge,
    rules: PerRule,
}

/// What was counted since the start, for those who do not scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Notifications that were stored.
    pub notifications: u64,
    /// Alerts in them.
    pub alerts: u64,
    /// Audit rows: actions and refusals for good.
    pub actions: u64,
    /// Remediations that were closed.
    pub remediations: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero, with every series whose labels are closed sets.
    ///
    /// # Panics
    /// Never: names and labels are constants, and a test makes them all.
    #[must_use]
    pub fn new() -> Self {
        let of = Maker(Registry::new());
        let build = of.gauges("fettle_build_info", "Always 1; the version that runs is in the label.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let it = Self {
            notifications: of.counters(
                "fettle_notifications_total",
                "Requests to the webhook, by the token's name and the status they were answered with.",
                &["sender", "code"],
            ),
            refused: of.counters(
                "fettle_notifications_refused_total",
                "Notifications that were refused because they exceed a limit, by the token's name and the key below limits.",
                &["sender", "limit"],
            ),
            alerts: of.counters(
                "fettle_alerts_total",
                "Alerts in notifications that were stored, by their status; repeats count each time.",
                &["status"],
            ),
            truncated: of.counter(
                "fettle_truncated_alerts_total",
                "Alerts that Alertmanager cut off (max_alerts) from notifications that were stored.",
            ),
            intake: of.histogram(
                "fettle_intake_duration_seconds",
                "From the last byte of a notification to its answer, whatever the answer.",
                &INTAKE,
            ),
            queue: of.gauge("fettle_intake_queue", "Notifications that wait to be stored."),
            open: of.gauges("fettle_remediations_open", "Remediations that are not closed, by state.", &["state"]),
            action_seconds: of.histograms(
                "fettle_action_duration_seconds",
                "How long actions took that reached their end, succeeded or failed.",
                &["action"],
                &ACTION,
            ),
            reaction: of.histogram(
                "fettle_reaction_seconds",
                "From a notification received to the first Docker request it caused, for rules without hold.",
                &REACTION,
            ),
            budget: of.floats(
                "fettle_budget_remaining",
                "Effects still allowed now, the least over all targets and windows of the scope.",
                &["rule", "scope"],
            ),
            docker_requests: of.counters(
                "fettle_docker_requests_total",
                "Requests to Docker, by host, operation and HTTP status or the kind of failure.",
                &["host", "op", "code"],
            ),
            docker_seconds: of.histograms(
                "fettle_docker_request_duration_seconds",
                "How long requests to Docker took, whatever came of them.",
                &["host", "op"],
                &DOCKER,
            ),
            store_up: of.gauge("fettle_store_up", "1 when the database answered the last time it was asked, else 0."),
            ready: of.gauge("fettle_ready", "1 when fettle takes in and decides, as /-/ready says, else 0."),
            clock_offset: of.float(
                "fettle_clock_offset_seconds",
                "fettle's time, which is the database's where that has a clock, minus this machine's clock.",
            ),
            reload_ok: of.gauge(
                "fettle_config_last_reload_successful",
                "1 when the last attempt to load the rules took effect, 0 when the rules before it still run.",
            ),
            reload_at: of.float(
                "fettle_config_last_reload_success_timestamp_seconds",
                "When rules were last loaded, in Unix time.",
            ),
            events: of.counters("fettle_events_total", "Events, by name.", &["event"]),
            paused: of.gauge("fettle_paused", "Pauses that stand, whatever they are about; 0 when nothing is paused."),
            storm: of.gauge("fettle_storm", "1 while so much is wrong at once that fettle holds back, else 0."),
            announcements: of.counters(
                "fettle_announcements_total",
                "Deliveries of fettle's own alerts to Alertmanager, by the alert's name and what became of them.",
                &["name", "result"],
            ),
            upstream: of.counters(
                "fettle_upstream_requests_total",
                "Requests to Alertmanager and Prometheus, by HTTP status or the kind of failure.",
                &["peer_kind", "code"],
            ),
            last_notification: of.float(
                "fettle_last_notification_timestamp_seconds",
                "When a notification was last stored, in Unix time; 0 before the first.",
            ),
            heartbeat: of.float(
                "fettle_heartbeat_timestamp_seconds",
                "When the alert that always fires was last heard, in Unix time; 0 while it never was, or none is expected.",
            ),
            host: of.floats(
                "fettle_host_used_ratio",
                "Share of this machine's cpu, ram and disk (that fettle writes to) in use, from 0 to 1.",
                &["resource"],
            ),
            streams: of.gauge("fettle_http_streams", "Pages that follow what happens now (server-sent events)."),
            rules: PerRule::new(),
            registry: of.0,
        };
        it.adopt(ProcessCollector::for_self());
        it.adopt(it.rules.clone());
        it.make_known();
        it
    }

    fn adopt(&self, collector: impl prometheus::core::Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("names are distinct constants");
    }

    fn make_known(&self) {
        self.senders_loaded(&[]);
        for status in ["firing", "resolved"] {
            self.alerts.with_label_values(&[status]);
        }
        for state in StateName::ALL.iter().filter(|&&state| state != StateName::Closed) {
            self.open.with_label_values(&[state.as_str()]);
        }
        for action in ACTIONS {
            self.action_seconds.with_label_values(&[action]);
        }
        for name in AnnouncementName::ALL {
            for result in DELIVERIES {
                self.announcements.with_label_values(&[name.as_str(), result]);
            }
        }
        for peer_kind in PEER_KINDS {
            for code in UPSTREAM_CODES {
                self.upstream.with_label_values(&[peer_kind, code]);
            }
        }
        for event in EVENTS {
            self.events.with_label_values(&[event]);
        }
    }

    /// Makes the series of these token names exist, besides those of nobody and of the unknown.
    pub fn senders_loaded(&self, names: &[&str]) {
        for sender in names.iter().chain(&[ANONYMOUS, UNKNOWN_SENDER]) {
            for code in CODES {
                self.notifications.with_label_values(&[*sender, code]);
            }
            for limit in Bound::ALL {
                self.refused.with_label_values(&[*sender, limit.as_str()]);
            }
        }
    }

    /// Makes the series of these Docker hosts and operations exist; `codes` are those that any of them may answer.
    pub fn hosts_loaded(&self, hosts: &[&str], ops: &[&str], codes: &[&str]) {
        for host in hosts {
            for op in ops {
                self.docker_seconds.with_label_values(&[host, op]);
                for code in codes {
                    self.docker_requests.with_label_values(&[host, op, code]);
                }
            }
        }
    }

    /// Makes all series of these rules exist and removes those of every other rule.
    pub fn rules_loaded(&self, rules: &[&str]) {
        let orders = [fettle_core::rule::model::BY_HAND];
        self.rules.loaded(&[rules, &orders].concat());
        self.budget.reset();
    }

    /// The rules were loaded, or the attempt changed nothing.
    pub fn reloaded(&self, successful: bool, at: Timestamp) {
        self.reload_ok.set(i64::from(successful));
        if successful {
            self.reload_at.set(seconds(at));
        }
    }

    /// A request to the webhook was answered with `code`.
    pub fn notification(&self, sender: &str, code: u16) {
        self.notifications.with_label_values(&[sender, &code.to_string()]).inc();
    }

    /// A notification was refused because it exceeds this limit.
    pub fn refused(&self, sender: &str, limit: Bound) {
        self.refused.with_label_values(&[sender, limit.as_str()]).inc();
    }

    /// A notification with these alerts was stored.
    pub fn alerts(&self, firing: usize, resolved: usize, truncated: u64) {
        self.alerts.with_label_values(&["firing"]).inc_by(firing as u64);
        self.alerts.with_label_values(&["resolved"]).inc_by(resolved as u64);
        self.truncated.inc_by(truncated);
        self.last_notification.set(seconds(Timestamp::now()));
    }

    /// When a notification was last stored by this process.
    #[must_use]
    pub fn last_notification(&self) -> Option<Timestamp> {
        let at = self.last_notification.get();
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century are far below 2^53")]
        let millis = (at * 1000.0) as i64;
        Timestamp::from_millisecond(millis).ok().filter(|_| at > 0.0)
    }

    /// When the alert that always fires was last heard.
    pub fn heartbeat(&self, at: Timestamp) {
        self.heartbeat.set(seconds(at));
    }

    /// How this machine is doing, in percent.
    pub fn host(&self, cpu: f64, ram: f64, disk: Option<f64>) {
        for (resource, percent) in [("cpu", Some(cpu)), ("ram", Some(ram)), ("disk", disk)] {
            if let Some(percent) = percent {
                self.host.with_label_values(&[resource]).set(percent / 100.0);
            }
        }
    }

    /// How many pages follow what happens now.
    pub fn streams(&self, open: usize) {
        self.streams.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// What was counted since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let families = self.registry.gather();
        let sum = |name: &str, wanted: &dyn Fn(&str, &str) -> bool| -> u64 {
            let family = families.iter().find(|family| family.name() == name);
            let metrics = family.map(prometheus::proto::MetricFamily::get_metric).unwrap_or_default().iter();
            let counted = metrics.filter(|it| it.get_label().iter().all(|pair| wanted(pair.name(), pair.value())));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts are whole and not below zero"
            )]
            let total = counted.map(|it| it.get_counter().get_value()).sum::<f64>() as u64;
            total
        };
        Totals {
            notifications: sum("fettle_notifications_total", &|name, value| name != "code" || value == "202"),
            alerts: sum("fettle_alerts_total", &|_, _| true),
            actions: sum("fettle_actions_total", &|_, _| true),
            remediations: sum("fettle_remediations_total", &|_, _| true),
        }
    }

    /// Measures a notification's way to its answer: observed when the guard is dropped, on every path.
    #[must_use]
    pub fn intake_timer(&self) -> IntakeTimer<'_> {
        IntakeTimer { intake: &self.intake, since: Instant::now() }
    }

    /// Notifications that wait to be stored.
    pub fn intake_queue(&self, waiting: usize) {
        self.queue.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// How long it took from a notification to its first Docker request.
    pub fn reaction(&self, took: Duration) {
        self.reaction.observe(took.as_secs_f64());
    }

    /// Open remediations, by state; states that are not named have none.
    pub fn open(&self, by_state: &[(String, u64)]) {
        for state in StateName::ALL.iter().filter(|&&state| state != StateName::Closed) {
            let count = by_state.iter().find(|(name, _)| name == state.as_str()).map_or(0, |&(_, count)| count);
            self.open.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Effects still allowed, per rule and scope. Replaces what was said before.
    pub fn budgets<'a>(&self, remaining: impl IntoIterator<Item = (&'a str, &'a str, u32)>) {
        self.budget.reset();
        for (rule, scope, left) in remaining {
            self.budget.with_label_values(&[rule, scope]).set(f64::from(left));
        }
    }

    /// How many pauses stand.
    pub fn paused(&self, pauses: usize) {
        self.paused.set(i64::try_from(pauses).unwrap_or(i64::MAX));
    }

    /// Whether there is a storm.
    pub fn storm(&self, is_on: bool) {
        self.storm.set(i64::from(is_on));
    }

    /// Where the breakers of rules stand; those that are not named are closed. Replaces what was said before.
    pub fn breakers<'a>(&self, stand: impl IntoIterator<Item = (&'a str, BreakerState)>) {
        self.rules.breakers(stand);
    }

    /// One of fettle's own alerts was delivered, or could not be.
    pub fn announced(&self, name: AnnouncementName, ok: bool) {
        let [delivered, failed] = DELIVERIES;
        self.announcements.with_label_values(&[name.as_str(), if ok { delivered } else { failed }]).inc();
    }

    /// A request to a peer is over: `alertmanager` or `prometheus`, and the HTTP status or a bounded word for why there is
    /// none.
    pub fn upstream(&self, peer_kind: &'static str, code: &str) {
        self.upstream.with_label_values(&[peer_kind, code]).inc();
    }

    /// Whether the database answered.
    pub fn store_up(&self, up: bool) {
        self.store_up.set(i64::from(up));
    }

    /// Whether fettle is ready.
    pub fn ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// fettle's time minus this machine's wall clock.
    pub fn clock_offset(&self, seconds: f64) {
        self.clock_offset.set(seconds);
    }

    /// A request to Docker is over. `code` is the HTTP status, or a bounded word for why there is none.
    pub fn docker_call(&self, host: &str, op: &str, code: &str, took: Duration) {
        self.docker_requests.with_label_values(&[host, op, code]).inc();
        self.docker_seconds.with_label_values(&[host, op]).observe(took.as_secs_f64());
    }

    /// A remediation was closed.
    pub fn closed(&self, rule: &str, outcome: Outcome) {
        self.rules.of(rule).closed(outcome);
    }

    /// An action has its result; `took` is known when it was really done.
    pub fn action(&self, rule: &str, action: &'static str, result: ActionResult, took: Option<Duration>) {
        self.rules.of(rule).action(action, result);
        if let Some(took) = took {
            self.action_seconds.with_label_values(&[action]).observe(took.as_secs_f64());
        }
    }

    /// A guard said no, for now or for good.
    pub fn refusal(&self, rule: &str, guard: Guard) {
        self.rules.of(rule).refusal(guard);
    }

    /// A firing alert was repeated and no remediation was opened for it.
    pub fn not_opened(&self, rule: &str, reason: Unopened) {
        self.rules.of(rule).not_opened(reason);
    }

    /// An action was judged.
    pub fn verdict(&self, rule: &str, action: &'static str, verdict: Verdict) {
        self.rules.of(rule).verdict(action, verdict);
    }

    /// Something happened that belongs to no single action.
    pub fn event(&self, event: &'static str) {
        self.events.with_label_values(&[event]).inc();
    }

    /// Everything, in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// An instant in Unix time.
#[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is exact in an f64 for 285,000 years")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// Observes the time since it was made when it is dropped.
pub struct IntakeTimer<'a> {
    intake: &'a Histogram,
    since: Instant,
}

impl Drop for IntakeTimer<'_> {
    fn drop(&mut self) {
        self.intake.observe(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
