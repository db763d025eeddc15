//! Alertmanager, Prometheus and the heartbeat: what is read, and every way in which it can be wrong.

use std::fmt::Write as _;

use super::*;
use crate::config::Access;

/// Self-signed, for `localhost`; nobody has its key.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUJ4Vu428WiUV+XHGUieTtNQ6RProwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjAyNDYwNVoYDzIxMjYxMDI5
MDI0NjA1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATiHpM68XkTlqux47KH5Wat3oYIe4zt9GOMGHkT05vx6MlFNpc+yVrP
kOGbgT+Lp+vsmMwKg4CmV0a7esxFFGCvo1MwUTAdBgNVHQ4EFgQUqdZ8lUvMze3w
Ic4JC6h1kvnsh4YwHwYDVR0jBBgwFoAUqdZ8lUvMze3wIc4JC6h1kvnsh4YwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBCqBkHX5zIbam117i5AFJ2
q35vXR66KpL7Rq8jBeADzAIgKBewlL+pX14UmFhvMqK791RrMg959O3OHX0qpDH1
ffs=
-----END CERTIFICATE-----
";

#[test]
fn variables_alone_are_enough() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, "hunter2\n").expect("written");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, CERTIFICATE).expect("written");
    let (shown, ca) = (file.to_string_lossy(), ca.to_string_lossy());
    let config = good(
        "prometheus: {bearer_token_file: not-there-and-not-read}\n",
        &[
            ("FETTLE_ALERTMANAGER_URLS", "http://a:9093, https://b/"),
            ("FETTLE_ALERTMANAGER_BASIC_AUTH_USERNAME", "fettle"),
            ("FETTLE_ALERTMANAGER_BASIC_AUTH_PASSWORD_FILE", &shown),
            ("FETTLE_ALERTMANAGER_CA_FILE", &ca),
            ("FETTLE_PROMETHEUS_URL", "http://p:9090"),
            ("FETTLE_PROMETHEUS_BEARER_TOKEN_FILE", &shown),
            ("FETTLE_HEARTBEAT_ALERTNAME", "AlwaysOn"),
        ],
    );
    let alertmanager = config.alertmanager.expect("given");
    assert_eq!((alertmanager.urls.len(), alertmanager.access.ca.expect("given").len()), (2, 1));
    let basic = Credentials::Basic { username: "fettle".into(), password_file: file.clone() };
    assert_eq!(alertmanager.access.credentials, Some(basic));
    let bearer = Some(Credentials::Bearer { token_file: file });
    assert_eq!(config.prometheus.expect("given").access, Access { credentials: bearer, ca: None });
    let heartbeat = config.heartbeat.expect("given");
    assert_eq!((heartbeat.alertname.as_str(), heartbeat.max_silence.as_secs()), ("AlwaysOn", 300));
}

#[test]
fn every_problem_with_a_server_is_said_and_no_secret_with_it() {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in
        [("empty", "\n"), ("two", "hunter2\nhunter2\n"), ("not.pem", "hunter2"), ("wide", "hunter2 ü"), ("good", "x")]
    {
        fs::write(folder.path().join(name), text).expect("written");
    }
    fs::write(folder.path().join("bad.pem"), "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n")
        .expect("written");
    let mut said = String::new();
    for text in [
        "alertmanager: {}",
        "alertmanager:",
        "alertmanager: {urls: []}",
        "alertmanager: {urls: http://a}",
        "alertmanager: {url: http://a}",
        "alertmanager: {urls: [a:9093, ftp://a, 'http://', '/x', 'http://a/#x', http://a/api/v2]}",
        "alertmanager: {urls: ['http://a?key=hunter2']}",
        "alertmanager: {urls: [http://a], bearer_token_file: wide}",
        "alertmanager: {urls: ['http://fettle:hunter2@a', 'hunter2@a', http://b, http://b/]}",
        "alertmanager: {urls: [http://a], bearer_token_file: absent, ca_file: absent}",
        "alertmanager: {urls: [http://a], bearer_token_file: empty, ca_file: not.pem}",
        "alertmanager: {urls: [http://a], bearer_token_file: two, ca_file: bad.pem}",
        "alertmanager: {urls: [http://a], bearer_token_file: good, basic_auth: {username: a, password_file: good}}",
        "alertmanager: {urls: [http://a], basic_auth: {username: a, password_file: two}}",
        "alertmanager: {urls: [http://a], basic_auth: {username: a}}",
        "alertmanager: {urls: [http://a], basic_auth: {username: 'a:b', password_file: good}}",
        "alertmanager:\n  urls: [http://a]\n  basic_auth:\n    username: a\n    password:\n      hunter2\n",
        "prometheus:\n  url: http://a\n  bearer_token:\n    hunter2\n",
        "prometheus: {url: http://a, basic_auth: hunter2}",
        "prometheus: {url: [http://a]}",
        "prometheus: {ca_file: not.pem}",
        "heartbeat: {alertname: '', max_silence: 0s}",
        "heartbeat: {max_silenc: 5m}",
    ] {
        let found = read(&folder, text, &[]).expect_err(text);
        let _ = writeln!(said, "### {}\n{}", text.replace("hunter2", "(secret)"), human(&found));
    }
    insta::assert_snapshot!(said);
    assert!(!said.contains("hunter2"));
}

#[test]
fn variables_without_a_server_or_half_given_are_problems() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, "hunter2").expect("written");
    let file = file.to_string_lossy();
    for (env, code) in [
        (&[("FETTLE_ALERTMANAGER_BEARER_TOKEN_FILE", &*file)][..], "F060"),
        (&[("FETTLE_PROMETHEUS_URL", "http://a"), ("FETTLE_PROMETHEUS_BASIC_AUTH_USERNAME", "fettle")], "F062"),
        (&[("FETTLE_PROMETHEUS_URL", "http://fettle:hunter2@a")], "F061"),
        (&[("FETTLE_ALERTMANAGER_URLS", "http://a,http://a/")], "F060"),
        (&[("FETTLE_ALERTMANAGER_URLS", "http://a"), ("FETTLE_ALERTMANAGER_CA_FILE", "/nonexistent")], "F063"),
        (&[("FETTLE_HEARTBEAT_MAX_SILENCE", "5")], "F008"),
    ] {
        let found = with("", env).expect_err(code);
        assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), [code], "{}", human(&found));
        assert!(found[0].file.starts_with("environment FETTLE_") && !human(&found).contains("hunter2"));
    }
}
