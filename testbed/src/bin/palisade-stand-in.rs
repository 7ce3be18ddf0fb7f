//! The stand-in: what surrounds Envoy in `envoy/compose.yaml`, as one binary without dependencies, and a client that
//! works in an image without a shell.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use palisade_testbed::{Collector, Idp, ModuleServer, Request, Upstream, http1, interrupt};

/// A part of a mesh, until SIGINT or SIGTERM.
#[derive(Debug, Parser)]
enum Command {
    /// An upstream that answers with the request as it arrived, or as the request's `x-upstream-*` headers say.
    Upstream {
        /// The address to listen on, for example 0.0.0.0:8080.
        listen: SocketAddr,
    },
    /// A server of modules.
    Modules {
        /// The address to listen on.
        listen: SocketAddr,
        /// The folder with the `.wasm` files.
        directory: PathBuf,
    },
    /// A collector of OTLP over HTTP that counts spans; GET /spans says how many.
    Collector {
        /// The address to listen on.
        listen: SocketAddr,
    },
    /// An identity provider: a key set, token introspection, and requests that say what it answers (see the testbed's `Idp`).
    Idp {
        /// The address to listen on.
        listen: SocketAddr,
        /// The key set, in JSON; an empty one otherwise.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Fails unless a server accepts connections.
    Connect {
        /// The server, for example 127.0.0.1:6379.
        server: SocketAddr,
    },
    /// Prints what a server answers to a GET; fails unless it answers 200.
    Get {
        /// The server, for example 127.0.0.1:9901.
        server: SocketAddr,
        /// The path, for example /ready.
        path: String,
        /// Print nothing.
        #[arg(long)]
        quiet: bool,
    },
}

/// The requests that the upstream remembers, so that it can be left running.
const MEMORY: usize = 10_000;

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("palisade-stand-in: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Upstream { listen } => {
            let upstream = Upstream::bind(listen)?;
            upstream.keep(MEMORY);
            serve(upstream)
        }
        Command::Modules { listen, directory } => serve(ModuleServer::bind(listen, directory)?),
        Command::Collector { listen } => {
            let collector = Collector::bind(listen)?;
            collector.keep(0);
            serve(collector)
        }
        Command::Idp { listen, keys } => {
            let idp = Idp::bind(listen)?;
            if let Some(keys) = keys {
                let text = fs::read(&keys).with_context(|| format!("reading {}", keys.display()))?;
                idp.keys(&serde_json::from_slice(&text).with_context(|| format!("in {}", keys.display()))?);
            }
            serve(idp)
        }
        Command::Connect { server } => Ok(TcpStream::connect(server).map(drop)?),
        Command::Get { server, path, quiet } => get(server, &path, quiet),
    }
}

/// Keeps a server until it is to end. The first process of a container has to end itself: it has no default for SIGTERM.
fn serve<S>(server: S) -> Result<()> {
    let interrupted = interrupt::catch()?;
    while !interrupted.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    Ok(())
}

fn get(server: SocketAddr, path: &str, quiet: bool) -> Result<()> {
    let request = Request::get(path).authority(&server.to_string()).header("connection", "close");
    let response = http1::exchange(server, &request)?;
    ensure!(response.status == 200, "{server} answers {} to {path}: {}", response.status, response.text());
    if !quiet {
        io::stdout().write_all(&response.body)?;
    }
    Ok(())
}
