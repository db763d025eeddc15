//! A server that test processes share and that ends with them.
//!
//! nextest runs every test in a process of its own, so a server cannot live in a `static`. Whoever comes first starts it
//! under a file lock; the others find it by its folder; and a watcher (`reaper.sh`, in a session of its own) ends it when
//! no *owner* lives any more. The owner is nextest itself when it runs the test, else the test process: so the server stays
//! for the whole run, and goes within a second of its end, also when the run is killed.
//!
//! What always holds: the lock is held while a server is started, stopped or judged, so two processes never do it at once.
//! A folder whose server does not answer (a killed machine, a killed watcher) is cleared and started anew.
//! Not done: sharing between checkouts. The names hang on cargo's target folder.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REAPER: &str = include_str!("reaper.sh");

/// Whose life a server's life hangs on.
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    /// The run: nextest if it runs this test, else this process.
    Run,
    /// This process only: nobody else knows the server's name, so its locks go with it.
    Process,
}

/// A server's folder, its locks, and how it is asked to quit.
#[derive(Debug)]
pub struct Server {
    /// Short (it holds sockets, whose paths are limited to 108 bytes) and open to other users (`PostgreSQL` is not root).
    pub dir: PathBuf,
    /// Lock, owners and watcher: beside each other under cargo's target folder, and never removed while they are shared.
    locks: PathBuf,
    owner: Owner,
    /// Shell text that ends the process `$pid` in good order; the watcher kills what is left after five seconds.
    quit: &'static str,
}

impl Server {
    /// Names a server; starts nothing.
    pub fn named(name: &str, owner: Owner, quit: &'static str) -> Self {
        let target = env!("CARGO_TARGET_TMPDIR");
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        let dir = std::env::temp_dir().join(format!("fettle-it-{:08x}-{name}", hasher.finish() & 0xffff_ffff));
        Self { dir, locks: Path::new(target).join(name), owner, quit }
    }

    /// Returns with the server up: the one found if it `answers`, else one made by `start` in an empty folder.
    /// `start` returns when the server answers, and panics with the reason when it cannot be started.
    pub fn open(&self, answers: impl Fn(&Path) -> bool, start: impl FnOnce(&Path)) {
        let lock = self.lock();
        self.register();
        if !(self.pid().is_some() && answers(&self.dir)) {
            self.script("stop").status().expect("sh is there");
            fs::create_dir_all(&self.dir).expect("create the server's folder");
            start(&self.dir);
        }
        // Exits at once if a watcher is there already.
        self.script("watch").status().expect("sh is there");
        drop(lock);
    }

    /// Ends the server now and removes its folder.
    pub fn stop(&self) {
        let lock = self.lock();
        self.script("stop").status().expect("sh is there");
        drop(lock);
    }

    /// The process started by [`launch`], if it lives and is still ours.
    pub fn pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.dir.join("pid")).ok()?.trim().parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&command).contains(self.dir.to_str()?).then_some(pid)
    }

    fn lock(&self) -> File {
        let file = File::create(self.locks.with_extension("lock")).expect("create the lock file");
        file.lock().expect("lock the lock file");
        file
    }

    /// An owner is a pid and its start time, so that a reused pid does not keep a server alive.
    fn register(&self) {
        let nextest = std::env::var_os("NEXTEST").is_some();
        let pid = match self.owner {
            Owner::Run if nextest => std::os::unix::process::parent_id(),
            Owner::Run | Owner::Process => std::process::id(),
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("read the owner's stat");
        let after_name = stat.rsplit_once(") ").expect("stat has the name in brackets").1;
        let started = after_name.split(' ').nth(19).expect("stat has 52 fields");
        let owners = self.locks.with_extension("owners");
        fs::create_dir_all(&owners).expect("create the owners' folder");
        File::create(owners.join(format!("{pid}-{started}"))).expect("register as owner");
    }

    fn script(&self, verb: &str) -> Command {
        let mut sh = Command::new("setsid");
        sh.args([if verb == "watch" { "--fork" } else { "--wait" }, "sh", "-c", REAPER, "fettle-test-reaper", verb])
            .arg(&self.dir)
            .arg(&self.locks)
            .arg(self.quit);
        sh.arg(match self.owner {
            Owner::Run => "shared",
            Owner::Process => "private",
        });
        // Output to a file: an inherited pipe would make nextest wait for the watcher.
        let log = File::options().create(true).append(true).open(self.locks.with_extension("log"));
        let log = log.expect("open the watcher's log");
        sh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        sh
    }
}

/// Starts `program` in a session of its own, as user `uid:gid` if given, its output in `dir/log`, its pid in `dir/pid`.
/// The pid is written by the process itself, so there is no moment in which it runs unknown.
pub fn launch(dir: &Path, program: &Path, arguments: &[String], user: Option<(u32, u32)>) {
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("open the server's log");
    let mut command = Command::new("setsid");
    command.args(["--fork", "sh", "-c", r#"echo $$ >"$0/pid" && exec "$@""#]).arg(dir).arg(program).args(arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("share the log")).stderr(log).current_dir("/");
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(dir.join("log"), Some(uid), Some(gid)).expect("give the log away");
        command.uid(uid).gid(gid);
    }
    // Only the fork is waited for: the server outlives this process.
    command.status().expect("setsid is there");
}

/// The end of `dir/log`, for the message of a server that would not start.
pub fn log_tail(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("log")).unwrap_or_else(|e| format!("no log: {e}"));
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The first of `names` found in `folders` or on `PATH`.
pub fn find_program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.iter().cloned().chain(path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether this process is root, which may start daemons and must not run `PostgreSQL`.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}
