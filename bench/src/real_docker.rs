//! A Docker daemon of the bench's own, in namespaces that die with it; the same way as the tests' (`tests/it/support`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::http;
use crate::place::Process;

const IMAGE: &str = "fettle-bench:1";
/// Stops at once when asked to: what is measured is not a container that ignores its signal.
const STAY: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// A running daemon with one image.
#[derive(Debug)]
pub struct RealDocker {
    /// Ends the daemon when dropped.
    _process: Process,
    /// The daemon itself.
    pub socket: PathBuf,
}

impl RealDocker {
    /// Starts it in `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        let home = folder.join("docker");
        fs::create_dir_all(home.join("etc"))?;
        fs::create_dir_all("/etc/docker").context("a Docker daemon needs root")?;
        let socket = home.join("docker.sock");
        let inside = |name: &str| home.join(name).display().to_string();
        // unshare ends dockerd when it is killed, and with it every container and mount.
        let mut dockerd = Command::new("unshare");
        dockerd.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
        dockerd.arg(format!("mount --bind {} /etc/docker && exec \"$0\" \"$@\"", inside("etc")));
        dockerd.args(["dockerd", "--data-root", &inside("root"), "--exec-root", &inside("exec")]);
        dockerd.args(["--pidfile", &inside("pid"), "-H", &format!("unix://{}", socket.display())]);
        dockerd.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--log-level=warn"]);
        let mut process = Process::start(&dockerd, folder.join("docker.log"), "KILL", None)?;
        let answers = || http::docker(&socket, "GET", "/_ping", "", b"").is_ok_and(|(status, _)| status == 200);
        process.until_ready(Duration::from_mins(1), answers).context("start dockerd")?;
        let docker = Self { _process: process, socket };
        docker.import(&home)?;
        Ok(docker)
    }

    fn import(&self, home: &Path) -> Result<()> {
        let bin = home.join("image/bin");
        fs::create_dir_all(&bin)?;
        fs::copy("/bin/busybox", bin.join("busybox"))
            .context("busybox is not installed: apt-get install -y busybox-static")?;
        for applet in ["sh", "sleep"] {
            symlink("busybox", bin.join(applet))?;
        }
        let tar = Command::new("tar").args(["-cf", "-", "-C"]).arg(home.join("image")).arg(".").output()?;
        let (repo, tag) = IMAGE.split_once(':').context("an image has a tag")?;
        let path = format!("/images/create?fromSrc=-&repo={repo}&tag={tag}");
        let (status, answer) = http::docker(&self.socket, "POST", &path, "application/x-tar", &tar.stdout)?;
        ensure!(status == 200, "import the image: {answer}");
        Ok(())
    }

    /// Creates and starts a container that allows fettle to act on it.
    pub fn run(&self, name: &str) -> Result<()> {
        let body = json!({"Image": IMAGE, "Cmd": ["sh", "-c", STAY], "Labels": {"fettle.enable": "true"}}).to_string();
        let create = format!("/containers/create?name={name}");
        let (status, answer) = http::docker(&self.socket, "POST", &create, "application/json", body.as_bytes())?;
        ensure!(status == 201, "create {name}: {answer}");
        let start = format!("/containers/{name}/start");
        let (status, answer) = http::docker(&self.socket, "POST", &start, "application/json", b"")?;
        ensure!(status == 204, "start {name}: {answer}");
        Ok(())
    }
}
