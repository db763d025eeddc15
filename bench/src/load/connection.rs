//! One keep-alive connection of the sender: writes a request, reads its answer. Never blocks once it is connected.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::Answer;
use crate::bodies::Request;

/// On loopback a connection is there at once, or the server's backlog is full.
const CONNECT: Duration = Duration::from_millis(200);

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The socket would block.
    Waiting,
    /// The whole answer is there.
    Answered(u16),
    /// The same, and the server closes the connection.
    AnsweredLast(u16),
    /// The connection is of no use any more.
    Broken,
}

/// Idle, or waiting for one answer.
#[derive(Debug)]
pub struct Connection {
    stream: Option<TcpStream>,
    request: Request,
    /// Bytes of the request that are written.
    written: usize,
    wants_out: bool,
    watched_out: bool,
    input: Vec<u8>,
    waiting: bool,
    due: Instant,
    wrote: Instant,
}

impl Connection {
    /// Not connected.
    pub fn new(request: Request) -> Self {
        let now = Instant::now();
        let input = Vec::with_capacity(1024);
        Self {
            stream: None,
            request,
            written: 0,
            wants_out: false,
            watched_out: false,
            input,
            waiting: false,
            due: now,
            wrote: now,
        }
    }

    /// Connects; `None` when the server refuses.
    pub fn connect(&mut self, address: SocketAddr) -> Option<&TcpStream> {
        let stream = TcpStream::connect_timeout(&address, CONNECT).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_nonblocking(true).ok()?;
        self.watched_out = false;
        self.stream = Some(stream);
        self.stream.as_ref()
    }

    /// Starts to send body `index`.
    pub fn send(&mut self, index: u64, due: Option<Instant>) -> Progress {
        self.written = 0;
        self.request.stamp(index);
        self.input.clear();
        self.waiting = true;
        self.wrote = Instant::now();
        self.due = due.unwrap_or(self.wrote);
        self.proceed()
    }

    /// Writes and reads as far as it goes.
    pub fn proceed(&mut self) -> Progress {
        // epoll may still speak of a socket that is closed here: a process being started holds a copy until its exec.
        let Some(stream) = self.stream.as_mut() else { return Progress::Waiting };
        let bytes = self.request.bytes();
        if self.waiting && self.written < bytes.len() {
            while self.written < bytes.len() {
                match stream.write(&bytes[self.written..]) {
                    Ok(n) => self.written += n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return Progress::Broken,
                }
            }
            self.wants_out = self.written < bytes.len();
            // The answer cannot be there yet: epoll says when.
            return Progress::Waiting;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => Progress::Broken,
            Ok(n) => {
                self.input.extend_from_slice(&chunk[..n]);
                if self.waiting { self.judge() } else { Progress::Broken }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Waiting,
            Err(_) => Progress::Broken,
        }
    }

    /// The status, once head and body are complete.
    fn judge(&self) -> Progress {
        let Some(head) = self.input.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Progress::Waiting;
        };
        let field = |wanted: &[u8]| {
            self.input[..head].split(|&byte| byte == b'\n').find_map(|line| {
                let colon = line.iter().position(|&byte| byte == b':')?;
                line[..colon].eq_ignore_ascii_case(wanted).then(|| line[colon + 1..].trim_ascii())
            })
        };
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<usize>().ok();
        let length = field(b"content-length").and_then(number).unwrap_or(0);
        let Some(status) = self.input.get(9..12).and_then(number) else { return Progress::Broken };
        if self.input.len() < head + 4 + length {
            return Progress::Waiting;
        }
        let status = status as u16;
        let last = field(b"connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        if last { Progress::AnsweredLast(status) } else { Progress::Answered(status) }
    }

    /// The answer to the request that is out, as of now.
    pub fn answer(&self, status: u16) -> Answer {
        let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
        Answer { status, since_due: ms(self.due), since_written: ms(self.wrote) }
    }

    /// Whether an answer is out.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Ready for the next request.
    pub fn rest(&mut self) {
        self.waiting = false;
    }

    /// Drops the socket.
    pub fn close(&mut self) {
        self.stream = None;
        self.waiting = false;
        self.wants_out = false;
    }

    /// The socket and what to watch it for, when epoll has to be told of another interest.
    pub fn interest_changed(&mut self) -> Option<(&TcpStream, EventFlags)> {
        if self.wants_out == self.watched_out {
            return None;
        }
        self.watched_out = self.wants_out;
        let flags = if self.wants_out { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Some((self.stream.as_ref()?, flags))
    }
}
