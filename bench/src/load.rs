//! The sender: one thread, keep-alive connections, epoll. Closed loop (as fast as answers come) or open loop (a fixed rate,
//! whatever the server does; an answer's time then counts from when its request was *due*, so a stalled server cannot hide).

mod connection;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use rustix::event::{Timespec, epoll};

use crate::bodies::{Request, Series};
use connection::{Connection, Progress};

/// How long answers that are still out are waited for at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// Between two attempts to reach a server that refuses.
const RETRY: Duration = Duration::from_millis(5);

/// What to send, where and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Always `POST /webhook`.
    pub address: SocketAddr,
    /// The bodies.
    pub series: Series,
    /// Connections, all kept.
    pub connections: usize,
    /// When to stop sending.
    pub duration: Duration,
    /// Requests a second; `None` is the closed loop.
    pub rate: Option<f64>,
    /// Stop after this many requests.
    pub limit: u64,
}

/// One answer; status 0 when the connection broke or nothing came.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// From when the request was due, in milliseconds. In the closed loop that is when it was written.
    pub since_due: f64,
    /// From when it was written, in milliseconds.
    pub since_written: f64,
}

/// A request as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Which body.
    pub index: u64,
    /// Nanoseconds of the machine's clock, taken just before the write.
    pub at: u128,
}

/// All that happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In order of arrival.
    pub answers: Vec<Answer>,
    /// In order of writing.
    pub sent: Vec<Sent>,
    /// From the first request to the end of sending.
    pub seconds: f64,
}

impl Outcome {
    /// Answers with this status.
    pub fn count(&self, status: u16) -> usize {
        self.answers.iter().filter(|answer| answer.status == status).count()
    }

    /// Answers 202 a second.
    pub fn accepted_rate(&self) -> f64 {
        self.count(202) as f64 / self.seconds
    }

    /// Milliseconds of the 202s, since due and since written.
    pub fn accepted_times(&self) -> (Vec<f64>, Vec<f64>) {
        self.answers.iter().filter(|a| a.status == 202).map(|a| (a.since_due, a.since_written)).unzip()
    }

    /// Which statuses came how often, for people.
    pub fn statuses(&self) -> String {
        let mut counts = std::collections::BTreeMap::new();
        for answer in &self.answers {
            *counts.entry(answer.status).or_insert(0_u64) += 1;
        }
        counts.iter().map(|(status, n)| format!("{n} × {status}")).collect::<Vec<_>>().join(", ")
    }
}

/// Sends until time, limit or `stop`; then waits for the last answers.
pub fn run(plan: &Plan, stop: Option<&AtomicBool>) -> Result<Outcome> {
    Sender::new(plan)?.run(stop)
}

struct Sender<'a> {
    plan: &'a Plan,
    epoll: std::os::fd::OwnedFd,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    /// Refused, to be tried again.
    dead: Vec<usize>,
    /// Answers that are out.
    out: usize,
    start: Instant,
    next: u64,
    outcome: Outcome,
}

impl<'a> Sender<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let request = Request::new(plan.address, "/webhook", plan.series);
        let connections: Vec<Connection> = (0..plan.connections).map(|_| Connection::new(request.clone())).collect();
        let dead = (0..connections.len()).collect();
        let start = Instant::now();
        let outcome = Outcome::default();
        Ok(Self { plan, epoll, connections, idle: vec![], dead, out: 0, start, next: 0, outcome })
    }

    fn run(mut self, stop: Option<&AtomicBool>) -> Result<Outcome> {
        self.revive()?;
        self.start = Instant::now();
        let end = self.start + self.plan.duration;
        let mut revived = self.start;
        let mut over_since = None;
        let mut events = Vec::with_capacity(256);
        loop {
            let now = Instant::now();
            let over = now >= end || self.next >= self.plan.limit || stop.is_some_and(|s| s.load(Ordering::Relaxed));
            if over {
                let since = *over_since.get_or_insert(now);
                self.outcome.seconds = since.duration_since(self.start).as_secs_f64();
                if self.out == 0 || now.duration_since(since) > LAST_ANSWERS {
                    break;
                }
            } else {
                if !self.dead.is_empty() && now.duration_since(revived) > RETRY {
                    self.revive()?;
                    revived = now;
                }
                self.send_due()?;
            }
            let timeout = Timespec::try_from(self.until_next(over))?;
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout))?;
            for event in events.drain(..) {
                let index = event.data.u64() as usize;
                let progress = self.connections[index].proceed();
                self.settle(index, progress)?;
            }
        }
        // What never came is an answer too: none.
        for connection in self.connections.iter().filter(|connection| connection.is_busy()) {
            self.outcome.answers.push(connection.answer(0));
        }
        Ok(self.outcome)
    }

    /// How long epoll may wait: until the next request is due, if there is a connection for it.
    fn until_next(&self, over: bool) -> Duration {
        let most = if self.dead.is_empty() { Duration::from_millis(50) } else { RETRY };
        match self.due() {
            Some(due) if !over && !self.idle.is_empty() => due.saturating_duration_since(Instant::now()).min(most),
            _ => most,
        }
    }

    /// When the next request is due; `None` in the closed loop.
    fn due(&self) -> Option<Instant> {
        self.plan.rate.map(|rate| self.start + Duration::from_secs_f64(self.next as f64 / rate))
    }

    /// Sends on idle connections what is due.
    fn send_due(&mut self) -> Result<()> {
        while self.next < self.plan.limit {
            let due = self.due();
            if due.is_some_and(|due| due > Instant::now()) {
                break;
            }
            let Some(index) = self.idle.pop() else { break };
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
            self.outcome.sent.push(Sent { index: self.next, at });
            self.out += 1;
            let progress = self.connections[index].send(self.next, due);
            self.next += 1;
            self.settle(index, progress)?;
        }
        Ok(())
    }

    fn settle(&mut self, index: usize, progress: Progress) -> Result<()> {
        let connection = &mut self.connections[index];
        match progress {
            Progress::Waiting => {
                if let Some((stream, flags)) = connection.interest_changed() {
                    epoll::modify(&self.epoll, stream, epoll::EventData::new_u64(index as u64), flags)?;
                }
            }
            Progress::Connected => {
                if let Some((stream, flags)) = connection.interest_changed() {
                    epoll::modify(&self.epoll, stream, epoll::EventData::new_u64(index as u64), flags)?;
                }
                self.idle.push(index);
            }
            Progress::Answered { status, last } => {
                self.outcome.answers.push(connection.answer(status));
                self.out -= 1;
                connection.rest();
                if last {
                    connection.close();
                    self.dead.push(index);
                } else {
                    self.idle.push(index);
                }
            }
            Progress::Broken => {
                if connection.is_busy() {
                    self.outcome.answers.push(connection.answer(0));
                    self.out -= 1;
                } else {
                    self.idle.retain(|&idle| idle != index);
                }
                // Closing it takes it out of epoll.
                connection.close();
                self.dead.push(index);
            }
        }
        Ok(())
    }

    /// Starts to connect what is not connected, until the server refuses.
    fn revive(&mut self) -> Result<()> {
        while let Some(index) = self.dead.pop() {
            let Some((stream, flags)) = self.connections[index].connect(self.plan.address)? else {
                self.dead.push(index);
                break;
            };
            epoll::add(&self.epoll, stream, epoll::EventData::new_u64(index as u64), flags)?;
        }
        Ok(())
    }
}
