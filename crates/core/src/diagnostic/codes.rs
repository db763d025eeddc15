//! Every code, with what it means. A code is never reused and never changes its meaning.

use super::Severity;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `F` and three digits.
    pub id: &'static str,
    /// Whether it stops the load.
    pub severity: Severity,
    /// One line: when it is given.
    pub about: &'static str,
}

macro_rules! codes {
    ($($severity:ident $id:ident $name:ident $about:literal)*) => {
        $(#[doc = $about]
        pub const $name: Code = Code { id: stringify!($id), severity: Severity::$severity, about: $about };)*

        /// All of them, in order.
        pub const ALL: &[Code] = &[$($name,)*];
    };
}

// F00x any file · F01x–F04x rules · F05x–F06x service configuration · F070–F074 time intervals · F076–F079 hosts ·
// F08x–F09x what steps do and who agrees · F10x what is legal and hardly meant · F11x when fettle holds back by itself ·
// F20x unit tests of rules.
codes! {
    Error   F001 UNREADABLE          "A file or folder cannot be read, is too large, or is not UTF-8."
    Error   F002 NOT_YAML            "A file is not YAML, or is nested or repeated beyond all sense."
    Error   F003 DUPLICATE_KEY       "A key stands twice in one map."
    Error   F004 UNKNOWN_KEY         "A key is not known here."
    Error   F005 MISSING_KEY         "A required key is missing or has no value."
    Error   F006 WRONG_SHAPE         "A value has the wrong form, such as a list where text belongs."
    Error   F007 VERSION             "The file's version is not one that fettle knows."
    Error   F008 DURATION            "A length of time is not written as Prometheus writes it, or is out of range."
    Error   F009 BUDGET              "A budget is not written `N per DURATION`."
    Error   F010 UNKNOWN_WORD        "A word is not one of those possible here."
    Error   F011 NUMBER              "A number or size is not readable or out of range."

    Error   F012 MATCHER             "A matcher is not in Alertmanager's syntax."
    Error   F013 MATCHES_EVERYTHING  "Matchers that should select could all match an alert without labels."
    Error   F014 RULE_NAME           "A rule's name is empty, too long or not printable."
    Error   F015 DUPLICATE_RULE      "Two rules have the same name."
    Error   F016 TARGET_KIND         "A target is not exactly one of the known kinds."
    Error   F017 LABEL_REFERENCE     "A value is neither literal nor exactly one `$labels.NAME`."
    Error   F018 TARGET_NAME         "A literal name is not one that Docker allows."
    Error   F019 HOST                "A host is not configured, or none is named and several are configured."
    Error   F020 ALLOW_MISSING       "A target named by a label has no `allow`."
    Error   F021 ALLOW               "`allow` is empty, has an illegal pattern, or leaves out the rule's own target."
    Warning F022 ALLOW_ALL           "`allow` permits every name."
    Warning F023 ANY_PROJECT         "The Compose project comes from a label; `allow` speaks of the service only."
    Error   F024 STEPS_EMPTY         "A rule has no step."
    Error   F025 AFTER_ESCALATE      "A step stands after `escalate`."
    Error   F026 STEP                "A step is not a name or a map with exactly one action."
    Error   F027 VERIFY_TIMES        "A target cannot be proven well before `resolved_within` ends."
    Error   F028 HOLD_STALE          "`hold` is above `freshness` without Alertmanager: the alert would always be stale when it ends."
    Error   F029 WINDOW_FORGOTTEN    "A budget's window is longer than audit rows are kept."
    Warning F030 NO_EFFECT           "A setting has no effect where it stands."
    Warning F031 NO_RULES            "There is no rule to load."

    Error   F050 VARIABLE            "A `${NAME}` names no environment variable, or is not closed."
    Error   F051 LISTEN              "The address to listen on is not `HOST:PORT`."
    Error   F052 OPEN_DOOR           "Without tokens fettle listens on loopback only."
    Error   F053 TOKEN               "An entry of `auth.tokens` has no usable name, role or secret."
    Error   F054 DATABASE            "The database is not an SQLite or PostgreSQL URL."
    Error   F055 HOST_ENDPOINT       "A host's name or Docker endpoint is not usable."
    Error   F056 INSTANCE_TWICE      "Two hosts claim one instance."
    Error   F057 RETENTION           "Audit rows would be deleted while a budget still counts them."
    Error   F058 SECRET_FILE         "A file that holds a secret cannot be read or is empty."
    Error   F059 LOG                 "The log level or filter is not readable."

    Error   F060 UPSTREAM_URL        "A URL of Alertmanager or Prometheus is missing, unusable or there twice."
    Error   F061 URL_SECRET          "A URL holds credentials."
    Error   F062 UPSTREAM_ACCESS     "Credentials for Alertmanager or Prometheus are incomplete, of two kinds, or written out."
    Error   F063 CA_FILE             "A file of certificates cannot be read or holds none."
    Error   F064 HEARTBEAT           "The heartbeat names no alert."

    Error   F070 TIME_RANGE          "A time of the day is not `HH:MM`, or a range of them does not end after it begins."
    Error   F071 DATE_RANGE          "A weekday, day, month or year is not possible, or a range of them ends before it begins."
    Error   F072 LOCATION            "A location is not the IANA name of a time zone."
    Error   F073 INTERVAL_EMPTY      "A list of time intervals, an entry or a field of one says nothing."
    Error   F074 NEVER_OPENS         "No instant is in a time interval."

    Error   F076 HOST_TLS            "A host has `tls` and no endpoint of tcp."
    Error   F077 CERTIFICATE_FILE    "A certificate or key file cannot be read, or holds none."
    Error   F078 HOST_DISK           "A disk's name or path is not usable."
    Error   F079 DISK_ALLOW          "A disk permits nothing."

    Error   F080 ACTION_TARGET       "An action or a parameter does not apply to this kind of target."
    Error   F081 DISK                "A disk is not configured for its host."
    Warning F082 NOT_PERMITTED       "The configuration does not permit the action on the disk, so it would be refused."
    Error   F083 FLOOR_ABOVE_CEILING "A step keeps more replicas than another step of the ladder may bring at most."
    Error   F084 NOTHING_TO_DO       "The parameters of a step leave it nothing to do."
    Error   F085 ROOT                "A root of `clean_logs` is not one folder, or lies in another root."
    Error   F086 FILE_PATTERN        "A pattern is not one of file names."
    Warning F087 ANY_FILE            "A pattern permits every file."
    Error   F088 FREE_SHARES         "A clean-up ends before what it must free can be free."
    Error   F089 USER                "A user inside a container is not a name or a number."
    Warning F090 UNUSED_IMAGES       "Images that have a name are removed when no container uses them."
    Error   F091 NO_APPROVER         "A person must agree, and there is nobody who could."
    Error   F092 APPROVAL_STALE      "An answer is waited for until the alert is stale, without Alertmanager."
    Error   F093 RESTORE             "`restore` is not readable, or stands where nothing is scaled."
    Error   F094 LABEL_NAME          "A text is not the name of a label."
    Error   F095 QUERY               "A query says nothing, is put together from labels, or there is no Prometheus to ask."
    Warning F096 COOLDOWN_SHORT      "`cooldown` is over before a verification can be."

    Warning F100 RESOLVED_UNSEEN     "A time is over before Alertmanager tells that an alert is resolved, and its API cannot be asked."
    Warning F101 SHADOWED            "Every alert that a rule could select is taken by an earlier one."
    Warning F102 NEVER_MATCHES       "No alert can satisfy a matcher, or all matchers of a list at once."
    Warning F103 BUDGET_IDLE         "A budget allows more than another limit ever lets happen."
    Warning F104 PATTERN_DOUBT       "A regular expression means something else in Go than it seems to."
    Warning F105 ROOT_ELSEWHERE      "A root of `clean_logs` lies outside of the disk, so it would be refused."
    Warning F106 LABEL_UNSEEN        "No recorded alert that the rule selects carries a label that its target needs."
    Warning F107 UNKNOWN_VARIABLE    "An environment variable looks like a setting of fettle and is none."

    Warning F108 NO_INSTANCES        "The only host has no `instances`, so an alert about another machine would act on this one."

    Warning F109 LADDER_UNSEEN       "A rule has more than one step, and without Alertmanager's API a step that nothing confirms ends it."

    Error   F110 HOLDS_NOTHING       "`storm` or `trip` would let fettle act as before."

    Warning F111 SPARED_WHILE_WELL   "A service's only container is never stopped or restarted while it is well, because of `min_healthy`."

    Error   F200 TEST_NAME           "A test's name is empty or there twice in its file."
    Error   F201 TEST_EMPTY          "A test file has no test, or nothing happens in one."
    Error   F202 TEST_ENTRY          "An entry of a test says nothing, or two things at once."
    Error   F203 TEST_RULES          "A test names no rule files, or one of them does not load."
    Error   F204 DECLARED_TWICE      "Two things that a test declares have one name."
    Error   F205 NOT_DECLARED        "A test changes a thing that it does not declare."
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(ALL.is_sorted_by(|a, b| a.id < b.id));
        assert!(ALL.iter().all(|code| code.id.len() == 4 && code.about.ends_with('.')));
    }
}
