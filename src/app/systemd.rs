//! What systemd is told, where it asks (`NOTIFY_SOCKET`): ready, stopping, and that it lives (`WATCHDOG_USEC`).
//!
//! Always holds: no sign of life is sent while a task of the engine or a worker of the server is late, so a stuck one has
//! the process killed and started anew. A database or a Docker that is away makes nobody late: to wait for them is right.
//!
//! The protocol is a datagram of lines (`sd_notify(3)`); it is spoken here instead of by a library, so that a test can
//! listen without touching the process's environment. What cannot be sent is not tried again: the next sign comes soon.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use fettle_engine::pulse::Pulses;

/// Signs of life in one watchdog interval: two may be lost or late.
const SIGNS: u32 = 3;

/// The way to the service manager; without one every word is lost, as it should be.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment of this process says.
    #[must_use]
    pub fn from_environment() -> Self {
        let usec = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        // The variable may have been inherited from somebody else who is watched.
        let meant = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let watchdog = usec.filter(|&usec| usec > 0 && meant).map(Duration::from_micros);
        Self::new(std::env::var_os("NOTIFY_SOCKET"), watchdog)
    }

    /// To this socket, a path or, behind an `@`, an abstract name; watched at this interval.
    #[must_use]
    pub fn new(socket: Option<OsString>, watchdog: Option<Duration>) -> Self {
        let address = socket.and_then(|name| match name.as_bytes() {
            [] => None,
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest).ok(),
            _ => SocketAddr::from_pathname(name).ok(),
        });
        let socket = address.and_then(|address| {
            let socket = UnixDatagram::unbound().ok()?;
            // A full socket must not stop us: what reads it is alive, or it is not our fault.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        Self { socket, watchdog }
    }

    /// Takes in and decides from now on.
    pub fn ready(&self) {
        self.say("READY=1\nSTATUS=ready");
    }

    /// Not ready, and why, in a word for `systemctl status`.
    pub fn waiting(&self, why: &str) {
        self.say(&format!("STATUS={why}"));
    }

    /// On the way out.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=stopping");
    }

    fn say(&self, words: &str) {
        if let Some((socket, address)) = &self.socket {
            // Nobody listening is no reason to stop.
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }

    /// Sends signs of life until `stop`, where they are asked for, as long as nobody is late.
    pub async fn watch<const N: usize>(self: Arc<Self>, pulses: [Arc<Pulses>; N], stop: CancellationToken) {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else { return };
        let mut every = tokio::time::interval(watchdog / SIGNS);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut said = Vec::new();
        loop {
            // Cancel safe: both keep nothing.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let late: Vec<&str> = pulses.iter().flat_map(|it| it.late()).collect();
            if late.is_empty() {
                self.say("WATCHDOG=1");
            } else if late != said {
                tracing::error!(
                    tasks = late.join(", "),
                    "not heard of in time; systemd is told of no life until they are"
                );
            }
            said = late;
        }
    }
}
