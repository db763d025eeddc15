//! A server that one test starts for itself and that ends with the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::server::find_program;

/// A child process, killed when dropped; its output is in `<name>.log` in its folder.
pub struct Process(Child);

impl Process {
    /// Starts `program` of `package` with its log in `folder`.
    pub fn start(folder: &Path, program: &str, package: &str, arguments: &[String]) -> Self {
        let path = find_program(program, &[]).unwrap_or_else(|| super::missing(program, package));
        let port = arguments.iter().find_map(|it| it.rsplit(':').next()).unwrap_or_default().to_owned();
        let log = std::fs::File::create(folder.join(format!("{program}-{port}.log"))).expect("log file");
        let errors = log.try_clone().expect("log file");
        let child = Command::new(path)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("start the program");
        Self(child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|it| it.success()), "{signal} is sent");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
