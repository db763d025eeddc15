//! What the files promise: one form, fixed uids, a unit and a description each, bounds of time, links that lead somewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Board, LOGQL, PROMQL, SQL, boards, list, names, queries, root, text};

/// Links and bookmarks of people hang on these.
const UIDS: [(&str, &str); 3] =
    [("fettle.json", "fettle-health"), ("realm.json", "fettle-realm"), ("self-healing.json", "fettle-self-healing")];

/// Units that Grafana knows, as far as they are used here.
const UNITS: [&str; 12] = [
    "Bps",
    "bytes",
    "cps",
    "dateTimeAsIso",
    "dateTimeFromNow",
    "ms",
    "percent",
    "percentunit",
    "reqps",
    "s",
    "short",
    "string",
];

fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).expect("readable");
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every value under this key, however deep.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key));
            map.values().for_each(|inner| all(inner, key, found));
        }
        Value::Array(inner) => inner.iter().for_each(|inner| all(inner, key, found)),
        _ => {}
    }
}

#[test]
fn every_file_is_in_the_one_form_with_sorted_keys() {
    for board in boards() {
        let form = serde_json::to_string_pretty(&board.json).expect("JSON") + "\n";
        assert!(
            board.text == form,
            "grafana/dashboards/{}: two spaces, keys sorted, a line's end at the end",
            board.file
        );
    }
}

#[test]
fn uids_are_fixed_and_ids_of_panels_are_distinct() {
    let found: Vec<_> = boards().iter().map(|it| (it.file.clone(), text(&it.json, "/uid"))).collect();
    let fixed: Vec<_> = UIDS.iter().map(|&(file, uid)| (file.to_owned(), uid.to_owned())).collect();
    assert_eq!(found, fixed);
    for board in boards() {
        let ids: Vec<i64> = list(&board.json, "/panels").iter().map(|it| it["id"].as_i64().expect("an id")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{}", board.file);
        assert!(board.json["id"].is_null(), "{}: the id is Grafana's own", board.file);
        assert!(board.json["schemaVersion"].as_i64() >= Some(39), "{}", board.file);
        assert_eq!(board.json["editable"], false, "{}: never clicked", board.file);
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    for board in boards() {
        assert!(board.panels().count() > 10, "{}", board.file);
        assert!(text(&board.json, "/description").ends_with('.'), "{}", board.file);
        for panel in board.panels() {
            let (title, description) = (text(panel, "/title"), text(panel, "/description"));
            assert!(
                !title.is_empty() && description.len() > 15 && description.ends_with('.'),
                "{title}: {description}"
            );
            let mut units = Vec::new();
            all(&panel["fieldConfig"]["defaults"], "unit", &mut units);
            assert_eq!(units.len(), 1, "{}: {title} has no unit", board.file);
            for property in panel.pointer("/fieldConfig/overrides").and_then(Value::as_array).into_iter().flatten() {
                let properties = list(property, "/properties").iter();
                units.extend(properties.filter(|it| it["id"] == "unit").map(|it| &it["value"]));
            }
            for unit in units {
                assert!(UNITS.contains(&unit.as_str().unwrap_or_default()), "{}: {title}: {unit}", board.file);
            }
        }
    }
}

#[test]
fn what_is_overridden_is_a_column_of_the_query() {
    for board in boards() {
        for panel in board.panels().filter(|panel| panel["datasource"]["uid"] == SQL && panel["type"] == "table") {
            for rule in list(panel, "/fieldConfig/overrides") {
                let column = format!("AS \"{}\"", text(rule, "/matcher/options"));
                let is_there = list(panel, "/targets").iter().any(|it| text(it, "/rawSql").contains(&column));
                assert!(is_there, "{}: {}: {column}", board.file, panel["title"]);
            }
        }
    }
}

#[test]
fn every_data_source_that_is_named_is_provisioned_with_a_fixed_uid() {
    let provisioned = yaml("provisioning/datasources/fettle.yml");
    let of = |it: &Value| (text(it, "/uid"), text(it, "/type"));
    let known: BTreeMap<String, String> = list(&provisioned, "/datasources").iter().map(of).collect();
    assert_eq!(known.keys().map(String::as_str).collect::<Vec<_>>(), [LOGQL, SQL, PROMQL]);
    for board in boards() {
        let mut named = Vec::new();
        all(&board.json, "datasource", &mut named);
        for source in named.iter().filter(|it| it["uid"] != "-- Grafana --") {
            let (uid, kind) = of(source);
            assert_eq!(known.get(&uid), Some(&kind), "{}: {source}", board.file);
        }
    }
    for source in list(&provisioned, "/datasources") {
        assert_eq!(source["editable"], false, "{source}");
        for secret in source["secureJsonData"].as_object().into_iter().flat_map(serde_json::Map::values) {
            assert!(
                secret.as_str().is_some_and(|it| it.starts_with("$__file{")),
                "{source}: a secret is read from a file"
            );
        }
    }
    let postgres = list(&provisioned, "/datasources").iter().find(|it| it["uid"] == SQL).expect("it is there");
    assert_eq!(postgres["user"], "grafana", "who may only read");
    let providers = yaml("provisioning/dashboards/fettle.yml");
    assert_eq!(list(&providers, "/providers")[0]["allowUiUpdates"], false, "the files are the truth");
}

#[test]
fn every_sql_has_a_bound_of_time_and_reads_views_only() {
    let view = regex::Regex::new(r"(?:FROM|JOIN)\s+([a-z_]+)").expect("an expression");
    let named = regex::Regex::new(r"(?:WITH|,)\s*(\w+) AS MATERIALIZED \(|, (\w+) AS \(").expect("an expression");
    for query in queries(SQL) {
        let bound = ["$__timeFilter(", "$__timeFrom()", "$__timeTo()"];
        assert!(bound.iter().any(|it| query.text.contains(it)), "{}: {}", query.place, query.text);
        let own: Vec<&str> =
            named.captures_iter(&query.text).filter_map(|it| it.get(1).or(it.get(2))).map(|it| it.as_str()).collect();
        for read in view.captures_iter(&query.text).map(|it| it.get(1).expect("a name").as_str()) {
            // `extract(epoch FROM closed_at - …)` is no table.
            let is_known = read.starts_with("fettle_") || own.contains(&read) || read.ends_with("_at");
            assert!(is_known, "{}: reads {read}", query.place);
        }
    }
}

#[test]
fn every_board_has_the_variables_host_rule_and_target_and_uses_what_it_has() {
    for board in boards() {
        let names: Vec<String> = board.variables().iter().map(|it| text(it, "/name")).collect();
        for name in ["host", "rule", "target", "fettle_url"] {
            assert!(names.iter().any(|it| it == name), "{}: {name}", board.file);
        }
        for name in &names {
            let uses = [format!("${name}"), format!("${{{name}:")];
            assert!(uses.iter().any(|it| board.text.contains(it)), "{}: nothing asks for {name}", board.file);
        }
        for it in board.variables() {
            assert!(text(it, "/description").ends_with('.'), "{}: {}", board.file, it["name"]);
        }
    }
}

#[test]
fn every_action_is_on_every_graph() {
    for board in boards() {
        let actions = board.annotations().find(|it| it["name"] == "Actions").expect("they are annotated");
        assert_eq!(actions["enable"], true, "{}", board.file);
        assert_eq!(
            actions["filter"],
            serde_json::json!({"exclude": false, "ids": []}),
            "{}: on all panels",
            board.file
        );
    }
}

#[test]
fn links_lead_to_the_page_of_fettle_or_to_the_other_boards() {
    let mut to_remediations = 0;
    for board in boards() {
        let mut links = Vec::new();
        all(&board.json, "url", &mut links);
        for link in links.iter().filter_map(|it| it.as_str()).filter(|it| !it.is_empty()) {
            // In a link a variable is escaped unless it is asked for raw.
            let path = link.strip_prefix("${fettle_url:raw}").unwrap_or_else(|| panic!("{}: {link}", board.file));
            assert!(["/", "/#/remediations/${__value.raw}"].contains(&path), "{}: {link}", board.file);
            to_remediations += usize::from(path.starts_with("/#/remediations/"));
        }
        assert!(list(&board.json, "/links").iter().any(|it| it["type"] == "dashboards"), "{}", board.file);
        assert_eq!(board.json["tags"], serde_json::json!(["fettle"]), "{}: by which they find each other", board.file);
    }
    assert!(to_remediations >= 4, "{to_remediations}");
    let page = std::fs::read_to_string(root().with_file_name("src/http/page/app.js")).expect("the page");
    assert!(page.contains("`#/remediations/${id}`"), "the page has such places");
}

#[test]
fn panels_fit_the_grid_and_do_not_overlap() {
    for board in boards() {
        let place = |panel: &Value| {
            let of = |key: &str| panel["gridPos"][key].as_i64().expect("a place");
            (of("x"), of("y"), of("w"), of("h"))
        };
        let panels = list(&board.json, "/panels");
        for (at, panel) in panels.iter().enumerate() {
            let (left, top, width, height) = place(panel);
            assert!(left >= 0 && width > 0 && height > 0 && left + width <= 24, "{}: {}", board.file, panel["title"]);
            for other in &panels[at + 1..] {
                let (x, y, w, h) = place(other);
                let overlap = left < x + w && x < left + width && top < y + h && y < top + height;
                assert!(!overlap, "{}: {} and {}", board.file, panel["title"], other["title"]);
            }
        }
    }
}

#[test]
fn every_job_that_is_named_is_scraped() {
    let jobs = names(
        &std::fs::read_to_string(root().with_file_name("prometheus").join("prometheus.yml")).expect("readable"),
        r"job_name: (\w+)",
    );
    for query in queries(PROMQL) {
        for job in names(&query.text, r#"\bjob="(\w+)""#) {
            assert!(jobs.contains(&job), "{}: {job}", query.place);
        }
    }
}

#[test]
fn all_three_sources_are_asked() {
    let of = |board: &Board| board.queries().iter().map(|it| it.source.clone()).collect::<BTreeSet<_>>();
    let used: BTreeSet<String> = boards().iter().flat_map(of).collect();
    assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), [LOGQL, SQL, PROMQL]);
}
