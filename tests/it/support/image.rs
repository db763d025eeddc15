//! Images without a registry: a tree of busybox and its links, imported.

use std::path::{Path, PathBuf};
use std::process::Command;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::server;

/// Busybox and nothing else.
pub const PLAIN: &str = "fettle-test:1";
/// The same with `fettle.enable=true` baked in: a permission that fettle must not accept from an image.
pub const LABELLED: &str = "fettle-test-labelled:1";

const APPLETS: [&str; 14] =
    ["sh", "sleep", "true", "false", "cat", "ls", "dd", "df", "rm", "touch", "test", "truncate", "wget", "httpd"];

/// Puts the images into a daemon that lacks them.
pub async fn import_missing(docker: &Docker) {
    for (image, changes) in [(PLAIN, None), (LABELLED, Some("LABEL fettle.enable=true"))] {
        if docker.inspect_image(image).await.is_ok() {
            continue;
        }
        let (repo, tag) = image.split_once(':').expect("images are written with a tag");
        let mut options = CreateImageOptionsBuilder::default().from_src("-").repo(repo).tag(tag);
        if let Some(changes) = changes {
            options = options.changes(vec![changes.into()]);
        }
        let import = docker.create_image(Some(options.build()), Some(bollard::body_full(tree().into())), None);
        import.try_collect::<Vec<_>>().await.unwrap_or_else(|e| panic!("import {image}: {e}"));
    }
}

/// The tree as a tar archive.
fn tree() -> Vec<u8> {
    let busybox = busybox();
    let root = tempfile::tempdir().expect("a temporary folder");
    let bin = root.path().join("bin");
    for folder in ["bin", "tmp", "etc", "proc", "sys", "dev", "srv"] {
        std::fs::create_dir(root.path().join(folder)).expect("create the tree");
    }
    std::fs::copy(busybox, bin.join("busybox")).expect("copy busybox");
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("link an applet");
    }
    let tar = Command::new("tar").args(["--numeric-owner", "-cf", "-", "-C"]).arg(root.path()).arg(".").output();
    let tar = tar.expect("run tar");
    assert!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
    tar.stdout
}

/// Statically linked, or it would not run in an empty tree.
fn busybox() -> PathBuf {
    let found =
        ["/bin/busybox", "/usr/bin/busybox"].map(Path::new).into_iter().find(|p| p.is_file()).map(Path::to_path_buf);
    let busybox = found.or_else(|| server::find_program("busybox", &[]));
    busybox.unwrap_or_else(|| super::missing("busybox", "busybox-static"))
}
