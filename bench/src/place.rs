//! One temporary folder, and processes that cannot outlive the bench.
//!
//! Two processes share the work: the outer one waits and clears up, the inner one measures. Whatever ends the inner one,
//! its children are killed by the kernel (`setpriv --pdeathsig`), and the outer one removes the folder.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A flood is two thousand connections, on both sides; the usual limit of open files is 1024.
const MANY_FILES: &str = r#"ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#;
/// Names the folder to the inner process.
const FOLDER: &str = "FETTLE_BENCH_DIR";

/// The outer process: runs this program again as `supervised …`, and clears up after it.
pub fn supervised(arguments: &[String]) -> Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("fettle-bench-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
    // PostgreSQL runs as another user and has to get through.
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let mut inner = tokio::process::Command::new("sh");
        inner
            .args(["-c", MANY_FILES])
            .arg(std::env::current_exe()?)
            .arg("supervised")
            .args(&arguments[1..])
            .env(FOLDER, &folder)
            .kill_on_drop(true);
        let mut inner = inner.spawn()?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            status = inner.wait() => anyhow::Ok(status?.code().unwrap_or(2)),
            _ = tokio::signal::ctrl_c() => { inner.kill().await?; Ok(130) }
            _ = terminate.recv() => { inner.kill().await?; Ok(143) }
        }
    });
    remove(&folder);
    Ok(ExitCode::from(u8::try_from(code?).unwrap_or(2)))
}

/// The folder of this run.
pub fn folder() -> Result<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from).context("this is the inner process of `fettle-bench run`")
}

/// Processes that are just being killed may still write into it.
fn remove(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = fs::remove_dir_all(folder) {
        if Instant::now() > deadline {
            eprintln!("fettle-bench: cannot remove {}: {error}", folder.display());
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A server of the bench, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    quit: &'static str,
}

impl Process {
    /// Starts `command` with its output in `log`, to be ended by the signal `quit` first. `user` is uid and gid.
    /// Call it from the main thread only: the kernel ends the process with the thread that started it.
    pub fn start(command: &Command, log: PathBuf, quit: &'static str, user: Option<(u32, u32)>) -> Result<Self> {
        let out = File::options().create(true).append(true).open(&log)?;
        let mut wrapped = Command::new("setpriv");
        if let Some((uid, gid)) = user {
            wrapped.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
        }
        wrapped.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let child = wrapped.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn().context("run setpriv")?;
        Ok(Self { child, log, quit })
    }

    /// Its process id: `setpriv` becomes the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so; fails with the end of the log when the process dies or time is up.
    pub fn until_ready(&mut self, within: Duration, mut ready: impl FnMut() -> bool) -> Result<Duration> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.log_tail());
            }
            if start.elapsed() > within {
                bail!("not ready within {within:?}: {}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(start.elapsed())
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        // Fails only when it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", self.quit, &pid]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }
}
