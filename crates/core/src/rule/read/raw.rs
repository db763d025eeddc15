//! A rules file as it is written: every key fettle knows, with what it means and what holds without it.
//!
//! A key that is not listed does not load, so that no file is half obeyed. What the values may be is not decided here.

use super::during::RawInterval;
use crate::action::NAMES;
use crate::diagnostic::Report;
use crate::yaml::{Form, Node, Value, shape};

/// As Alertmanager writes them.
const MATCHERS: Form = Form::List(&Form::Text);
/// Patterns of names.
const NAMES_OR_GLOBS: Form = Form::Some(&Form::Text);
const BUDGETS: Form = Form::List(&Form::Like("^ *[1-9][0-9]* +per +[0-9][0-9a-z]*[a-z] *$"));
const MODE: Form = Form::Word(&["observe", "propose", "act"]);

shape! {
    /// A file.
    RawFile {
        /// Must be 1.
        version = "version": Form::Needed(&Form::Number(1, 1)),
        /// For every rule of this file that does not say otherwise.
        defaults = "defaults": Form::Map(&RawDefaults::SHAPE),
        /// The rules in order. The first that matches an alert is the one that acts on it.
        rules = "rules": Form::Needed(&Form::List(&Form::Map(&RawRule::SHAPE))),
    }
}

shape! {
    /// What `defaults` may hold: the keys of a rule that make sense for many.
    RawDefaults {
        /// Who answers for them; shown, never interpreted.
        owner = "owner": Form::Text,
        /// The ceiling: `observe`, `propose` or `act`; act.
        mode = "mode": MODE,
        /// How long the episode must be known before anything is done; 0s.
        hold = "hold": Form::Duration,
        /// For the steps of every rule, key by key.
        verify = "verify": Form::Map(&RawVerify::SHAPE),
        /// `N per DURATION`, per rule and target; [3 per 1h].
        budget = "budget": BUDGETS,
        /// `N per DURATION`, all targets of a rule; none.
        rule_budget = "rule_budget": BUDGETS,
        /// Pause after the last effect of an earlier remediation of the target, whichever rule it was; 5m.
        cooldown = "cooldown": Form::Duration,
        /// When a fixed one that comes back counts as regressed; 30m.
        regress_window = "regress_window": Form::Duration,
    }
}

shape! {
    /// A rule.
    RawRule {
        /// Unique among all files; stands in the audit and in metrics.
        name = "name": Form::Needed(&Form::Text),
        /// Who answers for it; shown, never interpreted.
        owner = "owner": Form::Text,
        /// Matchers as Alertmanager writes them, all of which must match the alert.
        matchers = "match": Form::Needed(&Form::Some(&Form::Text)),
        /// While an alert that one of these means has fresh evidence, the cause is elsewhere and nothing is done; none.
        unless = "unless": Form::List(&Form::Map(&RawUnless::SHAPE)),
        /// How long the episode must be known before anything is done; 0s.
        hold = "hold": Form::Duration,
        /// Time intervals as in Alertmanager, of which one must be open; always.
        during = "during": Form::Some(&Form::Map(&RawInterval::SHAPE)),
        /// The ceiling: `observe`, `propose` or `act`; act.
        mode = "mode": MODE,
        /// What it may touch.
        target = "target": Form::Needed(&Form::Map(&RawTarget::SHAPE)),
        /// What is kept of the target before it is touched.
        evidence = "evidence": Form::Map(&RawEvidence::SHAPE),
        /// The ladder, lowest rung first; `escalate` is implied after the last.
        steps = "steps": Form::Needed(&Form::Some(&Form::Either(&[Form::Word(&NAMES), Form::Map(&RawStep::SHAPE)]))),
        /// Labels of the alert that fettle's own alerts about it carry; all but `alertname` and `severity`.
        announce = "announce": Form::List(&Form::Text),
        /// `N per DURATION`, per rule and target; [3 per 1h].
        budget = "budget": BUDGETS,
        /// `N per DURATION`, all targets of the rule; none.
        rule_budget = "rule_budget": BUDGETS,
        /// Pause after the last effect of an earlier remediation of the target, whichever rule it was; 5m.
        cooldown = "cooldown": Form::Duration,
        /// When a fixed one that comes back counts as regressed; 30m.
        regress_window = "regress_window": Form::Duration,
        /// Whether later rules are asked too; false.
        proceed = "continue": Form::Boolean,
    }
}

shape! {
    /// Alerts whose cause lies elsewhere.
    RawUnless {
        /// Matchers, all of which must match.
        matchers = "match": Form::Needed(&Form::Some(&Form::Text)),
        /// Labels whose value must be the same as in the alert that opened the remediation; none.
        equal = "equal": Form::List(&Form::Text),
    }
}

shape! {
    /// What is kept of the target before it is touched, besides what every look shows.
    RawEvidence {
        /// So many of its last log lines, with its memory figures, up to 1000; 0 for neither.
        log_lines = "log_lines": Form::Number(0, 1000),
    }
}

shape! {
    /// A target: exactly one of `container`, `compose`, `swarm` and `disk`, with what limits it. A name is literal or exactly
    /// one `$labels.NAME`.
    RawTarget exactly one of ["container", "compose", "swarm", "disk"] {
        /// The container's name.
        container = "container": Form::Text,
        /// A Compose project and service.
        compose = "compose": Form::Map(&RawCompose::SHAPE),
        /// A Swarm service.
        swarm = "swarm": Form::Map(&RawSwarm::SHAPE),
        /// A disk, as the configuration of the host calls it.
        disk = "disk": Form::Text,
        /// A configured host; the only one there is.
        host = "host": Form::Text,
        /// Names, or globs in which `*` is any run of name characters; required when a name comes from a label.
        allow = "allow": NAMES_OR_GLOBS,
        /// So many containers of the service must stay well when one that is well is touched; 0.
        min_healthy = "min_healthy": Form::Number(0, 10_000),
        /// A container that was started more recently is left alone; 30s for one without a health check. 0s turns it off.
        min_age = "min_age": Form::Duration,
    }
}

shape! {
    /// A Compose target.
    RawCompose {
        /// The project's name.
        project = "project": Form::Needed(&Form::Text),
        /// The service's name.
        service = "service": Form::Needed(&Form::Text),
    }
}

shape! {
    /// A Swarm target.
    RawSwarm {
        /// The service's name.
        service = "service": Form::Needed(&Form::Text),
    }
}

shape! {
    /// A step written as a map: exactly one action, and how it is done. An action without a value has its defaults.
    RawStep exactly one of [
        "restart", "stop", "scale_down", "scale_up", "clean_logs", "prune", "set_limits", "escalate"
    ] {
        /// Stop and start the container again; of a Swarm service, make its tasks anew.
        restart = "restart": Form::Maybe(&Form::Map(&RawRestart::SHAPE)),
        /// Stop the container and leave it stopped.
        stop = "stop": Form::Maybe(&Form::Map(&RawStop::SHAPE)),
        /// Fewer replicas, as a loan.
        scale_down = "scale_down": Form::Maybe(&Form::Map(&RawScaleDown::SHAPE)),
        /// More replicas, as a loan.
        scale_up = "scale_up": Form::Map(&RawScaleUp::SHAPE),
        /// Shorten what grows and delete what is rotated and aged.
        clean_logs = "clean_logs": Form::Map(&RawCleanLogs::SHAPE),
        /// Give back what Docker keeps and nobody uses; never a volume.
        prune = "prune": Form::Maybe(&Form::Map(&RawPrune::SHAPE)),
        /// Other limits for a running container.
        set_limits = "set_limits": Form::Map(&RawSetLimits::SHAPE),
        /// Tell people; the last step.
        escalate = "escalate": Form::Maybe(&Form::Map(&RawEscalate::SHAPE)),
        /// How it is judged.
        verify = "verify": Form::Map(&RawVerify::SHAPE),
        /// Pause after the verdict of the rung before; 0s.
        after = "after": Form::Duration,
        /// When a person must agree; without a value or with `{}` always. Without the key never, `clean_logs` with
        /// `container_log` excepted.
        approval = "approval": Form::Maybe(&Form::Map(&RawApproval::SHAPE)),
        /// Of a scaling step: how the loan is returned, or `never`; {after: 30m}.
        restore = "restore": Form::Either(&[Form::Word(&["never"]), Form::Map(&RawRestore::SHAPE)]),
    }
}

shape! {
    /// Parameters of `restart`.
    RawRestart {
        /// How long the process may take to end before it is killed, in whole seconds; 10s.
        grace = "grace": Form::Duration,
        /// Containers that depend on it and are restarted after it; none.
        dependents = "dependents": Form::Map(&RawDependents::SHAPE),
        /// Whether one that a person stopped is started too; false.
        start_stopped = "start_stopped": Form::Boolean,
    }
}

shape! {
    /// Which dependents are restarted.
    RawDependents {
        /// Names or globs; one that is found and not permitted refuses the whole step.
        allow = "allow": Form::Needed(&NAMES_OR_GLOBS),
    }
}

shape! {
    /// Parameters of `stop`.
    RawStop {
        /// How long the process may take to end before it is killed, in whole seconds; 10s.
        grace = "grace": Form::Duration,
    }
}

shape! {
    /// Parameters of `scale_down`.
    RawScaleDown {
        /// How many fewer; 1.
        by = "by": Form::Number(1, 10_000),
        /// Never fewer than this; 1.
        floor = "floor": Form::Number(0, 10_000),
    }
}

shape! {
    /// Parameters of `scale_up`.
    RawScaleUp {
        /// How many more; 1.
        by = "by": Form::Number(1, 10_000),
        /// Never more than this; required.
        ceiling = "ceiling": Form::Needed(&Form::Number(1, 10_000)),
    }
}

shape! {
    /// Parameters of `clean_logs`.
    RawCleanLogs {
        /// Folders, absolute; nothing outside of them is touched. Required.
        roots = "roots": Form::Needed(&Form::Some(&Form::Like("^/."))),
        /// Names of files that grow and may be emptied; ["*.log"].
        files = "files": Form::Some(&Form::Text),
        /// Names of files that are rotated and may be deleted; ["*.log.*", "*.log-*", "*.gz", "*.old", "*.1"].
        rotated = "rotated": Form::List(&Form::Text),
        /// At most so many files per attempt; 100.
        max_files = "max_files": Form::Number(1, 100_000),
        /// At most so many bytes per attempt; 10GiB.
        max_bytes = "max_bytes": Form::Size,
        /// A rotated file is deleted only when it was not written for this long; 24h.
        older_than = "older_than": Form::Duration,
        /// A growing file is emptied only when it is larger than this; 10MiB.
        larger_than = "larger_than": Form::Size,
        /// So many of the newest rotated files of each folder stay; 3.
        keep_newest = "keep_newest": Form::Number(0, 100_000),
        /// No more than needed: ends once this share of the file system is free, such as 20%; unset.
        stop_when_free = "stop_when_free": Form::Share,
        /// Helped only when this share of the file system is free afterwards, such as 15%; unset.
        free_above = "free_above": Form::Share,
        /// Who it is done as inside a container; the image's own user.
        user = "user": Form::Text,
        /// Empty the container's own json-file log as well, which a person must agree to unless `approval` says when; false.
        container_log = "container_log": Form::Boolean,
    }
}

shape! {
    /// Parameters of `prune`.
    RawPrune {
        /// Images without a name that no container uses; true.
        images = "images": Form::Boolean,
        /// Also images that have a name, when no container uses them; false.
        unused_images = "unused_images": Form::Boolean,
        /// What builds left behind; true.
        build_cache = "build_cache": Form::Boolean,
        /// Containers that are stopped, those of Compose excepted; false.
        stopped_containers = "stopped_containers": Form::Boolean,
        /// Only what is older; 24h.
        older_than = "older_than": Form::Duration,
        /// Helped only when this share of the file system is free afterwards, such as 15%; unset.
        free_above = "free_above": Form::Share,
    }
}

shape! {
    /// Parameters of `set_limits`: at least one of them.
    RawSetLimits {
        /// Memory, such as 512MiB; as it is.
        memory = "memory": Form::Size,
        /// Processors, such as 1.5; as it is.
        cpus = "cpus": Form::Decimal(0.01, 1024.0),
    }
}

shape! {
    /// Parameters of `escalate`.
    RawEscalate {
        /// What to say.
        message = "message": Form::Text,
    }
}

shape! {
    /// When a person must agree to a step.
    RawApproval {
        /// Only for alerts that all of these match; always.
        when = "when": MATCHERS,
        /// How long is waited for an answer; 10m.
        within = "within": Form::Duration,
    }
}

shape! {
    /// How a loan of replicas is returned.
    RawRestore {
        /// How long the alert must have stayed away; 30m.
        after = "after": Form::Duration,
    }
}

shape! {
    /// How a step is judged.
    RawVerify {
        /// Nothing is judged before this much time has passed; 5s.
        settle = "settle": Form::Duration,
        /// How long the target must be well without a break; 30s.
        healthy_for = "healthy_for": Form::Duration,
        /// Until when the alert must be gone; 10m.
        resolved_within = "resolved_within": Form::Duration,
        /// A `PromQL` expression that must hold besides: a vector that is not empty, or a number that is not 0; none.
        query = "query": Form::Text,
    }
}

/// The map of parameters; without a value every one has its default.
pub(super) fn given<'n, R: Default>(
    node: &'n Node,
    read: impl Fn(&'n Node, &mut Report<'_>) -> Option<R>,
    report: &mut Report<'_>,
) -> Option<R> {
    if node.value == Value::Null { Some(R::default()) } else { read(node, report) }
}
