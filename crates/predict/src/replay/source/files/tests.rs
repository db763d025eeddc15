//! What is read from files, and what is said of what cannot be.

use super::*;

fn alert(minute: u32, service: &str, status: &str) -> String {
    format!(
        r#"{{"at":"2026-01-31T12:{minute:02}:00Z","status":"{status}","labels":{{"alertname":"Down","service":"{service}"}}}}"#
    )
}

fn body(received: &str) -> String {
    format!(
        "{{\n  {received}\"version\": \"4\",\n  \"alerts\": [\n    {{\"status\": \"firing\", \"labels\": {{\"service\": \"body\"}},\n     \
         \"startsAt\": \"2026-01-31T11:00:00Z\"}}\n  ]\n}}\n"
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        Self(folder)
    }

    fn read(&self, name: &str) -> Vec<Batch> {
        self.within(name, None)
    }

    fn within(&self, name: &str, period: Option<Period>) -> Vec<Batch> {
        let mut files = Files::open(&self.0.path().join(name), period).expect("found");
        std::iter::from_fn(|| files.batch()).collect()
    }
}

/// Minute and services of every delivery.
fn told(batches: &[Batch]) -> Vec<(i64, Vec<&str>)> {
    let minute =
        |at: Timestamp| (at.as_second() - "2026-01-31T12:00:00Z".parse::<Timestamp>().expect("at").as_second()) / 60;
    let deliveries = batches.iter().flat_map(|batch| &batch.deliveries);
    deliveries.map(|it| (minute(it.at), it.alerts.iter().map(|alert| alert.labels.get("service")).collect())).collect()
}

fn problems(batches: &[Batch]) -> Vec<String> {
    let short = |it: &Unreadable| {
        let place = it.place.rsplit('/').next().unwrap_or_default();
        format!("{place}: {}", it.problem)
    };
    batches.iter().flat_map(|batch| &batch.unreadable).map(short).collect()
}

#[test]
fn files_of_a_folder_come_in_one_order_of_time_and_one_instant_is_one_delivery() {
    let lines = |lines: &[(u32, &str)]| -> String {
        lines.iter().map(|(minute, service)| alert(*minute, service, "firing") + "\n").collect()
    };
    let folder = Folder::new(&[
        ("b.jsonl", &lines(&[(1, "b1"), (5, "b5"), (9, "b9")])),
        ("a.jsonl", &lines(&[(3, "a3"), (5, "a5")])),
        ("deep/c.ndjson", &lines(&[(7, "c7")])),
        ("20260131T120400Z_x.json", &body("")),
        ("own.json", &body(r#""receivedAt": "2026-01-31T12:06:00Z", "#)),
        ("notes.txt", "not read"),
        (".hidden.json", "not read"),
    ]);
    let read = folder.read("");
    let expected: Vec<(i64, Vec<&str>)> = vec![
        (1, vec!["b1"]),
        (3, vec!["a3"]),
        (4, vec!["body"]),
        (5, vec!["b5", "a5"]),
        (6, vec!["body"]),
        (7, vec!["c7"]),
        (9, vec!["b9"]),
    ];
    let mut found = told(&read);
    found
        .iter_mut()
        .filter(|(minute, _)| *minute == 5)
        .for_each(|(_, services)| services.sort_by_key(|it| Reverse(*it)));
    assert_eq!(found, expected);
    assert!(problems(&read).is_empty());
    let bytes = Files::open(folder.0.path(), None).expect("found").bytes;
    assert_eq!(read.last().map(|batch| batch.done), Some(bytes), "all of it");
}

#[test]
fn an_unreadable_line_is_told_with_its_place_and_the_rest_goes_on() {
    let text = [
        &alert(1, "a", "firing"),
        "nonsense",
        "",
        &alert(3, "b", "burning"),
        &alert(0, "early", "firing"),
        &alert(2, "c", "firing"),
        &body("").replace('\n', " "),
    ]
    .join("\n");
    let folder = Folder::new(&[("x.jsonl", &text)]);
    let read = folder.read("x.jsonl");
    assert_eq!(told(&read), [(1, vec!["a"]), (2, vec!["c"])]);
    let problems = problems(&read);
    let [nonsense, burning, early, undated] = &problems[..] else { panic!("{problems:#?}") };
    assert!(nonsense.starts_with("x.jsonl:2: $: expected"), "{nonsense}");
    assert!(burning.starts_with("x.jsonl:4: $.status: unknown variant `burning`"), "{burning}");
    assert!(early.starts_with("x.jsonl:5: $.at: earlier than the record before it"), "{early}");
    assert!(undated.starts_with("x.jsonl:7: $: it does not say when it was received"), "{undated}");
}

#[test]
fn a_line_longer_than_any_body_is_passed_over_without_being_kept() {
    let long = format!("{{\"at\": \"{}\"}}\n", "x".repeat(RECORD_MAX + 5));
    let folder = Folder::new(&[("x.jsonl", &format!("{long}{}\n", alert(1, "a", "firing")))]);
    let read = folder.read("x.jsonl");
    assert_eq!((told(&read), problems(&read).len()), (vec![(1, vec!["a"])], 1));
}

#[test]
fn an_alert_fires_since_its_first_record_after_its_last_end() {
    let folder = Folder::new(&[(
        "x.jsonl",
        &[(1, "firing"), (4, "firing"), (5, "resolved"), (9, "firing")].map(|(at, it)| alert(at, "a", it)).join("\n"),
    )]);
    let batches = folder.read("x.jsonl");
    let alerts: Vec<_> = batches[0].deliveries.iter().map(|it| (it.at, it.alerts[0].starts_at)).collect();
    let since = |at: usize| alerts[at].1;
    assert_eq!((since(0), since(1), since(2), since(3)), (alerts[0].0, alerts[0].0, alerts[0].0, alerts[3].0));
}

#[test]
fn only_the_period_is_read() {
    let text = (0..9).map(|minute| alert(minute, "a", "firing")).collect::<Vec<_>>().join("\n");
    let folder = Folder::new(&[("x.jsonl", &text)]);
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
    let period = Period { from: at("2026-01-31T12:03:00Z"), to: at("2026-01-31T12:05:00Z") };
    assert_eq!(told(&folder.within("x.jsonl", Some(period))), [(3, vec!["a"]), (4, vec!["a"])]);
}

#[test]
fn a_folder_without_such_files_is_an_error_and_so_is_nothing() {
    let folder = Folder::new(&[("notes.txt", "")]);
    assert!(Files::open(folder.0.path(), None).is_err());
    assert!(Files::open(&folder.0.path().join("missing"), None).is_err());
    let empty = Folder::new(&[("x.jsonl", "\n\n")]);
    assert!(empty.read("x.jsonl").is_empty());
}
