//! Whether an answer is what `/openapi.json` says of it. Every test that asks the API through [`super::edge`] or
//! [`super::fettle`] asks this too, so the description cannot fall behind the types.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../src/http/openapi.json")).expect("JSON"));

/// Compiled schemas, by where they stand in the document.
static SCHEMAS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

/// Panics unless the description has this answer of `verb path`, and its schema fits the body. Nothing is known of paths
/// that are no route, and of verbs that a route has not: those are refused before any handler.
pub fn check(verb: &str, path: &str, status: u16, body: &Value) {
    let path = path.split('?').next().unwrap_or(path);
    let Some(route) = route(path) else { return };
    let Some(operation) = DOCUMENT["paths"][route].get(verb.to_lowercase()) else { return };
    let asked = format!("{verb} {route}");
    let Some(answer) = operation["responses"].get(status.to_string()) else {
        panic!("openapi.json has no {status} for {asked}: {body}");
    };
    let (answer, at) = match answer["$ref"].as_str() {
        Some(reference) => {
            let at = reference.trim_start_matches('#').to_owned();
            (DOCUMENT.pointer(&at).expect("it is there"), at)
        }
        None => (answer, format!("/paths/{}/{}/responses/{status}", escaped(route), verb.to_lowercase())),
    };
    let Some(content) = answer["content"].as_object() else { return };
    let Some(kind) = content.keys().find(|it| it.ends_with("json")) else { return };
    let schema = compiled(&format!("{at}/content/{}/schema", escaped(kind)));
    let wrong: Vec<String> = schema.iter_errors(body).map(|it| format!("{}: {it}", it.instance_path())).collect();
    assert!(wrong.is_empty(), "{asked} answers {status} otherwise than openapi.json says: {wrong:#?}\n{body:#}");
}

/// The route that a path belongs to: one without parameters before one with them.
fn route(path: &str) -> Option<&'static str> {
    let fits = |route: &str| {
        let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
        route.len() == path.len() && route.iter().zip(&path).all(|(part, it)| part.starts_with('{') || part == it)
    };
    let routes = DOCUMENT["paths"].as_object().expect("paths").keys();
    routes.filter(|it| fits(it)).min_by_key(|it| it.matches('{').count()).map(String::as_str)
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn compiled(at: &str) -> &'static Validator {
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    schemas.entry(at.to_owned()).or_insert_with(|| {
        // The whole document, so that references in it lead somewhere; braces are not for a URI.
        let mut schema = DOCUMENT.clone();
        schema["$ref"] = format!("#{at}").replace('{', "%7B").replace('}', "%7D").into();
        Box::leak(Box::new(jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{at}: {error}"))))
    })
}
