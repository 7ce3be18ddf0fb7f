//! An upstream that keeps every byte, to see what a proxy really wrote on a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{FREE_PORT, Server, lock};
use crate::wire::{Decoder, Event, Start};

/// Speaks HTTP/1.1 and answers each request with 200 and the body `ok`, and what it cannot read with 400 and a close.
#[derive(Debug)]
pub struct RawUpstream {
    server: Server,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    connections: Vec<Vec<u8>>,
    requests: Vec<String>,
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl RawUpstream {
    /// Starts one on a free port.
    pub fn start() -> Result<Self> {
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        let server = Server::bind(FREE_PORT, move |stream, _| {
            let log = Arc::clone(&shared);
            async move {
                // A connection ends when its peer or the testbed goes; its bytes stand in the log.
                let _ = serve(stream, &log).await;
            }
        })?;
        Ok(Self { server, log })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The bytes that came on each connection so far, in the order of their first byte's accepting.
    pub fn connections(&self) -> Vec<Vec<u8>> {
        lock(&self.log).connections.clone()
    }

    /// The request lines that it could read, for example `GET /x`, in the order in which the requests ended.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.log).requests.clone()
    }
}

async fn serve(mut stream: TcpStream, log: &Mutex<Log>) -> Result<()> {
    let place = {
        let mut log = lock(log);
        log.connections.push(Vec::new());
        log.connections.len() - 1
    };
    let mut decoder = Decoder::requests();
    let mut line = String::new();
    let mut bytes = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        lock(log).connections[place].extend_from_slice(&bytes[..length]);
        decoder.feed(&bytes[..length]);
        loop {
            match decoder.next() {
                Ok(Some(Event::Head(head))) => {
                    if let Start::Request { method, target } = head.start {
                        line = format!("{method} {target}");
                    }
                }
                Ok(Some(Event::Data(_))) => {}
                Ok(Some(Event::End(_))) => {
                    lock(log).requests.push(std::mem::take(&mut line));
                    stream.write_all(OK).await?;
                }
                Ok(None) => break,
                Err(_) => {
                    stream.write_all(REFUSED).await?;
                    return Ok(());
                }
            }
        }
    }
}
