//! What fettle itself stands on is not touched, whatever rules and labels permit.

use std::time::Duration;

use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::fettle::{Setup, firing};
use crate::support::postgres::Database;

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname="Down"']
    target: {min_age: 0s, container: $labels.service, allow: ["*"]}
    steps: [restart]
"#;

#[tokio::test]
async fn a_database_behind_a_published_port_of_this_machine_is_protected() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    // Another of this machine's addresses, because PostgreSQL itself has the port on the first.
    let published = Run::named("db").enabled().published("127.0.0.9", database.address().port()).start(&daemon).await;
    let other = Run::named("other").enabled().published("127.0.0.9", 0).start(&daemon).await;
    let fettle = Setup::new(&daemon.url(), RULES).database(&database.url()).start().await;
    let before = published.started_at().await;
    for container in [&other, &published] {
        fettle.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
    }
    let story = fettle.closed(&format!("container:local/{}", published.name), Duration::from_mins(1)).await;
    assert_eq!((&story["outcome"], &story["reason"]), (&"refused".into(), &"protected".into()), "{story:#}");
    assert_eq!(published.started_at().await, before, "it was left alone");
    let others = fettle.remediations(&format!("container:local/{}", other.name)).await;
    assert_ne!(others[0]["reason"], "protected", "{others:?}");
}
