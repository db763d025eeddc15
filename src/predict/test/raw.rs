//! A file of tests as it is written: every key, with what it means and what holds without it.

use crate::core::yaml::shape;

shape! {
    /// A file.
    RawFile {
        /// The rules that are tested, from the folder of this file.
        rule_files = "rule_files",
        /// The service's ceiling: `observe`, `propose` or `act`; act.
        mode = "mode",
        /// The hosts: a list of names, or a map of names to `instances` and `disks`; [local].
        hosts = "hosts",
        /// As in the configuration.
        limits = "limits",
        /// As in the configuration.
        storm = "storm",
        /// As in the configuration.
        trip = "trip",
        /// As in the configuration.
        freshness = "freshness",
        /// As in the configuration.
        protected = "protected",
        /// Whether Alertmanager can be asked and told; it knows what the timeline says. false.
        alertmanager = "alertmanager",
        /// The tests.
        tests = "tests",
    }
}

shape! {
    /// A host.
    RawHost {
        /// Values of `instance` that mean it.
        instances = "instances",
        /// Disks that may be cleaned, each with a list of what is permitted on it.
        disks = "disks",
    }
}

shape! {
    /// A test.
    RawTest {
        /// A claim: what it shows.
        name = "name",
        /// What there is at the beginning, and how Docker answers.
        docker = "docker",
        /// The instant at which it begins, for `during`; 2024-01-01T09:00:00Z, a Monday.
        start = "start",
        /// What happens, by time.
        timeline = "timeline",
        /// What must come of it, and nothing else.
        expect = "expect",
        /// When to end; when nothing is open any more, a day after the last entry at the latest.
        until = "until",
    }
}

shape! {
    /// What there is.
    RawDocker {
        /// Containers.
        containers = "containers",
        /// Swarm services.
        services = "services",
        /// Disks.
        disks = "disks",
        /// How long a call takes; 1s.
        takes = "takes",
        /// Whether Docker can be reached; true.
        reachable = "reachable",
        /// What metric queries say: true, false, or `blind`; true.
        metrics = "metrics",
        /// How this action ends: `succeeds`, `in_vain` (done, and no better), `fails`, `hangs` (no answer, not done),
        /// `silent` (no answer, and done), `unreachable` (nothing was sent); for all, or a map of names to endings. succeeds.
        restart = "restart",
        /// See `restart`.
        stop = "stop",
        /// See `restart`.
        scale_down = "scale_down",
        /// See `restart`.
        scale_up = "scale_up",
        /// See `restart`.
        clean_logs = "clean_logs",
        /// See `restart`.
        prune = "prune",
        /// See `restart`.
        set_limits = "set_limits",
        /// See `restart`; what a loan is returned by.
        restore = "restore",
    }
}

impl<'n> RawDocker<'n> {
    /// Each action with what is said of how it ends.
    pub(super) fn endings(&self) -> [(&'static str, Option<&'n crate::core::yaml::Node>); 8] {
        [
            ("restart", self.restart),
            ("stop", self.stop),
            ("scale_down", self.scale_down),
            ("scale_up", self.scale_up),
            ("clean_logs", self.clean_logs),
            ("prune", self.prune),
            ("set_limits", self.set_limits),
            ("restore", self.restore),
        ]
    }
}

shape! {
    /// A container, at the beginning or from some time on.
    RawContainer {
        /// Its name.
        name = "name",
        /// The host; the only one.
        host = "host",
        /// Its own labels; {fettle.enable: "true"}.
        labels = "labels",
        /// Docker's word; running.
        state = "state",
        /// `starting`, `healthy` or `unhealthy`; it has no health check.
        health = "health",
        /// Of its last run; 0, and 1 where it ends by itself in the timeline.
        exit_code = "exit_code",
        /// Whether the kernel killed it for memory; false.
        oom_killed = "oom_killed",
        /// Whether its image carries `fettle.enable` itself; false.
        image_enables = "image_enables",
        /// Whether a person stopped it by Docker's API; false.
        stopped_by_hand = "stopped_by_hand",
        /// The Compose project and service that made it; none.
        compose = "compose",
        /// Compose's number of it; by the order of declaration.
        number = "number",
        /// Names of the containers that it depends on; none.
        depends_on = "depends_on",
    }
}

shape! {
    /// The Compose service of a container.
    RawCompose {
        /// The project.
        project = "project",
        /// The service within the project.
        service = "service",
    }
}

shape! {
    /// A Swarm service.
    RawService {
        /// Its name.
        name = "name",
        /// The host; the only one.
        host = "host",
        /// The service's own labels; {fettle.enable: "true"}.
        labels = "labels",
        /// How many tasks are asked for, or `global`; 1.
        replicas = "replicas",
        /// How many run; all.
        running = "running",
        /// Whether an update is being rolled out; false.
        updating = "updating",
    }
}

shape! {
    /// A disk's file system.
    RawDisk {
        /// Its name in `hosts`.
        name = "name",
        /// The host; the only one.
        host = "host",
        /// Its size; 100GiB.
        total = "total",
        /// What is free of it.
        free = "free",
        /// What a clean-up gives back; 0.
        frees = "frees",
    }
}

shape! {
    /// An entry of a timeline: a time and one thing.
    RawEntry {
        /// When, from the beginning.
        at = "at",
        /// Labels of an alert, or a list of them: one notification says that they fire.
        firing = "firing",
        /// The same, that they do not any more.
        resolved = "resolved",
        /// The target whose proposal a person agrees to.
        approve = "approve",
        /// The target whose proposal a person refuses.
        reject = "reject",
        /// The target whose remediation a person stops.
        cancel = "cancel",
        /// `all`, `{rule: NAME}` or `{target: TARGET}`: a person has fettle hold still.
        pause = "pause",
        /// How long a pause lasts; until it is resumed.
        length = "for",
        /// The same: the pause ends.
        resume = "resume",
        /// A rule whose circuit breaker a person closes.
        reset = "reset",
        /// Labels of an alert that a person silences in Alertmanager.
        silence = "silence",
        /// The same: the silence ends.
        unsilence = "unsilence",
        /// A container changes by itself: its name and what is different from now on.
        container = "container",
        /// A Swarm service changes by itself.
        service = "service",
        /// A disk changes by itself.
        disk = "disk",
        /// A container that somebody restarts without fettle.
        restarted = "restarted",
        /// A container that somebody removes.
        removed = "removed",
        /// How Docker answers from now on.
        docker = "docker",
    }
}

shape! {
    /// Something that must come of it: a time and one thing.
    RawExpected {
        /// When it begins.
        at = "at",
        /// An action that is begun, proposed in vain, or would be done: its name.
        action = "action",
        /// Of an action: how it ends; any.
        result = "result",
        /// Of an action: whether it helped; any.
        verdict = "verdict",
        /// A waiting guard that says no.
        blocked = "blocked",
        /// A guard whose no is in the audit.
        refused = "refused",
        /// An action that waits for a person.
        awaiting = "awaiting",
        /// How a remediation ends.
        outcome = "outcome",
        /// An alert of fettle's own that begins to stand.
        announced = "announced",
        /// On which target; any.
        target = "target",
        /// Of which rule; any.
        rule = "rule",
    }
}
