//! Cleaning logs inside of containers, with busybox's programs and with GNU's.

use std::time::Duration;

use bollard::models::{HostConfigLogConfig, Mount, MountType};
use fettle_core::action::CleanLogs;
use fettle_core::effect::Effect;
use fettle_core::ports::platform::PlatformError;
use fettle_core::target::Pattern;
use fettle_docker::Docker;
use serde_json::Value;

use super::{Calling, real};
use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::image;

const MB: u64 = 1 << 20;

pub(super) fn clean(root: &str) -> CleanLogs {
    let patterns = |them: &[&str]| them.iter().map(|it| Pattern((*it).into())).collect();
    CleanLogs {
        roots: vec![root.into()],
        files: patterns(&["*.log"]),
        rotated: patterns(&["*.log.*", "*.gz"]),
        max_files: 100,
        max_bytes: 1 << 40,
        older_than: Duration::from_hours(24),
        larger_than: 1000,
        keep_newest: 0,
        stop_when_free: None,
        free_above: None,
        user: None,
        container_log: false,
    }
}

/// `root/path done`, in the order in which it was done.
pub(super) fn files(touched: &Value) -> Vec<String> {
    let files = touched["cleaned"]["files"].as_array().unwrap_or_else(|| panic!("{touched:#}"));
    files.iter().map(|it| format!("{} {}", it["path"].as_str().unwrap(), it["done"].as_str().unwrap())).collect()
}

async fn done(docker: &Docker, container: &Container, clean: &CleanLogs) -> (Result<(), PlatformError>, Value) {
    let done = docker.does(&container.id, Effect::Clean(clean.clone())).await;
    (done.answer, done.touched)
}

/// With a small file system in memory at `/logs`.
fn with_logs(name: &str, image: &str, megabytes: i64) -> Run {
    let options = bollard::models::MountTmpfsOptions { size_bytes: Some(megabytes << 20), ..Default::default() };
    let mount = Mount {
        target: Some("/logs".into()),
        typ: Some(MountType::TMPFS),
        tmpfs_options: Some(options),
        ..Mount::default()
    };
    Run::named(name).image(image).on_host(|host| host.mounts = Some(vec![mount]))
}

async fn each_kind(daemon: &Daemon) -> [Container; 2] {
    image::import_gnu(&daemon.client).await;
    [with_logs("busybox", image::PLAIN, 64).start(daemon).await, with_logs("gnu", image::GNU, 64).start(daemon).await]
}

#[tokio::test]
async fn what_grows_is_emptied_and_what_is_rotated_and_old_is_deleted_with_both_kinds_of_programs() {
    let (daemon, docker) = real().await;
    for container in each_kind(&daemon).await {
        let said = container
            .sh("cd /logs && mkdir -p sub && dd if=/dev/zero of=app.log bs=1024 count=2048 && dd if=/dev/zero of=sub/b.log bs=1024 count=64 \
                 && echo small > small.log && echo precious > data.db && echo 1 > app.log.1 && echo 2 > app.log.2 && echo z > old.gz \
                 && touch -t 202001010000 app.log.2 old.gz data.db && echo ok")
            .await;
        assert!(said.contains("ok\n"), "{said}");
        let (answer, touched) = done(&docker, &container, &clean("/logs")).await;
        answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
        let mut cleaned = files(&touched);
        cleaned[..2].sort();
        let expected = ["app.log.2 deleted", "old.gz deleted", "app.log emptied", "sub/b.log emptied"];
        assert_eq!(cleaned, expected, "{}: {touched:#}", container.name);
        let freed = touched["cleaned"]["freed_bytes"].as_u64().unwrap();
        assert!((2 * MB..3 * MB).contains(&freed), "{touched:#}");
        assert_eq!(touched["cleaned"]["skipped"]["young"], 1, "{touched:#}");
        assert_eq!(touched["cleaned"]["skipped"]["small"], 1, "{touched:#}");
        assert_eq!(touched["cleaned"]["open_files"], "seen", "{touched:#}");
        let left = container
            .sh("cd /logs && stat -c '%n %s' app.log sub/b.log small.log data.db app.log.1 app.log.2 old.gz")
            .await;
        assert!(left.contains("app.log 0\nsub/b.log 0\nsmall.log 6\ndata.db 9\napp.log.1 2\n"), "{left}");
        assert!(!left.contains("app.log.2 2") && !left.contains("old.gz 2"), "{left}");
    }
}

#[tokio::test]
async fn hostile_names_links_and_mounts_lead_nowhere_with_both_kinds_of_programs() {
    let (daemon, docker) = real().await;
    for container in each_kind(&daemon).await {
        let said = container
            .sh("mkdir -p /outside /logs/sub && cd /logs && for f in /outside/a.log '/logs/with space.log' /logs/-rf.log '/logs/a[1]*.log' '/logs/$(id).log'; do \
                 dd if=/dev/zero of=\"$f\" bs=1024 count=8; done; dd if=/dev/zero of=\"new\nline.log\" bs=1024 count=8; \
                 ln -s /outside/a.log link.log; ln -s /outside outlink; ln /logs/-rf.log hard.log; \
                 dd if=/dev/zero of=/dev/shm/mounted.log bs=1024 count=8; ln -s /dev/shm shm; echo ok")
            .await;
        assert!(said.contains("ok\n"), "{said}");
        let (answer, touched) = done(&docker, &container, &clean("/logs")).await;
        answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
        let mut cleaned = files(&touched);
        cleaned.sort();
        assert_eq!(cleaned, ["$(id).log emptied", "a[1]*.log emptied", "with space.log emptied"], "{touched:#}");
        assert_eq!(touched["cleaned"]["skipped"]["unprintable"], 1, "{touched:#}");
        assert_eq!(touched["cleaned"]["skipped"]["hard_link"], 2, "{touched:#}");
        let sizes =
            container.sh("stat -c %s /outside/a.log /dev/shm/mounted.log /logs/hard.log; stat -c %s /logs/new*").await;
        assert_eq!(sizes, "8192\n8192\n8192\n8192\n");

        // A root that is a link is none, and neither is one that is not there.
        for root in ["/logs/outlink", "/gone"] {
            let (answer, _) = done(&docker, &container, &clean(root)).await;
            let error = answer.expect_err(root);
            assert!(error.nothing_sent(), "{root}: {error}");
        }
        for root in ["/", "logs", "/logs/../outside", "/logs/./sub", "", "/a\nb"] {
            let error = done(&docker, &container, &clean(root)).await.0.expect_err(root);
            assert!(matches!(&error, PlatformError::Unfit(why) if why.contains("not a folder")), "{root}: {error}");
        }
    }
}

#[tokio::test]
async fn a_rotated_file_that_is_open_stays_and_a_growing_one_goes_on_from_nothing() {
    let (daemon, docker) = real().await;
    // Holds a rotated file open and writes another one, as a logger does after a rotation that it was not told of.
    let line = "exec 3>>/logs/held.log.1; echo held >&3; touch -t 202001010000 /logs/held.log.1; \
                while :; do echo some text that is written again and again >> /logs/app.log; done";
    let container = with_logs("logger", image::PLAIN, 64).shell(line).start(&daemon).await;
    crate::support::wait::until("it has written", super::SOON, async || {
        let size = container.sh("stat -c %s /logs/app.log").await;
        if size.trim().parse::<u64>().is_ok_and(|size| size > 100_000) { Ok(()) } else { Err(size) }
    })
    .await;
    container.sh("touch -t 202001010000 /logs/held.log.1").await;
    let (answer, touched) = done(&docker, &container, &clean("/logs")).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched), ["app.log emptied"], "{touched:#}");
    assert_eq!(touched["cleaned"]["skipped"]["open"], 1, "{touched:#}");
}

#[tokio::test]
async fn a_full_disk_is_cleaned_no_more_than_needed_and_its_share_is_measured() {
    let (daemon, docker) = real().await;
    let container = with_logs("full", image::PLAIN, 10).start(&daemon).await;
    let fill = "cd /logs; for i in 1 2 3 4 5 6 7 8 9; do dd if=/dev/zero of=a.log.$i bs=1024 count=1024; touch -t 20200101000$i a.log.$i; done; \
                dd if=/dev/zero of=b.log bs=1024 count=2048; df -Pk /logs";
    let said = container.sh(fill).await;
    assert!(said.contains("100%"), "{said}");
    let mut needed = clean("/logs");
    needed.stop_when_free = Some(40);
    needed.free_above = Some(40);
    let (answer, touched) = done(&docker, &container, &needed).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched)[0], "a.log.1 deleted", "the oldest first");
    let roots = &touched["cleaned"]["roots"]["/logs"];
    let (before, after) =
        (roots["free_percent_before"].as_u64().unwrap(), roots["free_percent_after"].as_u64().unwrap());
    assert!(before == 0 && (40..60).contains(&after), "{touched:#}");
    assert!(touched["cleaned"]["skipped"]["enough_free"].as_u64().is_some_and(|n| n > 0), "{touched:#}");

    // Enough is free: nothing is touched.
    let (answer, touched) = done(&docker, &container, &needed).await;
    answer.expect("enough is free");
    assert_eq!(
        (files(&touched).len(), touched["cleaned"]["roots"]["/logs"]["left"].as_str()),
        (0, Some("enough is free"))
    );

    // More is asked for than cleaning can give.
    container.sh("dd if=/dev/zero of=/logs/data.db bs=1024 count=4096").await;
    let mut much = clean("/logs");
    much.free_above = Some(90);
    let done_all = docker.does(&container.id, Effect::Clean(much.clone())).await;
    let touched = done_all.touched;
    done_all.answer.unwrap_or_else(|error| panic!("it was done, though it was not enough: {error} {touched:#}"));
    let short = done_all.short.expect("data stays");
    let free = &touched["cleaned"]["roots"]["/logs"]["free_percent_after"];
    assert_eq!(short, format!("{free} % of the file system of /logs are free after it, and 90 % were asked for"));
    assert!(touched["cleaned"]["count"].as_u64().is_some_and(|n| n > 0), "what was done is said: {touched:#}");

    let (answer, _) = done(&docker, &container, &clean("/logs")).await;
    let error = answer.expect_err("nothing left");
    assert!(error.nothing_sent() && error.to_string().contains("nothing is there to be cleaned"), "{error}");
}

#[tokio::test]
async fn a_user_who_may_not_and_an_image_without_programs_are_failures_in_their_own_words() {
    let (daemon, docker) = real().await;
    let container = Run::named("other").user("1000").start(&daemon).await;
    container
        .sh("mkdir /logs; dd if=/dev/zero of=/logs/a.log bs=1024 count=8; chmod 755 /logs; chmod 644 /logs/a.log")
        .await;
    let (answer, touched) = done(&docker, &container, &clean("/logs")).await;
    let error = answer.expect_err("not permitted");
    assert!(error.to_string().contains("denied"), "{error} {touched:#}");
    assert_eq!((error.nothing_sent(), error.is_answer()), (false, true));
    let as_root = CleanLogs { user: Some("0".into()), ..clean("/logs") };
    let (answer, touched) = done(&docker, &container, &as_root).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(files(&touched), ["a.log emptied"]);
    let nobody = CleanLogs { user: Some("nobody-here".into()), ..clean("/logs") };
    assert!(done(&docker, &container, &nobody).await.0.is_err());

    let bare = Run::named("bare").shell("rm /bin/find; exec /bin/busybox sleep 3600").start(&daemon).await;
    crate::support::wait::until("find is gone", super::SOON, async || {
        let said = bare.sh("ls /bin").await;
        if said.contains("find") { Err(said) } else { Ok(()) }
    })
    .await;
    let error = done(&docker, &bare, &clean("/logs")).await.0.expect_err("no find");
    assert!(error.nothing_sent() && error.to_string().contains("cannot run find"), "{error}");

    let stopped = Run::named("stopped").create(&daemon).await;
    let error = done(&docker, &stopped, &clean("/logs")).await.0.expect_err("not running");
    assert!(matches!(error, PlatformError::Answered { status: 409, .. }), "{error:?}");
}

#[tokio::test]
async fn the_containers_own_log_is_emptied_where_it_can_be_reached() {
    let (daemon, docker) = real().await;
    let chatty = |name: &str, driver: &str| {
        let config = HostConfigLogConfig { typ: Some(driver.into()), config: None };
        let line =
            "i=0; while [ $i -lt 500 ]; do echo some text of a line that is logged; i=$((i+1)); done; exec sleep 3600";
        Run::named(name).shell(line).on_host(|host| host.log_config = Some(config))
    };
    let container = chatty("chatty", "json-file").start(&daemon).await;
    crate::support::wait::until("it has said all", super::SOON, async || {
        let n = container.log().await.lines().count();
        if n == 500 { Ok(()) } else { Err(n.to_string()) }
    })
    .await;
    let with_log = CleanLogs { container_log: true, ..clean("/nothing-there") };
    let (answer, touched) = done(&docker, &container, &with_log).await;
    answer.unwrap_or_else(|error| panic!("{error}: {touched:#}"));
    assert_eq!(touched["cleaned"]["container_log"]["done"], "emptied", "{touched:#}");
    assert!(touched["cleaned"]["container_log"]["bytes"].as_u64().is_some_and(|n| n > 10_000), "{touched:#}");
    assert_eq!(container.log().await, "");
    let (answer, touched) = done(&docker, &container, &with_log).await;
    assert!(answer.expect_err("nothing left").nothing_sent(), "{touched:#}");

    let other = chatty("other", "local").start(&daemon).await;
    let error = done(&docker, &other, &with_log).await.0.expect_err("another driver");
    assert!(error.nothing_sent() && error.to_string().contains("json-file"), "{error}");
}
