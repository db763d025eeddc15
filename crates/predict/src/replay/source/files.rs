//! Files of alerts and webhook bodies: one, a folder of them, or standard input.
//!
//! A file holds one record per line ([`super::line`]), or one webhook body over several lines. A body that does not say
//! when it was received may stand alone in a file whose name begins with the instant: `20260131T120000Z.json`,
//! `2026-01-31T12:00:00Z_3.json`. Of a folder, with its subfolders, the files `*.json`, `*.jsonl` and `*.ndjson` are read
//! that are not hidden.
//!
//! Always holds: records of several files come in one order of time, with few of them open at once; records of one instant
//! are one delivery. Within a file they must stand in order already: one that is earlier than the one before is not
//! readable, because a replay cannot go back. Nothing longer than 10 MiB is kept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::line::{self, Entry};
use super::{BATCH_ALERTS, Batch, Delivery, Unreadable};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::webhook::{Alert, Malformed};
use fettle_core::ports::history::Period;
use fettle_core::time::{Timestamp, micros};

/// Longest record. The service takes no larger body either.
const RECORD_MAX: usize = 10 << 20;

/// Names of files that are read from a folder.
const ENDINGS: [&str; 3] = ["json", "jsonl", "ndjson"];

/// Everything to be read, in order.
pub struct Files {
    /// Not opened yet, by the first instant in each.
    closed: VecDeque<Closed>,
    open: Vec<Option<Reading>>,
    /// The next delivery of each open file.
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
    period: Option<Period>,
    firing: HashMap<Fingerprint, Timestamp>,
    unreadable: Vec<Unreadable>,
    done: u64,
    /// Bytes of all files; 0 for standard input, whose end nobody knows.
    pub bytes: u64,
}

struct Closed {
    first: Timestamp,
    path: PathBuf,
}

impl Files {
    /// Finds the files; `-` is standard input. Reads of each as far as its first instant.
    pub fn open(path: &Path, period: Option<Period>) -> io::Result<Self> {
        let mut files = Self {
            closed: VecDeque::new(),
            open: Vec::new(),
            next: BinaryHeap::new(),
            period,
            firing: HashMap::new(),
            unreadable: Vec::new(),
            done: 0,
            bytes: 0,
        };
        if path == Path::new("-") {
            let input = Reading::new("standard input".to_owned(), Box::new(io::stdin()), None);
            files.begin(input);
            return Ok(files);
        }
        let mut paths = Vec::new();
        if path.metadata()?.is_dir() {
            search(path, &mut paths)?;
            if paths.is_empty() {
                return Err(io::Error::other("there is no *.json, *.jsonl or *.ndjson in it"));
            }
        } else {
            paths.push(path.to_owned());
        }
        let mut closed = Vec::new();
        for path in paths {
            files.bytes += path.metadata()?.len();
            closed.push(Closed { first: first_instant(&path), path });
        }
        closed.sort_by(|a, b| (a.first, &a.path).cmp(&(b.first, &b.path)));
        files.closed = closed.into();
        Ok(files)
    }

    /// Sends everything; ends early when nobody listens any more. `done` of the batches is bytes.
    pub fn run(mut self, into: &mpsc::Sender<Batch>) {
        while let Some(batch) = self.batch() {
            if into.blocking_send(batch).is_err() {
                return;
            }
        }
    }

    /// The next deliveries; `None` at the end.
    fn batch(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let mut alerts = 0;
        while alerts < BATCH_ALERTS && self.unreadable.len() < BATCH_ALERTS {
            let Some(delivery) = self.delivery() else { break };
            alerts += delivery.alerts.len().max(1);
            match batch.deliveries.last_mut() {
                Some(last) if last.at == delivery.at => last.alerts.extend(delivery.alerts),
                _ => batch.deliveries.push(delivery),
            }
        }
        batch.unreadable = std::mem::take(&mut self.unreadable);
        batch.done = self.done;
        (!batch.deliveries.is_empty() || !batch.unreadable.is_empty()).then_some(batch)
    }

    /// The next delivery within the period, of whichever file.
    fn delivery(&mut self) -> Option<Delivery> {
        loop {
            let soonest = self.next.peek().map(|Reverse((at, _))| *at);
            if let Some(closed) = self.closed.front()
                && soonest.is_none_or(|at| closed.first <= at)
            {
                let closed = self.closed.pop_front()?;
                self.open_file(&closed.path);
                continue;
            }
            let Reverse((_, index)) = self.next.pop()?;
            let reading = self.open.get_mut(index)?.as_mut()?;
            let Some(mut delivery) = reading.next.take() else { continue };
            self.advance(index);
            self.date(&mut delivery);
            if self.period.is_none_or(|period| period.has(delivery.at)) {
                return Some(Delivery { at: delivery.at, alerts: delivery.alerts });
            }
        }
    }

    fn open_file(&mut self, path: &Path) {
        let shown = path.display().to_string();
        match File::open(path) {
            Ok(file) => self.begin(Reading::new(shown, Box::new(file), of_name(path))),
            Err(error) => {
                let problem = Malformed { path: "$".to_owned(), problem: error.to_string(), exceeded: None };
                self.unreadable.push(Unreadable { place: shown, problem });
            }
        }
    }

    fn begin(&mut self, reading: Reading) {
        let index = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        if index == self.open.len() {
            self.open.push(None);
        }
        if let Some(slot) = self.open.get_mut(index) {
            *slot = Some(reading);
        }
        self.advance(index);
    }

    /// Reads on to the next delivery of a file, or closes it.
    fn advance(&mut self, index: usize) {
        let Some(Some(reading)) = self.open.get_mut(index) else { return };
        let before = reading.read;
        let found = reading.advance(&mut self.unreadable);
        self.done += reading.read - before;
        match found {
            Some(at) => self.next.push(Reverse((at, index))),
            None => {
                if let Some(slot) = self.open.get_mut(index) {
                    *slot = None;
                }
            }
        }
    }

    /// An alert whose record does not say since when it fires began with the first record of it since its last end.
    fn date(&mut self, delivery: &mut Undated) {
        for (alert, has_start) in delivery.alerts.iter_mut().zip(&delivery.has_start) {
            if !has_start {
                let begun = self.firing.get(&alert.fingerprint).copied();
                alert.starts_at = begun.unwrap_or(delivery.at);
            }
            if alert.firing {
                self.firing.entry(alert.fingerprint).or_insert(alert.starts_at);
            } else {
                self.firing.remove(&alert.fingerprint);
            }
        }
    }
}

/// A delivery whose alerts may still lack their beginning.
struct Undated {
    at: Timestamp,
    alerts: Vec<Alert>,
    has_start: Vec<bool>,
}

/// A file that is being read.
struct Reading {
    shown: String,
    from: BufReader<Box<dyn Read + Send>>,
    /// When it was received, by the file's name.
    named: Option<Timestamp>,
    line: u64,
    read: u64,
    last: Timestamp,
    next: Option<Undated>,
}

impl Reading {
    fn new(shown: String, from: Box<dyn Read + Send>, named: Option<Timestamp>) -> Self {
        let from = BufReader::with_capacity(256 << 10, from);
        Self { shown, from, named, line: 0, read: 0, last: Timestamp::MIN, next: None }
    }

    /// Reads the next record that is one; its instant.
    fn advance(&mut self, unreadable: &mut Vec<Unreadable>) -> Option<Timestamp> {
        let mut text = Vec::new();
        loop {
            let found = match self.record(&mut text) {
                Ok(false) => return None,
                Ok(true) if text.trim_ascii().is_empty() => continue,
                Ok(true) => self.understand(&mut text),
                Err(error) => {
                    self.tell(
                        Malformed { path: "$".to_owned(), problem: error.to_string(), exceeded: None },
                        unreadable,
                    );
                    return None;
                }
            };
            match found {
                Ok(delivery) => {
                    let at = delivery.at;
                    self.last = at;
                    self.next = Some(delivery);
                    return Some(at);
                }
                Err(problem) => self.tell(problem, unreadable),
            }
        }
    }

    fn tell(&self, problem: Malformed, into: &mut Vec<Unreadable>) {
        into.push(Unreadable { place: format!("{}:{}", self.shown, self.line.max(1)), problem });
    }

    /// One line; false at the end.
    fn record(&mut self, text: &mut Vec<u8>) -> io::Result<bool> {
        text.clear();
        let limit = RECORD_MAX as u64 + 1;
        let mut read = self.from.by_ref().take(limit).read_until(b'\n', text)? as u64;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if text.len() > RECORD_MAX {
            text.clear();
            text.extend_from_slice(b"longer than 10 MiB");
            // The rest of the line is passed over without being kept.
            loop {
                let buffer = self.from.fill_buf()?;
                let end = buffer.iter().position(|byte| *byte == b'\n');
                let used = end.map_or(buffer.len(), |at| at + 1);
                let over = end.is_some() || buffer.is_empty();
                self.from.consume(used);
                read += used as u64;
                if over {
                    break;
                }
            }
        }
        self.read += read;
        Ok(true)
    }

    fn understand(&mut self, text: &mut Vec<u8>) -> Result<Undated, Malformed> {
        let entry = match line::read(text.trim_ascii()) {
            // A body over several lines: what does not end on the first line does on the last.
            Err(_) if self.line == 1 && ends_early(text) => {
                let left = (RECORD_MAX - text.len()) as u64;
                let rest = self.from.by_ref().take(left + 1).read_to_end(text);
                let rest = rest.map_err(|error| Malformed {
                    path: "$".to_owned(),
                    problem: error.to_string(),
                    exceeded: None,
                })?;
                self.read += rest as u64;
                if rest as u64 > left {
                    return Err(Malformed {
                        path: "$".to_owned(),
                        problem: "longer than 10 MiB".to_owned(),
                        exceeded: None,
                    });
                }
                line::read(text.trim_ascii())?
            }
            read => read?,
        };
        let delivery = match entry {
            Entry::Alert { at, alert, has_start } => Undated { at, alerts: vec![alert], has_start: vec![has_start] },
            Entry::Body { at, webhook } => {
                let problem = "it does not say when it was received: add \"receivedAt\", or let the file's name begin \
                               with the instant, as in 20260131T120000Z.json";
                let missing = || Malformed { path: "$".to_owned(), problem: problem.to_owned(), exceeded: None };
                let at = at.or(self.named).ok_or_else(missing)?;
                Undated { at, has_start: vec![true; webhook.alerts.len()], alerts: webhook.alerts }
            }
        };
        if delivery.at < self.last {
            let problem = format!("earlier than the record before it, {}; sort the file by time", self.last);
            return Err(Malformed { path: "$.at".to_owned(), problem, exceeded: None });
        }
        Ok(delivery)
    }
}

/// Whether a text is the beginning of a JSON value.
fn ends_early(text: &[u8]) -> bool {
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(text);
    read.is_err_and(|error| error.is_eof())
}

/// The instant of the first record that is one; the beginning of time when there is none, so that it is told at once.
fn first_instant(path: &Path) -> Timestamp {
    let Ok(file) = File::open(path) else { return Timestamp::MIN };
    let mut reading = Reading::new(String::new(), Box::new(file), of_name(path));
    reading.advance(&mut Vec::new()).unwrap_or(Timestamp::MIN)
}

/// The instant that a file's name begins with.
fn of_name(path: &Path) -> Option<Timestamp> {
    let stem = path.file_stem()?.to_str()?;
    let written = stem.split('_').next()?;
    written.parse::<Timestamp>().ok().map(micros)
}

/// The files of a folder, in byte order of path.
fn search(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder is not followed: it could lead in a circle.
        if kind.is_dir() {
            search(&path, found)?;
        } else if path.extension().is_some_and(|end| ENDINGS.iter().any(|it| end == *it)) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
