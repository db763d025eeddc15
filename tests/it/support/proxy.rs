//! A relay for one TCP or unix socket, with faults: what stands between fettle and its database or its Docker.
//!
//! Faults hit open connections at once, and new ones as they come. They are a state, not an event: a fault stays until
//! [`Proxy::restore`], after which *new* connections work; those that were stalled flow on, those that were cut stay cut.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// What the relay does to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it relays.
    None,
    /// Connections are closed; new ones are accepted and closed.
    Cut,
    /// Connections stay open and nothing moves, in either direction; new ones are accepted and hang.
    Stalled,
    /// What the client sends arrives; no answer comes back. The call had its effect, and the client cannot know.
    /// A connection that lost an answer stays mute after [`Proxy::restore`]: what is lost does not come late.
    AnswersLost,
}

/// Relays as long as it lives; dropping it closes everything.
#[derive(Debug)]
pub struct Proxy<A> {
    address: A,
    fault: watch::Sender<Fault>,
    task: AbortHandle,
    /// Where the unix socket lives.
    _folder: Option<tempfile::TempDir>,
}

impl Proxy<SocketAddr> {
    /// On a free loopback port, towards `upstream`.
    pub async fn tcp(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the proxy");
        let address = listener.local_addr().expect("a bound socket has an address");
        Self::run(address, None, Ends::Tcp(listener, upstream))
    }

    /// Where the relay listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Proxy<PathBuf> {
    /// On a socket in a temporary folder, towards `upstream`. Needs a runtime, as the other one does.
    pub fn unix(upstream: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("proxy.sock");
        let listener = UnixListener::bind(&path).expect("bind the proxy");
        Self::run(path, Some(folder), Ends::Unix(listener, upstream.to_path_buf()))
    }

    /// The relay's socket.
    pub fn path(&self) -> &Path {
        &self.address
    }

    /// What goes into fettle's configuration under `docker:`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.address.display())
    }
}

impl<A> Proxy<A> {
    fn run(address: A, folder: Option<tempfile::TempDir>, ends: Ends) -> Self {
        let (fault, seen) = watch::channel(Fault::None);
        let task = tokio::spawn(serve(Arc::new(ends), seen)).abort_handle();
        Self { address, fault, task, _folder: folder }
    }

    /// Puts a fault in place of the one before.
    pub fn fail(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Relays again.
    pub fn restore(&self) {
        self.fail(Fault::None);
    }
}

impl<A> Drop for Proxy<A> {
    fn drop(&mut self) {
        // The connections' tasks belong to this one and go with it.
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Where connections come from, and where they are to go.
enum Ends {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Ends {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener, _) => Box::new(without_delay(listener.accept().await?.0)?),
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
        })
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(_, upstream) => Box::new(without_delay(TcpStream::connect(upstream).await?)?),
            Self::Unix(_, upstream) => Box::new(UnixStream::connect(upstream).await?),
        })
    }
}

/// Or a relayed query would wait for an acknowledgement that a direct one does not wait for.
fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn serve(ends: Arc<Ends>, fault: watch::Receiver<Fault>) {
    let mut open = JoinSet::new();
    loop {
        // Both arms are cancel-safe: accepting and joining take nothing before they are ready.
        tokio::select! {
            client = ends.accept() => {
                let client = client.expect("accept on the proxy's socket");
                open.spawn(connection(client, ends.clone(), fault.clone()));
            }
            Some(_) = open.join_next() => {}
        }
    }
}

async fn connection(client: Box<dyn Stream>, ends: Arc<Ends>, fault: watch::Receiver<Fault>) {
    let mut cut = fault.clone();
    let relay = async {
        fault.clone().wait_for(|f| *f != Fault::Stalled).await.map_err(io::Error::other)?;
        let server = ends.connect().await?;
        let (from_client, to_client) = tokio::io::split(client);
        let (from_server, to_server) = tokio::io::split(server);
        tokio::try_join!(
            pump(from_client, to_server, fault.clone(), false),
            pump(from_server, to_client, fault.clone(), true)
        )
    };
    // Whatever ends first ends the other: errors are what a broken connection looks like, and both sides see it close.
    tokio::select! {
        biased;
        _ = cut.wait_for(|f| *f == Fault::Cut) => {}
        _ = relay => {}
    }
}

/// One direction. The fault is judged after the read, so that bytes which arrive under it meet it.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut fault: watch::Receiver<Fault>,
    answers: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if answers && *fault.borrow() == Fault::AnswersLost {
            return std::future::pending().await;
        }
        fault.wait_for(|f| *f != Fault::Stalled).await.map_err(io::Error::other)?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
