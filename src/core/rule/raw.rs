//! A rules file as it is written: every key fettle knows, and nothing about what the values mean.
//!
//! Keys that belong to later work are not listed, so a file that uses them does not load instead of being half obeyed.

use crate::core::yaml::shape;

shape! {
    /// A file.
    RawFile {
        /// Must be 1.
        version = "version",
        /// For every rule of this file that does not say otherwise.
        defaults = "defaults",
        /// The rules in order.
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
        /// Unique among all files.
        name = "name",
        /// Who answers for it.
        owner = "owner",
        /// Matchers, all of which must match.
        matchers = "match",
        /// How long the episode must be known.
        hold = "hold",
        /// `observe` or `act`.
        mode = "mode",
        /// What it may touch.
        target = "target",
        /// The ladder.
        steps = "steps",
        /// `N per DURATION`, per rule and target.
        budget = "budget",
        /// `N per DURATION`, all targets.
        rule_budget = "rule_budget",
        /// Pause per target.
        cooldown = "cooldown",
        /// When a fixed one that returns counts as regressed.
        regress_window = "regress_window",
        /// Whether later rules are asked too.
        proceed = "continue",
    }
}

shape! {
    /// A target.
    RawTarget {
        /// The container's name.
        container = "container",
        /// Project and service.
        compose = "compose",
        /// A configured host.
        host = "host",
        /// Names and globs.
        allow = "allow",
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
    /// A step written as a map.
    RawStep {
        /// The action `restart`.
        restart = "restart",
        /// The action `escalate`.
        escalate = "escalate",
        /// How it is judged.
        verify = "verify",
        /// Pause after the rung before.
        after = "after",
    }
}

shape! {
    /// Parameters of `restart`.
    RawRestart {
        /// How long the process may take to end.
        grace = "grace",
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
    /// How a step is judged.
    RawVerify {
        /// Wait before looking.
        settle = "settle",
        /// How long the target must be well.
        healthy_for = "healthy_for",
        /// Until when the alert must be gone.
        resolved_within = "resolved_within",
    }
}
