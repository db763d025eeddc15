//! The limits of the service as they are written, in `fettle.yaml` and in unit tests of rules, with the environment variable
//! that goes before each in the service.

use crate::yaml::{Form, shape};

/// `N per DURATION`, each.
const BUDGETS: Form = Form::Some(&Form::Like("^ *[1-9][0-9]* +per +[0-9][0-9a-z]*[a-z] *$"));
/// What holds back must not say `act`.
const CEILING: Form = Form::Word(&["observe", "propose"]);
const NAMES: Form = Form::List(&Form::Text);

shape! {
    /// What bounds the whole service.
    RawLimits {
        /// `FETTLE_LIMITS_IN_FLIGHT`; effects at the same time, 4.
        in_flight = "in_flight": Form::Number(1, 1000),
        /// `FETTLE_LIMITS_BUDGET` (with commas); effects of all rules, [20 per 10m].
        budget = "budget": BUDGETS,
        /// `FETTLE_LIMITS_TARGET_BUDGET` (with commas); effects per target of all rules, [6 per 1h].
        target_budget = "target_budget": BUDGETS,
        /// `FETTLE_LIMITS_BODY`; largest notification, 10MiB.
        body = "body": Form::Size,
        /// `FETTLE_LIMITS_ALERTS`; alerts in one notification, 20000.
        alerts = "alerts": Form::Number(1, 1_000_000),
        /// `FETTLE_LIMITS_LABELS`; labels of one alert, 100.
        labels = "labels": Form::Number(1, 10_000),
        /// `FETTLE_LIMITS_ANNOTATIONS`; annotations of one alert, 100.
        annotations = "annotations": Form::Number(1, 10_000),
        /// `FETTLE_LIMITS_NAME`; longest name of a label or an annotation, 1KiB.
        name = "name": Form::Size,
        /// `FETTLE_LIMITS_VALUE`; longest value of a label or an annotation, also of the receiver and the group's key, 64KiB.
        value = "value": Form::Size,
        /// `FETTLE_LIMITS_TEXT`; bytes of all names and values of one alert, 256KiB.
        text = "text": Form::Size,
        /// `FETTLE_LIMITS_MEMORY`; what all notifications together may take, 128MiB.
        memory = "memory": Form::Size,
        /// `FETTLE_LIMITS_SENDERS`; notifications of one sender, `N per DURATION`, unlimited.
        senders = "senders": Form::Like("^ *[1-9][0-9]* +per +[0-9][0-9a-z]*[a-z] *$"),
    }
}

shape! {
    /// When so much is wrong at once that fettle holds back.
    RawStorm {
        /// So many distinct targets opened; 5.
        targets = "targets": Form::Number(2, 10_000),
        /// Within this time; 2m.
        within = "within": Form::Duration,
        /// The ceiling while it lasts, observe or propose; propose, or observe when nobody could approve.
        then_mode = "then": CEILING,
        /// It ends when it was not found for this long; 10m.
        quiet_for = "quiet_for": Form::Duration,
    }
}

shape! {
    /// When a rule has failed to prove itself so often that it is held back.
    RawTrip {
        /// So many verdicts that do not prove that it helped; 3.
        unproven = "unproven": Form::Number(1, 1000),
        /// Within this time, which is also how long it is held back before one act is tried; 30m.
        within = "within": Form::Duration,
        /// The ceiling of the rule meanwhile, observe or propose; propose, or observe when nobody could approve.
        then_mode = "then": CEILING,
    }
}

shape! {
    /// What no rule may touch.
    RawProtected {
        /// `FETTLE_PROTECTED_CONTAINERS` (with commas); exact names.
        containers = "containers": NAMES,
        /// `FETTLE_PROTECTED_COMPOSE_PROJECTS` (with commas); exact names.
        compose_projects = "compose_projects": NAMES,
    }
}
