//! Images without a registry: a tree of busybox and its links, imported.

use std::path::{Path, PathBuf};
use std::process::Command;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::server;

/// Busybox and nothing else.
pub const PLAIN: &str = "fettle-test:2";
/// GNU's programs, as Debian has them; put into a daemon by [`import_gnu`].
pub const GNU: &str = "fettle-test-gnu:1";
/// The same as [`PLAIN`] with `fettle.enable=true` baked in: a permission that fettle must not accept from an image.
pub const LABELLED: &str = "fettle-test-labelled:2";

const APPLETS: [&str; 22] = [
    "sh", "sleep", "true", "false", "cat", "ls", "dd", "df", "rm", "touch", "test", "truncate", "wget", "httpd",
    "find", "stat", "mkdir", "ln", "tail", "chmod", "mkfifo", "mv",
];

/// The programs of [`GNU`]; dash is the shell.
const PROGRAMS: [&str; 13] =
    ["sh", "sleep", "cat", "ls", "dd", "df", "rm", "touch", "truncate", "find", "stat", "mkdir", "ln"];

/// Puts the images into a daemon that lacks them.
pub async fn import_missing(docker: &Docker) {
    for (image, changes) in [(PLAIN, None), (LABELLED, Some("LABEL fettle.enable=true"))] {
        if docker.inspect_image(image).await.is_err() {
            import(docker, image, changes, tree()).await;
        }
    }
}

/// Puts [`GNU`] into a daemon that lacks it: this machine's own programs with the libraries they need.
pub async fn import_gnu(docker: &Docker) {
    if docker.inspect_image(GNU).await.is_err() {
        import(docker, GNU, None, gnu()).await;
    }
}

/// Puts an image made of this tar archive into a daemon.
pub async fn import(docker: &Docker, image: &str, changes: Option<&str>, tar: Vec<u8>) {
    let (repo, tag) = image.split_once(':').expect("images are written with a tag");
    let mut options = CreateImageOptionsBuilder::default().from_src("-").repo(repo).tag(tag);
    if let Some(changes) = changes {
        options = options.changes(vec![changes.into()]);
    }
    let import = docker.create_image(Some(options.build()), Some(bollard::body_full(tar.into())), None);
    import.try_collect::<Vec<_>>().await.unwrap_or_else(|e| panic!("import {image}: {e}"));
}

fn gnu() -> Vec<u8> {
    let programs = PROGRAMS.map(|program| {
        server::find_program(program, &[]).unwrap_or_else(|| super::missing(program, "coreutils findutils"))
    });
    base(&programs, &[])
}

/// A base image: these programs under `/bin`, and the libraries that they and the `others` need. The others may be put or
/// mounted into it.
pub fn base(programs: &[PathBuf], others: &[PathBuf]) -> Vec<u8> {
    let root = tempfile::tempdir().expect("a temporary folder");
    for folder in ["bin", "tmp", "proc", "sys", "dev", "etc"] {
        std::fs::create_dir(root.path().join(folder)).expect("create the tree");
    }
    for file in programs {
        let name = file.file_name().expect("a program has a name");
        std::fs::copy(file, root.path().join("bin").join(name)).expect("copy a program");
    }
    for file in programs.iter().chain(others) {
        let libraries = Command::new("ldd").arg(file).output().expect("run ldd");
        let text = String::from_utf8_lossy(&libraries.stdout).into_owned();
        for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
            let to = root.path().join(library.trim_start_matches('/'));
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("create the tree");
            std::fs::copy(library, to).expect("copy a library");
        }
    }
    tar(root.path())
}

/// [`GNU`]'s programs as files of this machine.
pub fn programs() -> Vec<PathBuf> {
    PROGRAMS.iter().filter_map(|program| server::find_program(program, &[])).collect()
}

/// Busybox and its links.
pub fn tree() -> Vec<u8> {
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
    tar(root.path())
}

/// A folder as a tar archive.
pub fn tar(root: &Path) -> Vec<u8> {
    let tar = Command::new("tar").args(["--numeric-owner", "-cf", "-", "-C"]).arg(root).arg(".").output();
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
