//! A server in the background: one accept loop, one task per connection, all gone when it is dropped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinSet};

/// A listener, and everything that serves its connections.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    accept: AbortHandle,
    gone: Mutex<Receiver<()>>,
}

/// Any free port of loopback.
pub(crate) const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The runtime on which all servers and HTTP/2 clients of this process run.
pub(crate) fn runtime() -> Result<&'static Handle> {
    static RUNTIME: LazyLock<std::io::Result<Runtime>> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).thread_name("testbed").enable_all().build());
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(anyhow!("no runtime for the testbed's servers: {error}")),
    }
}

/// Locks also after a panic of another holder: what the testbed shares is valid after each statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Server ===

impl Server {
    /// Serves each connection to `addr`, numbered from 0, by the future that `serve` makes for it.
    pub(crate) fn bind<S, F>(addr: SocketAddr, serve: S) -> Result<Self>
    where
        S: Fn(TcpStream, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = runtime()?;
        let listener = runtime.block_on(TcpListener::bind(addr)).with_context(|| format!("listening on {addr}"))?;
        let addr = listener.local_addr()?;
        let (alive, gone) = channel();
        let accept = runtime.spawn(accept(alive, listener, serve)).abort_handle();
        Ok(Self { addr, accept, gone: Mutex::new(gone) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accept.abort();
        // Each task holds a sender; when the last one is dropped, every socket is closed.
        let _ = lock(&self.gone).recv_timeout(Duration::from_secs(5));
    }
}

/// Parameters are dropped from the last to the first, so `alive` outlives the listener.
async fn accept<S, F>(alive: Sender<()>, listener: TcpListener, serve: S)
where
    S: Fn(TcpStream, usize) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        let connection = serve(stream, number);
        let alive = alive.clone();
        connections.spawn(async move {
            connection.await;
            drop(alive);
        });
        number += 1;
    }
}
