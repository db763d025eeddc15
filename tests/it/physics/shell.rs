//! A program of the model as a shell line that does the same.

use std::time::Duration;

use fettle_memory::physics::{Life, Program, Term};

/// What each run writes to its log once it answers SIGTERM as it should.
pub(super) const READY: &str = "ready";

/// The health check of every such container.
pub(super) const CHECK: &str = "test -e /ok";

/// The line. The container's own file system counts its runs.
pub(super) fn line(program: &Program) -> String {
    let trap = match program.term {
        Term::Ends { after, code } => format!("trap '{}exit {code}' TERM; ", pause(after)),
        Term::Ignores => "trap '' TERM; ".to_owned(),
    };
    let count = "n=0; if test -e /n; then n=$(cat /n); fi; echo $((n+1)) >/n; rm -f /ok; ";
    let last = program.lives.len().saturating_sub(1);
    let lives = program.lives.iter().enumerate().map(|(number, it)| {
        let pattern = if number == last { "*".to_owned() } else { number.to_string() };
        format!("{pattern}) {};; ", life(it))
    });
    format!("{trap}echo {READY}; {count}case $n in {} esac", lives.collect::<String>())
}

fn life(it: &Life) -> String {
    let mut line = match it.healthy_from {
        Some(Duration::ZERO) => "touch /ok; ".to_owned(),
        Some(after) => format!("(sleep {}; touch /ok) & ", after.as_secs_f64()),
        None => String::new(),
    };
    if let Some(after) = it.unhealthy_from {
        line = format!("{line}(sleep {}; rm -f /ok) & ", after.as_secs_f64());
    }
    match it.ends {
        // More than its limit at once: the kernel kills the process itself.
        Some(end) if end.oom => line + &pause(end.after) + "exec dd if=/dev/zero of=/dev/null bs=64M count=1",
        Some(end) => line + &pause(end.after) + &format!("exit {}", end.code),
        None => line + "while :; do sleep 3600 & wait $!; done",
    }
}

fn pause(length: Duration) -> String {
    if length.is_zero() { String::new() } else { format!("sleep {} & wait $!; ", length.as_secs_f64()) }
}
