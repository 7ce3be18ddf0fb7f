//! The server: everything that the command line asks for, from its start to its end.

use crate::options::Options;
use crate::plugins::Loader;
use crate::say::{self, say};
use crate::{admin, proxy, tls};
use anyhow::{Context, Result, anyhow};
use palisade_host::{Clock, LogLine, Random, Shared};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

/// Connections that may wait to be accepted.
const WAITING: i32 = 4096;

/// A running proxy, which ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// In clear text.
    pub clear: SocketAddr,
    /// With TLS.
    pub tls: Option<SocketAddr>,
    /// The admin interface.
    pub admin: Option<SocketAddr>,
}

impl Server {
    /// Starts canary, main thread and workers, and listens.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a module that does not load, a configuration that is refused, an address that is taken.
    pub fn start(options: Options) -> Result<Self> {
        options.check()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, started) = channel();
        let flag = Arc::clone(&stop);
        // The main thread's VMs stay on it.
        let main = thread::Builder::new().name("main".to_owned());
        let thread = main.spawn(move || run(&options, &flag, &ready))?;
        match started.recv() {
            Ok(addresses) => Ok(Self { addresses, stop, thread: Some(thread) }),
            Err(_) => Err(thread.join().map_or_else(
                |_| anyhow!("it panicked"),
                |outcome| outcome.err().unwrap_or_else(|| anyhow!("it ended")),
            )),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Waits until it ends, which it does not by itself.
    ///
    /// # Errors
    ///
    /// Why it ended.
    pub fn wait(mut self) -> Result<()> {
        self.thread.take().map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("it panicked"))?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it failed with nobody asked for.
            let _ = thread.join();
        }
    }
}

fn run(options: &Options, stop: &Arc<AtomicBool>, ready: &Sender<Addresses>) -> Result<()> {
    let shared = Arc::new(Shared::new(Clock::Real, Random::System, write));
    shared.set_log_level(options.log_level as u32);
    for (name, _) in &options.cluster {
        shared.add_cluster(name);
    }
    let clear = bind(options.listen)?;
    let mut addresses = Addresses { clear: clear.local_addr()?, tls: None, admin: None };
    let mut listeners = vec![(clear, None)];
    if let (Some(address), Some(certificate), Some(key)) =
        (options.tls_listen, &options.tls_certificate, &options.tls_key)
    {
        let listener = bind(address)?;
        addresses.tls = Some(listener.local_addr()?);
        listeners.push((listener, Some(tls::acceptor(certificate, key)?)));
    }
    let admin = options.admin.map(bind).transpose()?;
    let mut loader = Loader::new(options.clone())?;
    let plugins = loader.load()?;
    let started = proxy::start(options, &shared, &listeners, plugins, stop)?;
    say!("listening on http://{}", addresses.clear);
    if let Some(address) = addresses.tls {
        say!("listening on https://{address}");
    }
    if let Some(admin) = admin {
        let address = admin.local_addr()?;
        addresses.admin = Some(address);
        say!("admin on http://{address}");
        admin::start(admin, Arc::clone(&shared), options, Arc::clone(stop))?;
    }
    // Whoever started it may have gone.
    let _ = ready.send(addresses);
    started.run(&mut loader, stop)
}

/// Listens with room for many who come at once: those beyond it would be lost.
fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(WAITING)?;
        std::io::Result::Ok(TcpListener::from(socket))
    };
    listen().with_context(|| format!("listening on {address}"))
}

fn write(line: LogLine) {
    let level = match line.level {
        0 => "trace",
        1 => "debug",
        2 => "info",
        3 => "warning",
        4 => "error",
        _ => "critical",
    };
    say::line(format_args!("[{}][{level}] wasm log {}: {}", line.worker, line.plugin, line.text));
}
