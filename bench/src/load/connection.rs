//! One keep-alive connection of the sender: connects, writes a request, reads its answer. Never blocks.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::Result;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::Answer;
use crate::bodies::Request;

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The socket would block.
    Waiting,
    /// Ready for its first request.
    Connected,
    /// The whole answer is there; after the last one the server closes the connection.
    Answered { status: u16, last: bool },
    /// The connection is of no use any more.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Idle,
    Busy,
}

/// A connection and the request it sends again and again.
#[derive(Debug)]
pub struct Connection {
    stream: Option<TcpStream>,
    state: State,
    request: Request,
    /// Bytes of the request that are written.
    written: usize,
    wants_out: bool,
    watched_out: bool,
    input: Vec<u8>,
    due: Instant,
    wrote: Instant,
}

impl Connection {
    /// Not connected.
    pub fn new(request: Request) -> Self {
        let now = Instant::now();
        Self {
            stream: None,
            state: State::Idle,
            request,
            written: 0,
            wants_out: false,
            watched_out: false,
            input: Vec::with_capacity(1024),
            due: now,
            wrote: now,
        }
    }

    /// Starts to connect; what to watch the socket for, or `None` when the server refuses at once.
    pub fn connect(&mut self, address: SocketAddr) -> Result<Option<(&TcpStream, EventFlags)>> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(_) => return Ok(None),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        self.state = State::Connecting;
        (self.wants_out, self.watched_out) = (true, true);
        Ok(Some((self.stream.insert(stream), EventFlags::IN | EventFlags::OUT)))
    }

    /// Starts to send body `index`.
    pub fn send(&mut self, index: u64, due: Option<Instant>) -> Progress {
        self.written = 0;
        self.request.stamp(index);
        self.input.clear();
        self.state = State::Busy;
        self.wrote = Instant::now();
        self.due = due.unwrap_or(self.wrote);
        self.proceed()
    }

    /// Connects, writes and reads as far as it goes.
    pub fn proceed(&mut self) -> Progress {
        // epoll may still speak of a socket that is closed here: a process being started holds a copy until its exec.
        let Some(stream) = self.stream.as_mut() else { return Progress::Waiting };
        match self.state {
            State::Connecting => {
                if !matches!(stream.take_error(), Ok(None)) || stream.peer_addr().is_err() {
                    return Progress::Broken;
                }
                self.state = State::Idle;
                self.wants_out = false;
                Progress::Connected
            }
            State::Busy if self.written < self.request.bytes().len() => {
                let bytes = self.request.bytes();
                while self.written < bytes.len() {
                    match stream.write(&bytes[self.written..]) {
                        Ok(n) => self.written += n,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(_) => return Progress::Broken,
                    }
                }
                self.wants_out = self.written < bytes.len();
                // The answer cannot be there yet: epoll says when.
                Progress::Waiting
            }
            State::Busy | State::Idle => self.read(),
        }
    }

    fn read(&mut self) -> Progress {
        let mut chunk = [0; 4096];
        let read = self.stream.as_mut().map_or(Ok(0), |stream| stream.read(&mut chunk));
        match read {
            Ok(n) if n > 0 && self.state == State::Busy => {
                self.input.extend_from_slice(&chunk[..n]);
                self.judge()
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Waiting,
            // The end, an error, or words that nobody asked for.
            _ => Progress::Broken,
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
        let last = field(b"connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        Progress::Answered { status: status as u16, last }
    }

    /// The answer to the request that is out, as of now.
    pub fn answer(&self, status: u16) -> Answer {
        let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
        Answer { status, since_due: ms(self.due), since_written: ms(self.wrote) }
    }

    /// Whether an answer is out.
    pub fn is_busy(&self) -> bool {
        self.state == State::Busy
    }

    /// Ready for the next request.
    pub fn rest(&mut self) {
        self.state = State::Idle;
    }

    /// Drops the socket.
    pub fn close(&mut self) {
        self.stream = None;
        self.state = State::Idle;
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
