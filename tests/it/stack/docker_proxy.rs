//! The lists of methods and paths in front of Docker's socket (docker-compose.yml): what fettle needs goes through, what
//! makes root of whoever may ask for it does not. (`round.rs` runs the loop through them.)

use super::compose::service;
use super::{items, text};
use crate::support::filter::Allowed;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The list of one of the stack's proxies.
pub fn allowed(proxy: &str) -> Allowed {
    // Compose reads `$$` as `$`.
    let flags: Vec<String> = items(&service(proxy)["command"]).iter().map(|it| text(it).replace("$$", "$")).collect();
    Allowed::by_flags(flags.iter().map(String::as_str))
}

#[test]
fn looking_changes_nothing_and_acting_only_what_is_named_by_its_full_id() {
    let (look, act) = (allowed("docker-look"), allowed("docker-act"));
    assert_eq!(look.methods(), ["GET"]);
    assert_eq!(act.methods(), ["GET", "POST"]);
    let container = |what: &str| format!("/containers/{ID}/{what}");
    for path in ["/_ping", "/info", "/events", "/containers/json", "/containers/arcanum/json", "/services", "/tasks"] {
        assert!(look.allows("GET", path), "{path}");
    }
    for path in [
        container("json"),
        container("logs"),
        container("stats"),
        container("top"),
        format!("/images/sha256:{ID}/json"),
    ] {
        assert!(look.allows("GET", &path), "{path}");
    }
    for what in ["restart", "stop", "start", "update", "exec"] {
        assert!(act.allows("POST", &container(what)), "{what}");
        assert!(!act.allows("POST", &format!("/containers/arcanum/{what}")), "by name it could be another");
        assert!(!look.allows("POST", &container(what)), "looking does not {what}");
    }
    assert!(act.allows("POST", &format!("/exec/{ID}/start")) && act.allows("GET", &format!("/exec/{ID}/json")));
    assert!(act.allows("POST", "/images/prune") && act.allows("POST", "/build/prune"));
}

#[test]
fn what_makes_root_or_destroys_data_goes_through_none_of_them() {
    for proxy in ["docker-look", "docker-act", "docker-watch"] {
        let allowed = allowed(proxy);
        for (method, path) in [
            ("POST", "/containers/create".to_owned()),
            ("POST", format!("/containers/{ID}/attach")),
            ("POST", format!("/containers/{ID}/kill")),
            ("POST", format!("/containers/{ID}/rename")),
            ("PUT", format!("/containers/{ID}/archive")),
            ("GET", format!("/containers/{ID}/archive")),
            ("GET", format!("/containers/{ID}/export")),
            ("DELETE", format!("/containers/{ID}")),
            ("POST", "/containers/prune".to_owned()),
            ("POST", "/volumes/prune".to_owned()),
            ("DELETE", "/volumes/data".to_owned()),
            ("POST", "/containers/../volumes/prune".to_owned()),
            ("POST", format!("/containers/{ID}/../../volumes/prune")),
            ("GET", "/containers/../secrets/json".to_owned()),
            ("POST", "/images/create".to_owned()),
            ("POST", "/build".to_owned()),
            ("POST", "/swarm/init".to_owned()),
            ("POST", "/plugins/pull".to_owned()),
            ("POST", "/services/create".to_owned()),
            ("GET", "/secrets".to_owned()),
            ("GET", "/configs".to_owned()),
            ("POST", "/grpc".to_owned()),
            ("POST", "/session".to_owned()),
        ] {
            assert!(!allowed.allows(method, &path), "{proxy} lets {method} {path} through");
        }
    }
}

#[test]
fn those_who_only_watch_cannot_act() {
    let watch = allowed("docker-watch");
    assert_eq!(watch.methods(), ["GET", "HEAD"]);
    for path in ["/v1.43/containers/json", "/containers/json", "/v1.41/info", "/v1.43/networks", "/_ping"] {
        assert!(watch.allows("GET", path), "{path}");
    }
    assert!(watch.allows("GET", &format!("/v1.43/containers/{ID}/logs")));
}
