//! A Docker Engine API that answers at once and notes when each request arrived, so that what is measured is fettle.
//!
//! Every name is a running container that allows fettle to act; its id is its name in hexadecimal, written backwards and
//! filled up to 64 digits, so that ids need no memory. A restart gives it a new `StartedAt`. It knows the calls that fettle
//! makes and answers 404 to others.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Result;
use serde_json::json;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// Nanoseconds of the machine's clock when its first line was there.
    pub at: u128,
    /// Method and path, percent-decoded, ids replaced by names.
    pub line: String,
}

#[derive(Debug, Default)]
struct State {
    /// Daemons are told apart by it.
    number: usize,
    calls: Mutex<Vec<Call>>,
    restarted: Mutex<HashMap<String, jiff::Timestamp>>,
}

/// Serves until the bench ends.
#[derive(Debug)]
pub struct FakeDocker {
    /// For fettle's configuration.
    pub socket: PathBuf,
    state: Arc<State>,
}

impl FakeDocker {
    /// Serves as daemon `number` on a socket in `folder`.
    pub fn start(folder: &Path, number: usize) -> Result<Self> {
        let socket = folder.join(format!("docker-{number}.sock"));
        let listener = UnixListener::bind(&socket)?;
        let state = Arc::new(State { number, ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A connection that breaks is the client's business.
                std::thread::spawn(move || drop(serve(&stream, &state)));
            }
        });
        Ok(Self { socket, state })
    }

    /// Takes the calls noted so far.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(stream: &UnixStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        reader.read_exact(&mut vec![0; length])?;

        let mut words = first.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..])).unwrap_or(path);
        let (path, query) = (decoded(path), decoded(query));
        let path = named(&path);
        state.note(Call { at, line: format!("{method} {path}?{query}") });

        let (code, body) = state.answer(method, &path, &query);
        let length = body.len();
        let about = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        let about = if code == 204 { "" } else { &about };
        let body = if method == "HEAD" { "" } else { &body };
        let answer = format!("HTTP/1.1 {code} X\r\nApi-Version: 1.41\r\n{about}\r\n{body}");
        writer.write_all(answer.as_bytes())?;
    }
}

impl State {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn answer(&self, method: &str, path: &str, query: &str) -> (u16, String) {
        let container = path.strip_prefix("/containers/");
        let unknown = (404, json!({"message": "page not found"}).to_string());
        match (method, path) {
            (_, "/_ping") => (200, "OK".into()),
            ("GET", "/version") => {
                let version = json!({"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12",
                                     "Os": "linux", "Arch": "amd64"});
                (200, version.to_string())
            }
            ("GET", "/info") => {
                let info = json!({"ID": format!("BENC:HFAK:{:04}", self.number), "ServerVersion": "20.10.24"});
                (200, info.to_string())
            }
            // No person has stopped anything.
            ("GET", "/events") => (200, String::new()),
            ("GET", "/containers/json") => (200, list(query).to_string()),
            ("GET", path) if path.starts_with("/images/") => {
                (200, json!({"Id": format!("sha256:{:064}", 0), "Config": {"Labels": {}}}).to_string())
            }
            ("GET", _) => match container.and_then(|rest| rest.strip_suffix("/json")) {
                Some(name) => (200, self.inspect(name).to_string()),
                None => unknown,
            },
            ("POST", _) => match container.and_then(|rest| rest.strip_suffix("/restart")) {
                Some(name) => {
                    let mut restarted = self.restarted.lock().unwrap_or_else(PoisonError::into_inner);
                    restarted.insert(name.to_owned(), jiff::Timestamp::now());
                    (204, String::new())
                }
                None => unknown,
            },
            _ => unknown,
        }
    }

    fn inspect(&self, name: &str) -> serde_json::Value {
        let restarted = self.restarted.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let started = restarted.map_or_else(|| "2025-11-01T00:00:00Z".to_owned(), |at| at.to_string());
        json!({
            "Id": id(name), "Name": format!("/{name}"), "Created": "2025-11-01T00:00:00Z", "RestartCount": 0,
            "State": {"Status": "running", "Running": true, "Paused": false, "Restarting": false, "OOMKilled": false,
                      "Dead": false, "Pid": 1, "ExitCode": 0, "Error": "", "StartedAt": started,
                      "FinishedAt": "0001-01-01T00:00:00Z"},
            "Image": format!("sha256:{:064}", 0),
            "Config": {"Image": "bench:1", "Labels": labels()},
            "HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
        })
    }
}

fn labels() -> serde_json::Value {
    json!({"fettle.enable": "true"})
}

/// The containers that the filter names exactly; filters by label find nothing.
fn list(query: &str) -> serde_json::Value {
    let filters = query.split('&').find_map(|pair| pair.strip_prefix("filters=")).unwrap_or("{}");
    let filters: HashMap<String, Vec<String>> = serde_json::from_str(filters).unwrap_or_default();
    let names = filters.get("name").into_iter().flatten();
    let names = names.map(|name| name.trim_start_matches(['^', '/']).trim_end_matches('$'));
    let containers = names.map(|name| {
        json!({"Id": id(name), "Names": [format!("/{name}")], "Image": "bench:1", "ImageID": format!("sha256:{:064}", 0),
               "Labels": labels(), "State": "running", "Status": "Up 1 hour", "Created": 1_761_955_200})
    });
    containers.collect()
}

fn id(name: &str) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let hex: String = name.bytes().rev().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    format!("{hex:0<64}")
}

/// Puts the name in place of an id in a path; names are not hexadecimal, and not that long.
fn named(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        if part.len() != 64 || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return part.to_owned();
        }
        let bytes = (0..32).filter_map(|i| u8::from_str_radix(&part[2 * i..2 * i + 2], 16).ok());
        let mut name: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
        name.reverse();
        String::from_utf8_lossy(&name).into_owned()
    });
    parts.collect::<Vec<_>>().join("/")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let (b'%', Some(byte)) = (first, hex) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_hexadecimal_digits_and_reads_back_as_its_name() {
        let id = id("checkout-api-000000042");
        assert_eq!(id.len(), 64);
        assert_eq!(named(&format!("/containers/{id}/json")), "/containers/checkout-api-000000042/json");
    }

    #[test]
    fn a_name_filter_finds_that_container_and_a_label_filter_finds_none() {
        let found = list(&decoded("all=true&filters=%7B%22name%22%3A%5B%22%5E%2Fweb%24%22%5D%7D"));
        assert_eq!(found[0]["Names"][0], "/web");
        assert_eq!(list(r#"filters={"label":["a=b"]}"#), json!([]));
    }
}
