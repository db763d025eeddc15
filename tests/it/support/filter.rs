//! What stands in for the stack's socket proxy, whose image no registry gives us here: it lets through what matches the
//! expression for the method, by the path alone, and answers 403 to the rest, as the real one is documented to.
//!
//! One request per connection: fettle's Docker client never uses one twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// What it was asked: method and path.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// The expressions by method; each is anchored, as the real one does.
#[derive(Clone, Debug, Default)]
pub struct Allowed(BTreeMap<String, Regex>);

impl Allowed {
    /// From the flags of the real proxy: `-allowGET=…`. Other flags are not about requests.
    pub fn by_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Self {
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let read = |flag: &str| {
            let (method, expression) = flag.strip_prefix("-allow")?.split_once('=')?;
            let expression = Regex::new(&format!("^{expression}$")).expect("a regular expression");
            methods.contains(&method).then(|| (method.to_owned(), expression))
        };
        Self(flags.into_iter().filter_map(read).collect())
    }

    /// Whether a request goes through. `path` is without its query.
    pub fn allows(&self, method: &str, path: &str) -> bool {
        self.0.get(method).is_some_and(|expression| expression.is_match(path))
    }

    /// The methods of which anything is allowed.
    pub fn methods(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// A proxy in front of a Docker socket, until the test's runtime ends.
#[derive(Debug)]
pub struct Filter {
    address: SocketAddr,
    refused: Asked,
    passed: Asked,
}

impl Filter {
    /// In front of this socket.
    pub async fn start(socket: &Path, allowed: Allowed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (refused, passed) = (Asked::default(), Asked::default());
        let (socket, to_refused, to_passed) = (socket.to_path_buf(), refused.clone(), passed.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (socket, allowed) = (socket.clone(), allowed.clone());
                let (refused, passed) = (to_refused.clone(), to_passed.clone());
                // A connection that breaks is the client's to notice.
                tokio::spawn(async move { drop(relay(client, socket, &allowed, &refused, &passed).await) });
            }
        });
        Self { address, refused, passed }
    }

    /// What goes into fettle's configuration.
    pub fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// What was answered with 403.
    pub fn refused(&self) -> Vec<(String, String)> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was let through.
    pub fn passed(&self) -> Vec<(String, String)> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn relay(
    mut client: TcpStream,
    socket: PathBuf,
    allowed: &Allowed,
    refused: &Asked,
    passed: &Asked,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(2).any(|pair| pair == b"\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default().replace("%3A", ":");
    let to = if allowed.allows(method, &path) { passed } else { refused };
    to.lock().unwrap_or_else(PoisonError::into_inner).push((method.to_owned(), path.clone()));
    if !allowed.allows(method, &path) {
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(answer.as_bytes()).await;
    }
    let mut docker = UnixStream::connect(socket).await?;
    docker.write_all(&head).await?;
    tokio::io::copy_bidirectional(&mut client, &mut docker).await.map(drop)
}
