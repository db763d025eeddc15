//! `fettle.yaml` as it is written: every key fettle knows, with the variable that goes before it.
//!
//! Keys that belong to later work are not listed, so a file that uses them does not load instead of being half obeyed.

use fettle_core::settings::raw::{RawLimits, RawProtected, RawStorm, RawTrip};
use fettle_core::yaml::{Form, shape};

const MODE: Form = Form::Word(&["observe", "propose", "act"]);
const OFF: Form = Form::Word(&["off"]);
const NAMES: Form = Form::List(&Form::Text);

shape! {
    /// The file.
    RawConfig {
        /// `FETTLE_LISTEN`; `HOST:PORT`, 127.0.0.1:9876.
        listen = "listen": Form::Text,
        /// `FETTLE_DATABASE`, then `DATABASE_URL`; `sqlite://fettle.db`.
        database = "database": Form::Text,
        /// `FETTLE_DATABASE_FILE`, then `DATABASE_URL_FILE`; a file that holds the URL.
        database_file = "database_file": Form::Text,
        /// `FETTLE_RULES`; a file or a folder, rules/.
        rules = "rules": Form::Text,
        /// `FETTLE_MODE`; observe, propose or act, observe.
        mode = "mode": MODE,
        /// `FETTLE_HOSTS` (as YAML); one host `local` at `DOCKER_HOST` or the default socket.
        hosts = "hosts": Form::Names(&Form::Maybe(&Form::Map(&RawHost::SHAPE))),
        /// Who may do what.
        auth = "auth": Form::Map(&RawAuth::SHAPE),
        /// What bounds the whole service.
        limits = "limits": Form::Map(&RawLimits::SHAPE),
        /// `FETTLE_STORM` (as YAML); when so much is wrong at once that fettle holds back, or `off`.
        storm = "storm": Form::Either(&[OFF, Form::Map(&RawStorm::SHAPE)]),
        /// `FETTLE_TRIP` (as YAML); when a rule has failed to prove itself so often that it is held back, or `off`.
        trip = "trip": Form::Either(&[OFF, Form::Map(&RawTrip::SHAPE)]),
        /// `FETTLE_FRESHNESS`; 10m.
        freshness = "freshness": Form::Duration,
        /// `FETTLE_DOCKER_PATIENCE`; how long Docker may be away before it is reported to people, 5m.
        docker_patience = "docker_patience": Form::Duration,
        /// `FETTLE_RECHECK`; how long after it was refused or expired an alert that still fires is decided again, 5m.
        recheck = "recheck": Form::Duration,
        /// What no rule may touch.
        protected = "protected": Form::Map(&RawProtected::SHAPE),
        /// How long rows are kept.
        retention = "retention": Form::Map(&RawRetention::SHAPE),
        /// How to log.
        log = "log": Form::Map(&RawLog::SHAPE),
        /// Whom to ask what fires, and to tell what fettle does.
        alertmanager = "alertmanager": Form::Map(&RawAlertmanager::SHAPE),
        /// Whom to ask for metrics.
        prometheus = "prometheus": Form::Map(&RawPrometheus::SHAPE),
        /// The alert that always fires; none is expected.
        heartbeat = "heartbeat": Form::Map(&RawHeartbeat::SHAPE),
        /// `FETTLE_HEARTBEAT_FILE`; a file that says every 30 s that this process lives, none.
        heartbeat_file = "heartbeat_file": Form::Text,
        /// `FETTLE_METRICS_FILE`; a file with its figures, written as often, none.
        metrics_file = "metrics_file": Form::Text,
    }
}

shape! {
    /// A Docker host.
    RawHost {
        /// `unix:///path` or `tcp://host:port`; the default socket.
        docker = "docker": Form::Text,
        /// The same, when looking goes another way than acting.
        read = "read": Form::Text,
        /// Values of `instance` that mean this host.
        instances = "instances": NAMES,
        /// Whether fettle follows its lifecycle events to know who ended a container; true. Without them an end is judged by its exit code.
        events = "events": Form::Boolean,
        /// Certificates for `tcp://`.
        tls = "tls": Form::Map(&RawTls::SHAPE),
        /// Its disks, by name: what clean-up of the host itself may be about.
        disks = "disks": Form::Names(&Form::Map(&RawDisk::SHAPE)),
    }
}

shape! {
    /// Certificates to speak to a Docker host with, PEM.
    RawTls {
        /// Who signed the daemon's certificate; nobody else is trusted.
        ca_file = "ca_file": Form::Needed(&Form::Text),
        /// The certificate that is shown to the daemon.
        cert_file = "cert_file": Form::Needed(&Form::Text),
        /// Its private key.
        key_file = "key_file": Form::Needed(&Form::Text),
    }
}

shape! {
    /// A disk of a Docker host.
    RawDisk {
        /// Where it is mounted on the host, absolute.
        path = "path": Form::Needed(&Form::Like("^/.")),
        /// The actions that are permitted on it: `clean_logs`, `prune`.
        allow = "allow": Form::Needed(&Form::Some(&Form::Word(&["clean_logs", "prune"]))),
    }
}

shape! {
    /// Who may do what.
    RawAuth {
        /// `FETTLE_AUTH_TOKENS` (as YAML); none.
        tokens = "tokens": Form::List(&Form::Map(&RawToken::SHAPE)),
        /// `FETTLE_AUTH_METRICS_OPEN`; whether `/metrics` needs no token, false.
        metrics_open = "metrics_open": Form::Boolean,
    }
}

shape! {
    /// A bearer token. `token`, the secret itself, is known only to be refused with advice.
    RawToken {
        /// Who it is; stands in the audit.
        name = "name": Form::Needed(&Form::Text),
        /// viewer, analyst, admin or sender.
        role = "role": Form::Needed(&Form::Word(&["viewer", "analyst", "admin", "sender"])),
        /// The hash of the token, in hex, as `fettle token new` prints it.
        sha256 = "sha256": Form::Like("^[0-9a-fA-F]{64}$"),
        /// A file that holds the token.
        token_file = "token_file": Form::Text,
        /// Refused.
        token = "token": Form::Refused,
    }
}

shape! {
    /// How long rows are kept.
    RawRetention {
        /// `FETTLE_RETENTION_NOTIFICATIONS`; 30d.
        notifications = "notifications": Form::Duration,
        /// `FETTLE_RETENTION_AUDIT`; 400d, and not below the longest budget window.
        audit = "audit": Form::Duration,
    }
}

shape! {
    /// How to log.
    RawLog {
        /// `FETTLE_LOG_FORMAT`; human or json, human.
        format = "format": Form::Word(&["human", "json"]),
        /// `FETTLE_LOG`; a level or a filter such as `info,fettle=debug`, info.
        level = "level": Form::Text,
    }
}

shape! {
    /// Whom to ask what fires. `bearer_token`, the secret itself, is known only to be refused with advice.
    RawAlertmanager {
        /// `FETTLE_ALERTMANAGER_URLS` (with commas); every peer, `http://host:port` with a route prefix if there is one.
        urls = "urls": Form::Some(&Form::Text),
        /// `FETTLE_ALERTMANAGER_BEARER_TOKEN_FILE`; a file that holds a token, read for every request.
        bearer_token_file = "bearer_token_file": Form::Text,
        /// Instead: a user with a password.
        basic_auth = "basic_auth": Form::Map(&RawBasicAuth::SHAPE),
        /// `FETTLE_ALERTMANAGER_CA_FILE`; certificates to trust, instead of the machine's.
        ca_file = "ca_file": Form::Text,
        /// Refused.
        bearer_token = "bearer_token": Form::Refused,
    }
}

shape! {
    /// Whom to ask for metrics. `bearer_token`, the secret itself, is known only to be refused with advice.
    RawPrometheus {
        /// `FETTLE_PROMETHEUS_URL`; `http://host:port` with a route prefix if there is one.
        url = "url": Form::Text,
        /// `FETTLE_PROMETHEUS_BEARER_TOKEN_FILE`; a file that holds a token, read for every request.
        bearer_token_file = "bearer_token_file": Form::Text,
        /// Instead: a user with a password.
        basic_auth = "basic_auth": Form::Map(&RawBasicAuth::SHAPE),
        /// `FETTLE_PROMETHEUS_CA_FILE`; certificates to trust, instead of the machine's.
        ca_file = "ca_file": Form::Text,
        /// Refused.
        bearer_token = "bearer_token": Form::Refused,
    }
}

shape! {
    /// A user with a password. `password`, the secret itself, is known only to be refused with advice.
    RawBasicAuth {
        /// `FETTLE_ALERTMANAGER_BASIC_AUTH_USERNAME`, `FETTLE_PROMETHEUS_BASIC_AUTH_USERNAME`; the user.
        username = "username": Form::Text,
        /// `FETTLE_ALERTMANAGER_BASIC_AUTH_PASSWORD_FILE`, `FETTLE_PROMETHEUS_BASIC_AUTH_PASSWORD_FILE`; a file that
        /// holds the password, read for every request.
        password_file = "password_file": Form::Text,
        /// Refused.
        password = "password": Form::Refused,
    }
}

shape! {
    /// The alert that always fires.
    RawHeartbeat {
        /// `FETTLE_HEARTBEAT_ALERTNAME`; Watchdog.
        alertname = "alertname": Form::Text,
        /// `FETTLE_HEARTBEAT_MAX_SILENCE`; the longest time without it, 5m.
        max_silence = "max_silence": Form::Duration,
    }
}
