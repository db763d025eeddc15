//! What the model claims about Docker, as one list.
//!
//! Each trait has one scenario that runs on the model and on real daemons of both generations (`tests/it/physics`). The
//! tests match over this enum without a wildcard, so a trait without one does not build.

macro_rules! traits {
    ($($name:ident $what:literal)*) => {
        /// One claim about Docker.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Trait {
            $(#[doc = $what] $name,)*
        }

        impl Trait {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The claim.
            #[must_use]
            pub fn claim(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// Its name in this list.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

traits! {
    CrashLoop "RestartCount rises at the exit, with status restarting and the old StartedAt; StartedAt changes at the start"
    BackOff "The pause before a start by policy is 100 ms and doubles"
    BackOffReset "A run of 10 s or more resets the pause to 100 ms"
    OnFailureGivesUp "on-failure:N restarts N times, then leaves the container exited with RestartCount N"
    OnFailureZero "on-failure does not restart after exit code 0"
    NoPolicy "Without a policy a container that ends stays exited"
    StopEndsPolicy "A container with policy always that was stopped through the API stays stopped"
    KillEndsPolicy "A container with policy unless-stopped that was killed through the API stays stopped"
    StopWhileRestarting "A stop between two starts by policy leaves the crash's exit code, and reports stop without kill"
    StopIgnored "A process that ignores SIGTERM is killed at the end of the grace and ends with 137"
    StopTwice "A stop of a stopped container is answered 304, reports nothing and changes nothing"
    RestartRunning "A restart changes StartedAt, not the id, and reports its events in the generation's order"
    RestartWhileRestarting "A restart of a crash-looping container resets RestartCount, and the loop goes on"
    RestartStopped "A restart of a stopped container starts it"
    TwoRestarts "Two restarts at the same time end in one new run, and both are answered"
    OutOfMemory "A process killed for memory ends with 137 and OOMKilled"
    StartFails "A start that fails leaves StartedAt unchanged and the container exited"
    HealthPasses "Health is starting from the start to the first probe that passes"
    HealthFails "Health is unhealthy after as many failures as retries"
    HealthStartPeriod "Failures within the start period do not count"
    HealthAtExit "The health of a container that has ended is unhealthy"
    RecreateSameName "A container made anew under the same name has a new id; the old id is gone"
    RemoveRunning "A running container is removed only by force, and reports kill, die and destroy"
    RemoveDuringRestart "A restart of a container that is removed meanwhile is answered with an error"
    EventsForgotten "The daemon keeps the last 256 events"
    UpdateLimits "New limits apply to the running container, and the run goes on"
    HangDockerd "While dockerd stands still nothing is answered; a restart that waited is carried out afterwards"
    HangContainerd "While containerd stands still ping, list and inspect are answered, top is not; a restart waits inside with the container's lock held, and is carried out afterwards"
    HangShim "While a shim stands still, its container's top gets no answer and a restart waits; others are not affected"
    DaemonRestart "When dockerd restarts, always and unless-stopped containers come back with RestartCount 0, one that was stopped and has unless-stopped does not; always does"
    LiveRestore "With live-restore containers run on through a restart of dockerd, which forgets its events"
    DaemonAway "A daemon that is not there refuses connections: nothing is sent"
    HostSilent "A host that accepts and does not answer: looks and calls end at their deadlines, and may have been sent"
    ComposeDeploy "A deployment of a Compose project gives each container a new id under its name"
    SwarmTaskKilled "A task whose container was killed is replaced by a new task and container"
    SwarmTaskRestarted "A restart of a task's container ends with a new task besides it"
    SwarmScale "More or fewer tasks are asked for with the version; a stale version is refused"
    SwarmForce "A forced update replaces every task and reports an update under way meanwhile"
}
