//! A server of wasm modules over HTTP, as Envoy's remote code source asks for them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{FREE_PORT, Server, lock};
use crate::wire::{Decoder, Event, Start};

/// Serves the `.wasm` files of a directory by their file name, under any path.
#[derive(Debug)]
pub struct ModuleServer {
    server: Server,
    shelf: Arc<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    directory: PathBuf,
    replaced: Mutex<BTreeMap<String, Vec<u8>>>,
    fetches: Mutex<BTreeMap<String, usize>>,
}

/// The SHA-256 of these bytes in lower-case hex, as a pin holds it.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

// === impl ModuleServer ===

impl ModuleServer {
    /// Starts one on a free port.
    pub fn start(directory: impl AsRef<Path>) -> Result<Self> {
        Self::bind(FREE_PORT, directory)
    }

    /// Starts one on this address.
    pub fn bind(addr: SocketAddr, directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref().to_path_buf();
        let directory = directory
            .canonicalize()
            .with_context(|| format!("no modules at {}: run `cargo palisade build`", directory.display()))?;
        let shelf = Arc::new(Shelf { directory, replaced: Mutex::default(), fetches: Mutex::default() });
        let shared = Arc::clone(&shelf);
        let server = Server::bind(addr, move |stream, _| {
            let shelf = Arc::clone(&shared);
            async move {
                // A failed fetch shows at the client, which is Envoy.
                let _ = serve(stream, &shelf).await;
            }
        })?;
        Ok(Self { server, shelf })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Serves these bytes under `name` (for example `trace_sampler.wasm`) from now on, whatever the directory holds.
    pub fn replace(&self, name: &str, bytes: Vec<u8>) {
        lock(&self.shelf.replaced).insert(name.to_owned(), bytes);
    }

    /// Serves the module with one bit of its last byte changed from now on, and gives the hash of what is served.
    pub fn tamper(&self, name: &str) -> Result<String> {
        let mut bytes = self.shelf.read(name)?;
        let last = bytes.last_mut().with_context(|| format!("{name} is empty"))?;
        *last ^= 1;
        let served = sha256(&bytes);
        self.replace(name, bytes);
        Ok(served)
    }

    /// Serves what the directory holds again.
    pub fn restore(&self, name: &str) {
        lock(&self.shelf.replaced).remove(name);
    }

    /// How often the module was asked for.
    pub fn fetches(&self, name: &str) -> usize {
        lock(&self.shelf.fetches).get(name).copied().unwrap_or_default()
    }
}

// === impl Shelf ===

impl Shelf {
    fn read(&self, name: &str) -> Result<Vec<u8>> {
        if let Some(bytes) = lock(&self.replaced).get(name) {
            return Ok(bytes.clone());
        }
        let path = self.directory.join(name);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }

    fn fetch(&self, target: &str) -> Option<Vec<u8>> {
        let path = target.split('?').next()?;
        let name = path.rsplit('/').next().filter(|name| name.ends_with(".wasm"))?;
        *lock(&self.fetches).entry(name.to_owned()).or_default() += 1;
        self.read(name).ok()
    }
}

async fn serve(mut stream: TcpStream, shelf: &Shelf) -> Result<()> {
    let mut decoder = Decoder::requests();
    let mut bytes = [0; 4096];
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        decoder.feed(&bytes[..length]);
        while let Some(event) = decoder.next()? {
            if let Event::Head(head) = event
                && let Start::Request { target, .. } = head.start
            {
                stream.write_all(&answer(shelf.fetch(&target))).await?;
            }
        }
    }
}

fn answer(module: Option<Vec<u8>>) -> Vec<u8> {
    let (status, body) = match module {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/wasm\r\ncontent-length: {length}\r\n\r\n");
    [head.into_bytes(), body].concat()
}
