//! Running a program inside a container: an argument list, never a shell.
//!
//! The daemon does not stop a program whose caller has gone: one that hangs runs on. Docker says only afterwards that a
//! program is not there, by exit code 126 or 127 and a sentence where its output would be.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::full_id;
use super::host::{Host, LOOK, Op};
use super::seen::senseless;
use fettle_core::ports::platform::PlatformError;

/// Most bytes that are read of each stream.
const OUTPUT_MAX: usize = 4 << 20;

/// What a program gave.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// `None` when it was not waited for.
    pub(super) code: Option<i64>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    /// There was more than was read.
    pub(super) cut: bool,
}

/// Runs `argv` in the container with this full id, until `deadline`.
pub(super) async fn run(
    host: &Host,
    id: &str,
    user: Option<&str>,
    argv: Vec<String>,
    deadline: Instant,
) -> Result<Output, PlatformError> {
    let id = full_id(id)?;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        // What programs say is read: it must not depend on a language.
        env: Some(vec!["LC_ALL=C".to_owned()]),
        cmd: Some(argv),
        user: user.map(ToOwned::to_owned),
        ..ExecConfig::default()
    };
    let create = |client: bollard::Docker| async move { client.create_exec(id, config).await };
    let exec = host.act(Op::Exec, left().min(LOOK), create).await?.id;
    if !is_exec_id(&exec) {
        return Err(senseless(host, "an id of a program that is none"));
    }
    let which = exec.as_str();
    let start = |client: bollard::Docker| async move {
        let mut output = Output::default();
        let StartExecResults::Attached { output: mut stream, .. } = client.start_exec(which, None).await? else {
            return Ok(output);
        };
        while let Some(piece) = stream.next().await {
            let (to, bytes) = match piece? {
                LogOutput::StdErr { message } => (&mut output.err, message),
                LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut output.out, message),
                LogOutput::StdIn { .. } => continue,
            };
            if to.len() + bytes.len() > OUTPUT_MAX {
                output.cut = true;
                break;
            }
            to.extend_from_slice(&bytes);
        }
        Ok(output)
    };
    let mut output = host.act(Op::ExecStart, left(), start).await?;
    let inspect = |client: bollard::Docker| async move { client.inspect_exec(which).await };
    let seen = host.act(Op::ExecInspect, left().min(LOOK), inspect).await?;
    output.code = seen.exit_code.filter(|_| seen.running != Some(true));
    Ok(output)
}

/// 64 hexadecimal digits, as for containers.
fn is_exec_id(id: &str) -> bool {
    super::is_full_id(id)
}
