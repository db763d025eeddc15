//! `systemd/`: the units are verified by systemd's own program, and what fettle tells systemd is listened to.

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fettle::app::systemd::Systemd;
use fettle_engine::pulse::Pulses;
use tokio_util::sync::CancellationToken;

use super::{read, root, run};
use crate::support::edge;
use crate::support::fettle::Setup;
use crate::support::postgres::Database;
use crate::support::proxy::{Fault, Proxy};
use crate::support::wait;

const SOON: Duration = Duration::from_secs(20);

/// The watchdog interval of these tests: a sign each third of it.
const WATCHDOG: Duration = Duration::from_millis(900);

const UNITS: [&str; 3] = ["fettle.service", "fettle-health.service", "fettle-health.timer"];

/// Where systemd would listen.
struct Ear {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Ear {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("bind");
        socket.set_nonblocking(true).expect("not blocking");
        Self { socket, folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// Everything that was said and not heard yet.
    fn heard(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            words.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
        }
        words
    }

    async fn hears(&self, word: &str) {
        let all = RefCell::new(Vec::new());
        wait::until(word, SOON, async || {
            let mut all = all.borrow_mut();
            all.extend(self.heard());
            if all.iter().any(|it| it == word) { Ok(()) } else { Err(format!("{all:?}")) }
        })
        .await;
    }

    /// Waits until nothing has been said for so long.
    async fn hears_nothing_for(&self, long: Duration, within: Duration) {
        let since = Cell::new(Instant::now());
        wait::until("nothing more is said", within, async || {
            if !self.heard().is_empty() {
                since.set(Instant::now());
            }
            let silent = since.get().elapsed();
            if silent > long { Ok(()) } else { Err(format!("silent for {silent:?}")) }
        })
        .await;
    }
}

/// The units as they are, but for the programs, which are not installed here.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for unit in UNITS {
        let text = read(&format!("systemd/{unit}")).replace("/usr/local/bin/fettle", "/bin/true");
        std::fs::write(folder.path().join(unit), text).expect("write");
    }
    folder
}

#[test]
fn systemd_analyze_verifies_the_units_without_a_word() {
    let folder = installed();
    let paths: Vec<String> = UNITS.iter().map(|unit| folder.path().join(unit).display().to_string()).collect();
    let mut arguments = vec!["verify", "--man=no"];
    arguments.extend(paths.iter().map(String::as_str));
    let said = run("systemd-analyze", "systemd", &arguments);
    assert_eq!(said.trim(), "");
}

#[test]
fn the_exposure_of_the_unit_is_what_the_readme_says() {
    let folder = installed();
    let unit = folder.path().join("fettle.service").display().to_string();
    let said = run("systemd-analyze", "systemd", &["security", "--offline=true", "--no-pager", &unit]);
    let line = said.lines().find(|line| line.contains("Overall exposure level")).expect("a verdict");
    let score: f64 = line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(f64::MAX);
    assert!(score <= 1.5, "{line}");
    assert!(read("README.md").contains(&format!("`systemd-analyze security` rates it {score}")), "{line}");
}

#[test]
fn the_stop_is_given_more_time_than_the_drain_takes() {
    let unit = read("systemd/fettle.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned)).expect("a key");
    let stop: u64 = value("TimeoutStopSec=").parse().expect("seconds");
    assert!(Duration::from_secs(stop) >= fettle_engine::worker::DRAIN + Duration::from_secs(10));
    assert_eq!((value("Type=").as_str(), value("WatchdogSec=").as_str()), ("notify", "60"));
}

#[tokio::test]
async fn it_says_ready_when_it_is_lives_while_it_works_and_says_that_it_stops() {
    let ear = Ear::new();
    let micros = WATCHDOG.as_micros().to_string();
    let mut fettle =
        Setup::new("unix:///nowhere", RULES).env("NOTIFY_SOCKET", &ear.path()).env("WATCHDOG_USEC", &micros).launch();
    ear.hears("READY=1").await;
    fettle.ready().await;
    for _ in 0..5 {
        ear.hears("WATCHDOG=1").await;
    }
    assert_eq!(fettle.terminate(), Some(0));
    ear.hears("STOPPING=1").await;
}

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {container: web}
    steps: [restart]
";

#[tokio::test]
async fn a_database_that_is_not_there_delays_ready_and_one_that_hangs_later_takes_no_life() {
    let database = Database::create().await;
    let proxy = Proxy::tcp(database.address()).await;
    proxy.fail(Fault::Cut);
    let ear = Ear::new();
    let fettle = Setup::new("unix:///nowhere", RULES)
        .database(&database.url_through(proxy.address()))
        .env("NOTIFY_SOCKET", &ear.path())
        .env("WATCHDOG_USEC", &WATCHDOG.as_micros().to_string())
        .launch();
    wait::until("it waits", SOON, async || {
        let waits = fettle.log().contains("the database cannot be opened yet");
        if waits { Ok(()) } else { Err(fettle.log()) }
    })
    .await;
    let all = ear.heard();
    assert!(all.iter().any(|it| it.starts_with("STATUS=waiting")) && !all.iter().any(|it| it == "READY=1"), "{all:?}");
    proxy.restore();
    ear.hears("READY=1").await;
    proxy.fail(Fault::Stalled);
    wait::until("it is noticed", Duration::from_secs(40), async || {
        if fettle.log().contains("could not be") { Ok(()) } else { Err(fettle.log()) }
    })
    .await;
    ear.heard();
    for _ in 0..5 {
        ear.hears("WATCHDOG=1").await;
    }
}

#[tokio::test]
async fn a_task_that_is_late_takes_the_signs_of_life_with_it_and_gives_them_back() {
    let ear = Ear::new();
    let systemd = Arc::new(Systemd::new(Some(ear.path().into()), Some(WATCHDOG)));
    let pulses = Pulses::of(&["writer", "worker"]);
    let stop = CancellationToken::new();
    pulses.pulse(0).again(Duration::from_hours(1));
    let worker = pulses.pulse(1);
    worker.again(Duration::from_secs(1));
    let watching = tokio::spawn(systemd.watch([pulses], stop.clone()));
    ear.hears("WATCHDOG=1").await;
    ear.hears_nothing_for(WATCHDOG * 2, SOON).await;
    worker.again(Duration::from_hours(1));
    ear.hears("WATCHDOG=1").await;
    stop.cancel();
    watching.await.expect("it ends");
}

#[tokio::test]
async fn a_receiver_that_waits_for_ever_is_named_and_ends_the_signs_of_life() {
    let (ear, stop) = (Ear::new(), CancellationToken::new());
    let life = crate::crash_points::stuck().await;
    let systemd = Arc::new(Systemd::new(Some(ear.path().into()), Some(WATCHDOG)));
    tokio::spawn(systemd.watch([life.pulses()], stop.clone()));
    ear.hears("WATCHDOG=1").await;
    life.send().await;
    ear.hears_nothing_for(WATCHDOG * 3, fettle_engine::pulse::ROUND + SOON).await;
    assert_eq!(life.pulses().late(), ["receiver"]);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_the_server_that_hangs_ends_the_signs_of_life_until_it_comes_back() {
    let (ear, stop) = (Ear::new(), CancellationToken::new());
    let edge = edge::Setup::default().start().await;
    let systemd = Arc::new(Systemd::new(Some(ear.path().into()), Some(WATCHDOG)));
    tokio::spawn(systemd.watch([edge.pulses.clone()], stop.clone()));
    ear.hears("WATCHDOG=1").await;
    // All workers that are free go on; one is enough to lose its share of the requests.
    edge.docker.hangs.store(true, Ordering::Relaxed);
    let asked = tokio::spawn(edge.client.get(edge.url("/api/v1/health")).send());
    ear.hears_nothing_for(WATCHDOG * 3, fettle::http::ROUND + SOON).await;
    assert_eq!(edge.pulses.late(), ["http worker"]);
    edge.docker.hangs.store(false, Ordering::Relaxed);
    ear.hears("WATCHDOG=1").await;
    assert!(edge.pulses.late().is_empty());
    drop(asked);
    stop.cancel();
}

#[test]
fn without_a_socket_nothing_is_said_and_nothing_fails() {
    let nobody = Systemd::new(None, None);
    nobody.ready();
    nobody.stopping();
    let gone = Systemd::new(Some(root().join("no/such/socket").into()), Some(WATCHDOG));
    gone.ready();
}
