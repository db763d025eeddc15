//! The page's files, their headers, and the description of the API.

use std::collections::BTreeSet;
use std::path::Path;

use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::Severity;
use fettle_core::remediation::state::StateName;
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

/// What stands in quotes, or before a colon, in a list or an object of the script.
fn words_of(script: &str, name: &str) -> Vec<String> {
    let from = script.find(&format!("const {name} = ")).unwrap_or_else(|| panic!("{name} is not there"));
    let list = script[from..].split([']', '}']).next().expect("an end");
    let list = list.split(['[', '{']).nth(1).expect("a beginning");
    let word = |part: &str| part.split(':').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    list.split(',').map(word).filter(|word| !word.is_empty()).collect()
}

/// The page lists results to filter by, and colours words: a word that the program renames must not stay behind.
#[test]
fn the_words_that_the_page_knows_are_those_of_the_program() {
    let script = std::fs::read_to_string(root().join("src/http/page/app.js")).expect("app.js");
    let results: Vec<&str> = ActionResult::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(words_of(&script, "RESULTS"), results);

    let judgements = Outcome::ALL.iter().map(|it| it.as_str()).chain(Verdict::ALL.iter().map(|it| it.as_str()));
    let judgements: BTreeSet<&str> = judgements.chain(results).collect();
    let states = StateName::ALL.iter().map(|it| it.as_str());
    let severities = Severity::ALL.iter().map(|it| it.as_str());
    // Of health, of a host, and of a breaker: openapi.json lists those, and every answer is compared with it.
    let listed = ["healthy", "degraded", "unhealthy", "HEALTHY", "STRESSED", "CRITICAL", "open", "half_open"];
    let known: BTreeSet<&str> = judgements.iter().copied().chain(states).chain(severities).chain(listed).collect();
    let coloured = words_of(&script, "LEVEL");
    for word in &coloured {
        assert!(known.contains(&**word), "the page colours {word:?}, which nothing says");
    }
    // Neither good nor bad: somebody decided so, or it says nothing.
    let plain = ["cancelled", "observed", "rejected", "superseded"];
    for word in judgements.iter().filter(|word| !plain.contains(word)) {
        assert!(coloured.iter().any(|it| it == word), "the page shows {word:?} without a colour");
    }
}
