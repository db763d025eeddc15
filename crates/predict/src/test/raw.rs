//! A file of tests as it is written: every key, with what it means and what holds without it.

use fettle_core::settings::raw::{RawLimits, RawProtected, RawStorm, RawTrip};
use fettle_core::yaml::{Form, shape};

const OFF: Form = Form::Word(&["off"]);
const WORDS: Form = Form::List(&Form::Text);
/// Names and values.
const LABELS: Form = Form::Names(&Form::Text);
/// One alert's labels, or several.
const ALERTS: Form = Form::Either(&[LABELS, Form::Some(&LABELS)]);
const ENDING: Form = Form::Word(&["succeeds", "in_vain", "fails", "hangs", "silent", "unreachable"]);
const ENDINGS: Form = Form::Either(&[ENDING, Form::Names(&ENDING)]);
const STATE: Form = Form::Word(&["created", "running", "paused", "restarting", "removing", "exited", "dead"]);
const HEALTH: Form = Form::Word(&["starting", "healthy", "unhealthy"]);
const COUNT: Form = Form::Number(0, 10_000);
/// `all`, a rule or a target.
const SCOPE: Form = Form::Either(&[Form::Word(&["all"]), LABELS]);

shape! {
    /// A file.
    RawFile {
        /// The rules that are tested, from the folder of this file.
        rule_files = "rule_files": Form::Needed(&Form::Some(&Form::Text)),
        /// The service's ceiling: `observe`, `propose` or `act`; act.
        mode = "mode": Form::Word(&["observe", "propose", "act"]),
        /// The hosts: a list of names, or a map of names to `instances` and `disks`; `local` alone.
        hosts = "hosts": Form::Either(&[WORDS, Form::Names(&Form::Maybe(&Form::Map(&RawHost::SHAPE)))]),
        /// As in the configuration.
        limits = "limits": Form::Map(&RawLimits::SHAPE),
        /// As in the configuration.
        storm = "storm": Form::Either(&[OFF, Form::Map(&RawStorm::SHAPE)]),
        /// As in the configuration.
        trip = "trip": Form::Either(&[OFF, Form::Map(&RawTrip::SHAPE)]),
        /// As in the configuration.
        freshness = "freshness": Form::Duration,
        /// As in the configuration.
        docker_patience = "docker_patience": Form::Duration,
        /// As in the configuration.
        recheck = "recheck": Form::Duration,
        /// As in the configuration.
        protected = "protected": Form::Map(&RawProtected::SHAPE),
        /// Whether Alertmanager can be asked and told; it knows what the timeline says. false.
        alertmanager = "alertmanager": Form::Boolean,
        /// The tests.
        tests = "tests": Form::Needed(&Form::Some(&Form::Map(&RawTest::SHAPE))),
    }
}

shape! {
    /// A host.
    RawHost {
        /// Values of `instance` that mean it.
        instances = "instances": WORDS,
        /// Disks that may be cleaned, each with a list of what is permitted on it.
        disks = "disks": Form::Names(&WORDS),
    }
}

shape! {
    /// A test.
    RawTest {
        /// A claim: what it shows.
        name = "name": Form::Needed(&Form::Text),
        /// What there is at the beginning, and how Docker answers.
        docker = "docker": Form::Map(&RawDocker::SHAPE),
        /// The instant at which it begins, for `during`; 2024-01-01T09:00:00Z, a Monday.
        start = "start": Form::Text,
        /// What happens, by time.
        timeline = "timeline": Form::Needed(&Form::Some(&Form::Map(&RawEntry::SHAPE))),
        /// What must come of it, and nothing else.
        expect = "expect": Form::List(&Form::Map(&RawExpected::SHAPE)),
        /// When to end; when nothing is open any more, a day after the last entry at the latest.
        until = "until": Form::Duration,
    }
}

shape! {
    /// What there is.
    RawDocker {
        /// Containers.
        containers = "containers": Form::List(&Form::Map(&RawContainer::SHAPE)),
        /// Swarm services.
        services = "services": Form::List(&Form::Map(&RawService::SHAPE)),
        /// Disks.
        disks = "disks": Form::List(&Form::Map(&RawDisk::SHAPE)),
        /// How long a call takes; 1s.
        takes = "takes": Form::Duration,
        /// Whether Docker can be reached: of all hosts, or a map of hosts; true.
        reachable = "reachable": Form::Either(&[Form::Boolean, Form::Names(&Form::Boolean)]),
        /// What metric queries say: true, false, or `blind`; true.
        metrics = "metrics": Form::Either(&[Form::Boolean, Form::Word(&["blind"])]),
        /// How this action ends: `succeeds`, `in_vain` (done, and no better), `fails`, `hangs` (no answer, not done),
        /// `silent` (no answer, and done), `unreachable` (nothing was sent); for all, or a map of names to endings. succeeds.
        restart = "restart": ENDINGS,
        /// See `restart`.
        stop = "stop": ENDINGS,
        /// See `restart`.
        scale_down = "scale_down": ENDINGS,
        /// See `restart`.
        scale_up = "scale_up": ENDINGS,
        /// See `restart`.
        clean_logs = "clean_logs": ENDINGS,
        /// See `restart`.
        prune = "prune": ENDINGS,
        /// See `restart`.
        set_limits = "set_limits": ENDINGS,
        /// See `restart`; what a loan is returned by.
        restore = "restore": ENDINGS,
    }
}

impl<'n> RawDocker<'n> {
    /// Each action with what is said of how it ends.
    pub(super) fn endings(&self) -> [(&'static str, Option<&'n fettle_core::yaml::Node>); 8] {
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
        name = "name": Form::Needed(&Form::Text),
        /// The host; the only one.
        host = "host": Form::Text,
        /// Its own labels; {fettle.enable: "true"}.
        labels = "labels": LABELS,
        /// Docker's word; running.
        state = "state": STATE,
        /// `starting`, `healthy` or `unhealthy`; it has no health check.
        health = "health": HEALTH,
        /// The start period of its health check; 0s. Only at the beginning.
        start_period = "start_period": Form::Duration,
        /// When it was started, such as `10s ago`; long ago. Only at the beginning.
        started = "started": Form::Like("^ *[0-9][0-9a-z]*[a-z] +ago *$"),
        /// Of its last run; 0, and 1 where it ends by itself in the timeline.
        exit_code = "exit_code": Form::Number(0, 255),
        /// Whether the kernel killed it for memory; false.
        oom_killed = "oom_killed": Form::Boolean,
        /// Whether its image carries `fettle.enable` itself; false.
        image_enables = "image_enables": Form::Boolean,
        /// Whether a person stopped it by Docker's API; false.
        stopped_by_hand = "stopped_by_hand": Form::Boolean,
        /// The Compose project and service that made it; none.
        compose = "compose": Form::Map(&RawCompose::SHAPE),
        /// Compose's number of it; by the order of declaration.
        number = "number": Form::Number(1, 10_000),
        /// Names of the containers that it depends on; none.
        depends_on = "depends_on": WORDS,
    }
}

shape! {
    /// The Compose service of a container.
    RawCompose {
        /// The project.
        project = "project": Form::Needed(&Form::Text),
        /// The service within the project.
        service = "service": Form::Needed(&Form::Text),
    }
}

shape! {
    /// A Swarm service.
    RawService {
        /// Its name.
        name = "name": Form::Needed(&Form::Text),
        /// The host; the only one.
        host = "host": Form::Text,
        /// The service's own labels; {fettle.enable: "true"}.
        labels = "labels": LABELS,
        /// How many tasks are asked for, or `global`; 1.
        replicas = "replicas": Form::Either(&[COUNT, Form::Word(&["global"])]),
        /// How many run; all.
        running = "running": COUNT,
        /// Whether an update is being rolled out; false.
        updating = "updating": Form::Boolean,
    }
}

shape! {
    /// A disk's file system.
    RawDisk {
        /// Its name in `hosts`.
        name = "name": Form::Needed(&Form::Text),
        /// The host; the only one.
        host = "host": Form::Text,
        /// Its size; 100GiB.
        total = "total": Form::Size,
        /// What is free of it.
        free = "free": Form::Size,
        /// What a clean-up gives back; 0.
        frees = "frees": Form::Size,
    }
}

shape! {
    /// An entry of a timeline: a time and one thing.
    RawEntry exactly one of ["firing", "resolved", "approve", "reject", "cancel", "pause", "resume", "reset", "silence", "unsilence", "alertmanager", "gone", "rules", "container", "service", "disk", "restarted", "removed", "docker"] {
        /// When, from the beginning.
        at = "at": Form::Needed(&Form::Duration),
        /// Labels of an alert, or a list of them: one notification says that they fire.
        firing = "firing": ALERTS,
        /// The same, that they do not any more.
        resolved = "resolved": ALERTS,
        /// The target whose proposal a person agrees to.
        approve = "approve": Form::Text,
        /// The target whose proposal a person refuses.
        reject = "reject": Form::Text,
        /// The target whose remediation a person stops.
        cancel = "cancel": Form::Text,
        /// `all`, `{rule: NAME}` or `{target: TARGET}`: a person has fettle hold still.
        pause = "pause": SCOPE,
        /// How long a pause lasts; until it is resumed.
        length = "for": Form::Duration,
        /// The same: the pause ends.
        resume = "resume": SCOPE,
        /// A rule whose circuit breaker a person closes.
        reset = "reset": Form::Text,
        /// Labels of an alert that a person silences in Alertmanager.
        silence = "silence": LABELS,
        /// The same: the silence ends.
        unsilence = "unsilence": LABELS,
        /// `down`: Alertmanager does not answer from now on, and what it is to be told is kept; `up`: it does again.
        alertmanager = "alertmanager": Form::Word(&["down", "up"]),
        /// Labels of an alert, or a list of them, that Alertmanager does not list any more though no notification says so.
        gone = "gone": ALERTS,
        /// Files with the rules that are in force from now on, from the folder of this file: a reload.
        rules = "rules": Form::Some(&Form::Text),
        /// A container changes by itself: its name and what is different from now on.
        container = "container": Form::Map(&RawContainer::SHAPE),
        /// A Swarm service changes by itself.
        service = "service": Form::Map(&RawService::SHAPE),
        /// A disk changes by itself.
        disk = "disk": Form::Map(&RawDisk::SHAPE),
        /// A container that somebody restarts without fettle.
        restarted = "restarted": Form::Text,
        /// A container that somebody removes.
        removed = "removed": Form::Text,
        /// How Docker answers from now on.
        docker = "docker": Form::Map(&RawDocker::SHAPE),
    }
}

shape! {
    /// Something that must come of it: a time and one thing.
    RawExpected exactly one of ["action", "blocked", "refused", "awaiting", "outcome", "announced"] {
        /// When it begins.
        at = "at": Form::Needed(&Form::Duration),
        /// An action that is begun, proposed in vain, or would be done: its name.
        action = "action": Form::Text,
        /// Of an action: how it ends; any.
        result = "result": Form::Text,
        /// Of an action: whether it helped; any.
        verdict = "verdict": Form::Text,
        /// A waiting guard that says no.
        blocked = "blocked": Form::Text,
        /// A guard whose no is in the audit.
        refused = "refused": Form::Text,
        /// An action that waits for a person.
        awaiting = "awaiting": Form::Text,
        /// How a remediation ends.
        outcome = "outcome": Form::Text,
        /// An alert of fettle's own that begins to stand.
        announced = "announced": Form::Text,
        /// On which target; any.
        target = "target": Form::Text,
        /// Of which rule; any.
        rule = "rule": Form::Text,
    }
}
