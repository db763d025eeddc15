//! Just enough HTTP for one question at a time: `/metrics` and `/-/ready` over TCP, Docker's API over a unix socket.
//! The load itself is made by `load`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Long enough for a container that needs its whole grace to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Status and body of a GET.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    ask(&mut stream, &address.to_string(), "GET", path, "", b"")
}

/// Status and body of a call to Docker.
pub fn docker(socket: &Path, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    ask(&mut stream, "docker", method, path, content_type, body)
}

/// HTTP/1.0: the answer ends with the connection, and is never chunked.
fn ask(
    stream: &mut (impl Read + Write),
    host: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Result<(u16, String)> {
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("an answer has a status")?;
    Ok((status, body.to_owned()))
}
