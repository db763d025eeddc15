//! The dashboards as files: what they promise, and every query in them against the real thing that it asks.
//!
//! Grafana itself is not to be had here. So its macros and variables are expanded as it does ([`expand`]), and what comes
//! back is held against what each kind of panel needs ([`sql`], [`promql`]).

mod expand;
mod files;
mod logql;
mod million;
mod promql;
mod readonly;
mod scene;
mod sql;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The uids of the provisioned data sources, by what they understand.
const SQL: &str = "fettle-postgres";
const PROMQL: &str = "fettle-prometheus";
const LOGQL: &str = "fettle-loki";

/// One dashboard.
struct Board {
    file: String,
    text: String,
    json: Value,
}

/// One query, wherever it stands.
#[derive(Debug)]
struct Query {
    /// Dashboard and panel, variable or annotation.
    place: String,
    /// The uid of the data source.
    source: String,
    text: String,
    shape: Shape,
    /// Labels by which its series are named.
    legend: Vec<String>,
    is_instant: bool,
    /// What each variable stands for when all of it, or what is written beforehand, is chosen.
    variables: BTreeMap<String, String>,
}

/// What rows must be like to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A time, numbers, and at most one name.
    TimeSeries,
    /// One row of numbers.
    Figures,
    /// A name and a number.
    Bars,
    /// Anything that can be printed.
    Rows,
    /// A time, a text, tags.
    Annotation,
    /// One column of different texts.
    Choices,
    /// Log lines.
    Lines,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

fn boards() -> Vec<Board> {
    let files = std::fs::read_dir(root().join("dashboards")).expect("grafana/dashboards");
    let mut paths: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let board = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("readable");
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Board { file: path.file_name().expect("a name").to_string_lossy().into_owned(), text, json }
    };
    paths.iter().map(board).collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Board {
    /// The panels that show something.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "/panels").iter().filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> &[Value] {
        list(&self.json, "/templating/list")
    }

    fn annotations(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "/annotations/list").iter().filter(|it| it["target"].is_object())
    }

    /// What each variable stands for when nothing is chosen.
    fn defaults(&self) -> BTreeMap<String, String> {
        let default = |it: &Value| match it["type"].as_str() {
            Some("query") => text(it, "/allValue"),
            _ => text(it, "/query"),
        };
        self.variables().iter().map(|it| (text(it, "/name"), default(it))).collect()
    }

    fn queries(&self) -> Vec<Query> {
        let query = |place: &str, target: &Value, shape| {
            let source = text(target, "/datasource/uid");
            let text_of = text(target, if source == SQL { "/rawSql" } else { "/expr" });
            Query {
                place: format!("{}: {place}", self.file),
                source,
                text: text_of,
                shape,
                legend: labels_of(&text(target, "/legendFormat")),
                is_instant: target["instant"] == true,
                variables: self.defaults(),
            }
        };
        let mut all = Vec::new();
        for panel in self.panels() {
            for target in list(panel, "/targets") {
                all.push(query(&text(panel, "/title"), target, shape(panel, target)));
            }
        }
        for it in self.annotations() {
            all.push(query(&format!("annotation {}", text(it, "/name")), &it["target"], Shape::Annotation));
        }
        for it in self.variables().iter().filter(|it| it["type"] == "query" && it["datasource"]["uid"] == SQL) {
            let target = serde_json::json!({"datasource": it["datasource"], "rawSql": it["query"]});
            all.push(query(&format!("variable {}", text(it, "/name")), &target, Shape::Choices));
        }
        all
    }
}

fn queries(source: &str) -> Vec<Query> {
    let all: Vec<Query> = boards().iter().flat_map(Board::queries).filter(|query| query.source == source).collect();
    assert!(!all.is_empty(), "no queries of {source}");
    all
}

/// The variables whose values this data source lists, and what they ask it for.
fn listed_by(source: &str) -> Vec<(String, String)> {
    let boards = boards();
    let variables = boards.iter().flat_map(Board::variables);
    let listed = variables.filter(|it| it["type"] == "query" && it["datasource"]["uid"] == source);
    listed.map(|it| (text(it, "/name"), text(it, "/definition"))).collect()
}

/// What the first group of the expression finds, wherever it does.
fn names(text: &str, pattern: &str) -> BTreeSet<String> {
    let name = regex::Regex::new(pattern).expect("an expression");
    name.captures_iter(text).map(|it| it[1].to_owned()).collect()
}

/// The labels in a legend such as `{{state}} now`.
fn labels_of(legend: &str) -> Vec<String> {
    legend.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim().to_owned())).collect()
}

fn shape(panel: &Value, target: &Value) -> Shape {
    match (panel["type"].as_str(), target["format"].as_str()) {
        (Some("logs"), _) => Shape::Lines,
        (Some("timeseries" | "state-timeline"), Some("table")) => panic!("a graph of a table: {}", panel["title"]),
        (Some("timeseries" | "state-timeline"), _) => Shape::TimeSeries,
        (Some("stat"), _) => Shape::Figures,
        (Some("bargauge"), _) => Shape::Bars,
        (Some("table"), _) => Shape::Rows,
        other => panic!("what does {other:?} need?"),
    }
}
