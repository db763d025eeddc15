//! Cleaning logs on a disk of the host that fettle sees itself, and what it sees of disks.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fettle_core::action::CleanLogs;
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::{Disk, Found, Sight, Wanted};
use fettle_core::target::Target;
use fettle_docker::{DiskConfig, Docker, HostConfig};
use serde_json::Value;

use super::clean_inside::{clean, files};
use super::{configured, pin, sight};
use crate::support::docker::Daemon;
use crate::support::volume::Volume;

const NOWHERE: &str = "unix:///nowhere/docker.sock";

fn platform(url: &str, disk: &Path) -> Docker {
    let disk = DiskConfig { path: disk.to_owned(), allow: ["clean_logs".to_owned()].into() };
    let disks = [("srv".to_owned(), disk)].into();
    configured([("local".to_owned(), HostConfig { endpoint: url.into(), disks, ..HostConfig::default() })]).0
}

fn srv() -> Target {
    Target::Disk { host: "local".into(), name: "srv".into() }
}

async fn done(docker: &Docker, clean: &CleanLogs) -> (Result<(), PlatformError>, Value) {
    let done = docker.perform(&srv(), &pin("srv"), &Effect::Clean(clean.clone())).await;
    (done.answer, done.touched)
}

fn write(path: &Path, kib: usize, days: u64) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("create");
    let mut file = File::create(path).expect("create");
    file.write_all(&vec![b'x'; kib << 10]).expect("write");
    let then = SystemTime::now() - Duration::from_hours(24 * days);
    file.set_times(FileTimes::new().set_modified(then)).expect("set times");
}

fn clean_in(root: &Path) -> CleanLogs {
    clean(root.to_str().expect("UTF-8"))
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|it| it.len())
}

#[tokio::test]
async fn a_full_disk_is_cleaned_and_its_share_is_seen_before_and_after() {
    let (daemon, volume) = (Daemon::shared().await, Volume::of_megabytes(10));
    let docker = platform(&daemon.url(), volume.path());
    let root = volume.path().join("logs");
    write(&root.join("app.log"), 3 << 10, 0);
    write(&root.join("sub/app.log.1"), 3 << 10, 3);
    write(&root.join("app.log.2.gz"), 3 << 10, 9);
    write(&root.join("data.db"), 900, 9);
    let seen = async || match sight(&docker, &srv(), Wanted::default()).await {
        Sight::Disk(disk) => disk,
        other => panic!("{other:?}"),
    };
    let Disk { name, allow, space, .. } = seen().await;
    assert_eq!((name.as_str(), allow.contains("clean_logs")), ("srv", true));
    assert!(space.is_some_and(|it| it.free_percent() < 10 && it.total == 10 << 20), "{space:?}");

    let mut needed = clean_in(&root);
    needed.stop_when_free = Some(50);
    let (answer, touched) = done(&docker, &needed).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched), ["app.log.2.gz deleted", "sub/app.log.1 deleted"], "{touched:#}");
    assert_eq!(touched["cleaned"]["freed_bytes"], 6 << 20);
    assert_eq!(touched["cleaned"]["skipped"]["enough_free"], 1);
    let free = seen().await.space.expect("it is seen").free_percent();
    assert_eq!(touched["cleaned"]["roots"][root.to_str().unwrap()]["free_percent_after"], free);
    assert!((50..70).contains(&free), "{free}");

    let (answer, touched) = done(&docker, &clean_in(&root)).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!((files(&touched), size(&root.join("app.log"))), (vec!["app.log emptied".to_owned()], Some(0)));
    assert_eq!(size(&root.join("data.db")), Some(900 << 10));
    let again = docker.look(&srv(), &pin("srv")).await.unwrap();
    assert!(matches!(again, Some(Sight::Disk(Disk { space: Some(_), .. }))), "{again:?}");
}

#[tokio::test]
async fn links_mounts_second_names_and_odd_names_are_left_and_counted() {
    let (daemon, volume) = (Daemon::shared().await, Volume::of_megabytes(10));
    let docker = platform(&daemon.url(), volume.path());
    let (root, outside) = (volume.path().join("logs"), volume.path().join("outside"));
    write(&root.join("app.log"), 8, 0);
    write(&outside.join("a.log"), 8, 0);
    write(&outside.join("b.log.1"), 8, 9);
    // A farm of links, to files and to folders.
    for n in 0..50 {
        std::os::unix::fs::symlink(outside.join("a.log"), root.join(format!("{n}.log"))).unwrap();
        std::os::unix::fs::symlink(&outside, root.join(format!("farm-{n}"))).unwrap();
    }
    volume.mount_inside("logs/mounted");
    write(&root.join("mounted/m.log"), 8, 0);
    fs::hard_link(outside.join("b.log.1"), root.join("b.log.1")).unwrap();
    write(&root.join("new\nline.log"), 8, 0);
    let (answer, touched) = done(&docker, &clean_in(&root)).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched), ["app.log emptied"], "{touched:#}");
    let skipped = &touched["cleaned"]["skipped"];
    let counted = ["link", "other_file_system", "hard_link", "unprintable"].map(|why| skipped[why].as_u64());
    assert_eq!(counted, [Some(100), Some(1), Some(1), Some(1)], "{skipped:#}");
    for (path, kib) in [(outside.join("a.log"), 8), (outside.join("b.log.1"), 8), (root.join("mounted/m.log"), 8)] {
        assert_eq!(size(&path), Some(kib << 10), "{}", path.display());
    }
}

#[tokio::test]
async fn a_rotated_file_that_a_process_has_open_stays() {
    let (daemon, volume) = (Daemon::shared().await, Volume::of_megabytes(10));
    let docker = platform(&daemon.url(), volume.path());
    for name in ["open.log.1", "closed.log.1"] {
        write(&volume.path().join(name), 8, 9);
    }
    let open = File::open(volume.path().join("open.log.1")).unwrap();
    let (answer, touched) = done(&docker, &clean_in(volume.path())).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched), ["closed.log.1 deleted"], "{touched:#}");
    assert_eq!(touched["cleaned"]["skipped"]["open"], 1, "{touched:#}");
    drop(open);
}

#[tokio::test]
async fn a_root_outside_of_the_disk_behind_a_link_or_gone_is_refused_and_nothing_is_touched() {
    let (daemon, volume) = (Daemon::shared().await, Volume::of_megabytes(10));
    let disk = volume.path().join("disk");
    let docker = platform(&daemon.url(), &disk);
    write(&disk.join("a.log"), 8, 0);
    let outside = volume.path().join("outside");
    write(&outside.join("a.log"), 8, 0);
    std::os::unix::fs::symlink(&outside, disk.join("linked")).unwrap();
    for root in [outside.clone(), disk.join("linked"), disk.join("gone"), volume.path().to_owned(), "/".into()] {
        let (answer, touched) = done(&docker, &clean_in(&root)).await;
        let error = answer.expect_err("not a root of this disk");
        assert!(error.nothing_sent(), "{}: {error} {touched:#}", root.display());
    }
    // One of two is there: it is cleaned, and what is wrong with the other is said.
    let mut both = clean_in(&disk);
    both.roots.push(disk.join("gone").display().to_string());
    let (answer, touched) = done(&docker, &both).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched), ["a.log emptied"]);
    let gone = &touched["cleaned"]["roots"][disk.join("gone").to_str().unwrap()]["error"];
    assert!(gone.as_str().is_some_and(|it| it.contains("cannot be cleaned")), "{touched:#}");
    assert_eq!(size(&outside.join("a.log")), Some(8 << 10));
    let error = done(&docker, &CleanLogs { container_log: true, ..clean_in(&disk) }).await.0.expect_err("no container");
    assert!(error.nothing_sent(), "{error}");
}

#[tokio::test]
async fn a_disk_that_is_not_configured_or_not_here_is_not_seen() {
    let (daemon, volume) = (Daemon::shared().await, Volume::of_megabytes(1));
    let docker = platform(&daemon.url(), volume.path());
    let other = Target::Disk { host: "local".into(), name: "other".into() };
    assert_eq!(docker.find(&other, Wanted::default()).await.unwrap(), Found::Nothing);
    let docker = platform(&daemon.url(), Path::new("/nowhere/at/all"));
    let Sight::Disk(disk) = sight(&docker, &srv(), Wanted::default()).await else { panic!() };
    assert_eq!(disk.space, None);
    // Over the network the same path is another machine's.
    let far = platform("tcp://127.0.0.1:1", volume.path());
    let error = done(&far, &clean_in(volume.path())).await.0.expect_err("another machine");
    assert!(error.nothing_sent() && error.to_string().contains("over the network"), "{error}");
    assert!(
        platform(NOWHERE, volume.path()).find(&srv(), Wanted::default()).await.expect_err("no daemon").nothing_sent()
    );
}
