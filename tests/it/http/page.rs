//! The page's files, their headers, and the description of the API.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::edge::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_for_everybody_and_lets_the_browser_do_little() {
    let edge = Setup::default().tokens().start().await;
    for (path, kind) in
        [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css"), ("/icon.svg", "image/svg")]
    {
        let answer = edge.client.get(edge.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let header =
            |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}: {}", header("content-type"));
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()));
        let text = answer.text().await.expect("text");
        for foreign in ["http://", "https://", "//cdn"] {
            let own = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!own.contains(foreign), "{path} names {foreign}");
        }
    }
    let answer = edge.client.post(edge.url("/")).send().await.expect("an answer");
    assert_eq!(answer.status(), 405);
    let health = edge.client.get(edge.url("/api/v1/health")).send().await.expect("an answer");
    assert_eq!(health.headers()["cache-control"], "no-store");
}

#[test]
fn the_page_has_no_inline_script_or_style_and_puts_nothing_in_as_html() {
    let read = |name: &str| std::fs::read_to_string(root().join("src/http/page").join(name)).expect(name);
    let (html, script) = (read("index.html"), read("app.js"));
    assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick"), "inline");
    assert_eq!(html.matches("<script").count(), 1, "one script, by its address");
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "localStorage",
        "srcdoc",
    ] {
        assert!(!script.contains(way), "app.js uses {way}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every route with its methods, as the server is told them.
fn routes() -> BTreeSet<(String, String)> {
    let source = std::fs::read_to_string(root().join("src/http/mod.rs")).expect("src/http/mod.rs");
    let all: String = source.split_whitespace().collect();
    let mut found = BTreeSet::new();
    for service in all.split(".service(").skip(1) {
        let path = service.split('"').nth(1).expect("a path").to_owned();
        let methods: &[&str] = match service.split('(').next().unwrap_or_default() {
            "read" => &["get"],
            "both" => &["get", "post"],
            "only" => &["delete"],
            _ => &["post"],
        };
        found.extend(methods.iter().map(|method| (path.clone(), (*method).to_owned())));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_api_names_every_route_and_no_other() {
    let edge = Setup::default().start().await;
    let document: Value =
        edge.client.get(edge.url("/openapi.json")).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            described.insert((path.clone(), method.clone()));
            let place = format!("{method} {path}");
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{place}");
            assert!(operation["responses"].as_object().is_some_and(|it| !it.is_empty()), "{place}");
            for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let named = |it: &Value| it["name"] == name && it["in"] == "path";
                assert!(operation["parameters"].as_array().is_some_and(|all| all.iter().any(named)), "{place}: {name}");
            }
        }
    }
    assert_eq!(described, routes());
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
