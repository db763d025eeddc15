//! A rules file as it is written: every key fettle knows, with what it means and what holds without it.
//!
//! A key that is not listed does not load, so that no file is half obeyed. What the values may be is not decided here.

use crate::core::yaml::shape;

shape! {
    /// A file.
    RawFile {
        /// Must be 1.
        version = "version",
        /// For every rule of this file that does not say otherwise.
        defaults = "defaults",
        /// The rules in order. The first that matches an alert is the one that acts on it.
        rules = "rules",
    }
}

shape! {
    /// What `defaults` may hold: the keys of a rule that make sense for many.
    RawDefaults {
        /// See [`RawRule`].
        owner = "owner",
        /// See [`RawRule`].
        mode = "mode",
        /// See [`RawRule`].
        hold = "hold",
        /// For the steps of every rule, key by key.
        verify = "verify",
        /// See [`RawRule`].
        budget = "budget",
        /// See [`RawRule`].
        rule_budget = "rule_budget",
        /// See [`RawRule`].
        cooldown = "cooldown",
        /// See [`RawRule`].
        regress_window = "regress_window",
    }
}

shape! {
    /// A rule.
    RawRule {
        /// Unique among all files; stands in the audit and in metrics.
        name = "name",
        /// Who answers for it; shown, never interpreted.
        owner = "owner",
        /// Matchers as Alertmanager writes them, all of which must match the alert.
        matchers = "match",
        /// While an alert that one of these means has fresh evidence, the cause is elsewhere and nothing is done; none.
        unless = "unless",
        /// How long the episode must be known before anything is done; 0s.
        hold = "hold",
        /// Time intervals as in Alertmanager, of which one must be open; always.
        during = "during",
        /// The ceiling: `observe`, `propose` or `act`; act.
        mode = "mode",
        /// What it may touch.
        target = "target",
        /// What is kept of the target before it is touched.
        evidence = "evidence",
        /// The ladder, lowest rung first; `escalate` is implied after the last.
        steps = "steps",
        /// Labels of the alert that fettle's own alerts about it carry; all but `alertname` and `severity`.
        announce = "announce",
        /// `N per DURATION`, per rule and target; [3 per 1h].
        budget = "budget",
        /// `N per DURATION`, all targets of the rule; none.
        rule_budget = "rule_budget",
        /// Pause after the last effect of an earlier remediation of the target, whichever rule it was; 5m.
        cooldown = "cooldown",
        /// When a fixed one that comes back counts as regressed; 30m.
        regress_window = "regress_window",
        /// Whether later rules are asked too; false.
        proceed = "continue",
    }
}

shape! {
    /// Alerts whose cause lies elsewhere.
    RawUnless {
        /// Matchers, all of which must match.
        matchers = "match",
        /// Labels whose value must be the same as in the alert that opened the remediation; none.
        equal = "equal",
    }
}

shape! {
    /// What is kept of the target before it is touched, besides what every look shows.
    RawEvidence {
        /// So many of its last log lines, with its memory figures, up to 1000; 0 for neither.
        log_lines = "log_lines",
    }
}

shape! {
    /// A target: exactly one of `container`, `compose`, `swarm` and `disk`, with what limits it. A name is literal or exactly
    /// one `$labels.NAME`.
    RawTarget {
        /// The container's name.
        container = "container",
        /// A Compose project and service.
        compose = "compose",
        /// A Swarm service.
        swarm = "swarm",
        /// A disk, as the configuration of the host calls it.
        disk = "disk",
        /// A configured host; the only one there is.
        host = "host",
        /// Names, or globs in which `*` is any run of name characters; required when a name comes from a label.
        allow = "allow",
        /// So many containers of the service must stay well when one that is well is touched; 0.
        min_healthy = "min_healthy",
    }
}

shape! {
    /// A Compose target.
    RawCompose {
        /// The project's name.
        project = "project",
        /// The service's name.
        service = "service",
    }
}

shape! {
    /// A Swarm target.
    RawSwarm {
        /// The service's name.
        service = "service",
    }
}

shape! {
    /// A step written as a map: exactly one action, and how it is done. An action without a value has its defaults.
    RawStep {
        /// Stop and start the container again; of a Swarm service, make its tasks anew.
        restart = "restart",
        /// Stop the container and leave it stopped.
        stop = "stop",
        /// Fewer replicas, as a loan.
        scale_down = "scale_down",
        /// More replicas, as a loan.
        scale_up = "scale_up",
        /// Shorten what grows and delete what is rotated and aged.
        clean_logs = "clean_logs",
        /// Give back what Docker keeps and nobody uses; never a volume.
        prune = "prune",
        /// Other limits for a running container.
        set_limits = "set_limits",
        /// Tell people; the last step.
        escalate = "escalate",
        /// How it is judged.
        verify = "verify",
        /// Pause after the verdict of the rung before; 0s.
        after = "after",
        /// When a person must agree; without a value or with `{}` always. Without the key never, `clean_logs` with
        /// `container_log` excepted.
        approval = "approval",
        /// Of a scaling step: how the loan is returned, or `never`; {after: 30m}.
        restore = "restore",
    }
}

shape! {
    /// Parameters of `restart`.
    RawRestart {
        /// How long the process may take to end before it is killed, in whole seconds; 10s.
        grace = "grace",
        /// Containers that depend on it and are restarted after it; none.
        dependents = "dependents",
        /// Whether one that a person stopped is started too; false.
        start_stopped = "start_stopped",
    }
}

shape! {
    /// Which dependents are restarted.
    RawDependents {
        /// Names or globs; one that is found and not permitted refuses the whole step.
        allow = "allow",
    }
}

shape! {
    /// Parameters of `stop`.
    RawStop {
        /// How long the process may take to end before it is killed, in whole seconds; 10s.
        grace = "grace",
    }
}

shape! {
    /// Parameters of `scale_down`.
    RawScaleDown {
        /// How many fewer; 1.
        by = "by",
        /// Never fewer than this; 1.
        floor = "floor",
    }
}

shape! {
    /// Parameters of `scale_up`.
    RawScaleUp {
        /// How many more; 1.
        by = "by",
        /// Never more than this; required.
        ceiling = "ceiling",
    }
}

shape! {
    /// Parameters of `clean_logs`.
    RawCleanLogs {
        /// Folders, absolute; nothing outside of them is touched. Required.
        roots = "roots",
        /// Names of files that grow and may be emptied; ["*.log"].
        files = "files",
        /// Names of files that are rotated and may be deleted; ["*.log.*", "*.log-*", "*.gz", "*.old", "*.1"].
        rotated = "rotated",
        /// At most so many files per attempt; 100.
        max_files = "max_files",
        /// At most so many bytes per attempt; 10GiB.
        max_bytes = "max_bytes",
        /// A rotated file is deleted only when it was not written for this long; 24h.
        older_than = "older_than",
        /// A growing file is emptied only when it is larger than this; 10MiB.
        larger_than = "larger_than",
        /// So many of the newest rotated files of each folder stay; 3.
        keep_newest = "keep_newest",
        /// No more than needed: ends once this share of the file system is free, such as 20%; unset.
        stop_when_free = "stop_when_free",
        /// Helped only when this share of the file system is free afterwards, such as 15%; unset.
        free_above = "free_above",
        /// Who it is done as inside a container; the image's own user.
        user = "user",
        /// Empty the container's own json-file log as well, which a person must agree to unless `approval` says when; false.
        container_log = "container_log",
    }
}

shape! {
    /// Parameters of `prune`.
    RawPrune {
        /// Images without a name that no container uses; true.
        images = "images",
        /// Also images that have a name, when no container uses them; false.
        unused_images = "unused_images",
        /// What builds left behind; true.
        build_cache = "build_cache",
        /// Containers that are stopped, those of Compose excepted; false.
        stopped_containers = "stopped_containers",
        /// Only what is older; 24h.
        older_than = "older_than",
        /// Helped only when this share of the file system is free afterwards, such as 15%; unset.
        free_above = "free_above",
    }
}

shape! {
    /// Parameters of `set_limits`: at least one of them.
    RawSetLimits {
        /// Memory, such as 512MiB; as it is.
        memory = "memory",
        /// Processors, such as 1.5; as it is.
        cpus = "cpus",
    }
}

shape! {
    /// Parameters of `escalate`.
    RawEscalate {
        /// What to say.
        message = "message",
    }
}

shape! {
    /// When a person must agree to a step.
    RawApproval {
        /// Only for alerts that all of these match; always.
        when = "when",
        /// How long is waited for an answer; 10m.
        within = "within",
    }
}

shape! {
    /// How a loan of replicas is returned.
    RawRestore {
        /// How long the alert must have stayed away; 30m.
        after = "after",
    }
}

shape! {
    /// How a step is judged.
    RawVerify {
        /// Nothing is judged before this much time has passed; 5s.
        settle = "settle",
        /// How long the target must be well without a break; 30s.
        healthy_for = "healthy_for",
        /// Until when the alert must be gone; 10m.
        resolved_within = "resolved_within",
        /// A `PromQL` expression that must hold besides: a vector that is not empty, or a number that is not 0; none.
        query = "query",
    }
}
