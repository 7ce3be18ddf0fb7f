//! An OpenTelemetry collector that counts the spans that it is sent and keeps none: OTLP over HTTP/1.1 in protobuf
//! (OTLP specification 1.x, section "OTLP/HTTP").

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{FREE_PORT, Server};
use crate::wire::{Decoder, Event, Start};

/// Takes exports on `POST /v1/traces`, and says on `GET /spans` how many spans have come, as a decimal number.
#[derive(Debug)]
pub struct Collector {
    server: Server,
    spans: Arc<AtomicUsize>,
}

// === impl Collector ===

impl Collector {
    /// Starts one on a free port.
    pub fn start() -> Result<Self> {
        Self::bind(FREE_PORT)
    }

    /// Starts one on this address.
    pub fn bind(addr: SocketAddr) -> Result<Self> {
        let spans = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&spans);
        let server = Server::bind(addr, move |stream, _| {
            let spans = Arc::clone(&shared);
            async move {
                // A failed export shows at the exporter.
                let _ = serve(stream, &spans).await;
            }
        })?;
        Ok(Self { server, spans })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The number of spans so far.
    pub fn spans(&self) -> usize {
        self.spans.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, spans: &AtomicUsize) -> Result<()> {
    let mut decoder = Decoder::requests();
    let mut bytes = [0; 16 * 1024];
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        decoder.feed(&bytes[..length]);
        while let Some(event) = decoder.next()? {
            match event {
                Event::Head(head) => {
                    if let Start::Request { method, target } = head.start {
                        line = format!("{method} {target}");
                    }
                    body.clear();
                }
                Event::Data(data) => body.extend(data),
                Event::End(_) => stream.write_all(&answer(&line, &body, spans)).await?,
            }
        }
    }
}

fn answer(line: &str, body: &[u8], spans: &AtomicUsize) -> Vec<u8> {
    let (status, content_type, text) = match line {
        "POST /v1/traces" => match spans_in_export(body) {
            Ok(count) => {
                spans.fetch_add(count, Ordering::Relaxed);
                // An empty ExportTraceServiceResponse: everything was taken.
                ("200 OK", "application/x-protobuf", String::new())
            }
            Err(error) => ("400 Bad Request", "text/plain", format!("{error:#}\n")),
        },
        "GET /spans" => ("200 OK", "text/plain", format!("{}\n", spans.load(Ordering::Relaxed))),
        _ => ("404 Not Found", "text/plain", String::new()),
    };
    let length = text.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{text}").into_bytes()
}

/// The spans of an `ExportTraceServiceRequest`: `resource_spans` (1), in each `scope_spans` (2), in each `spans` (2).
fn spans_in_export(export: &[u8]) -> Result<usize> {
    let mut spans = 0;
    for resource in messages(export, 1).context("no ExportTraceServiceRequest")? {
        for scope in messages(resource, 2).context("broken ResourceSpans")? {
            spans += messages(scope, 2).context("broken ScopeSpans")?.len();
        }
    }
    Ok(spans)
}

/// The values of a length-delimited field of a protobuf message.
fn messages(mut message: &[u8], field: u64) -> Result<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => take(&mut message, 8)?,
            2 => {
                let length = varint(&mut message)?;
                take(&mut message, usize::try_from(length)?)?
            }
            5 => take(&mut message, 4)?,
            kind => anyhow::bail!("a field of the unknown wire type {kind}"),
        };
        if tag == field << 3 | 2 {
            found.push(value);
        }
    }
    Ok(found)
}

fn varint(message: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for place in 0..10 {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    anyhow::bail!("a varint of more than ten bytes")
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    ensure!(length <= message.len(), "a field of {length} bytes where {} are left", message.len());
    let (taken, rest) = message.split_at(length);
    *message = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Request;
    use crate::{Response, http1};

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
    }

    /// Two resources: one with a span, one with two scopes of two spans and none.
    fn export() -> Vec<u8> {
        let span = field(2, &[field(1, b"trace"), vec![0x20, 0x96, 0x01]].concat());
        let one = field(2, &[field(1, b"scope"), span.clone()].concat());
        let two = field(2, &[span.clone(), span].concat());
        let none = field(2, b"");
        [field(1, &one), field(1, &[field(1, b"resource"), two, none].concat())].concat()
    }

    #[test]
    fn spans_are_counted_over_resources_and_scopes() {
        let collector = Collector::start().unwrap();
        let send = |request: Request| -> Response { http1::exchange(collector.addr(), &request).unwrap() };
        assert_eq!(send(Request::post("/v1/traces", export())).status, 200);
        assert_eq!(send(Request::post("/v1/traces", export())).status, 200);
        assert_eq!(collector.spans(), 6);
        assert_eq!(send(Request::get("/spans")).text(), "6\n");
    }

    #[test]
    fn what_is_no_export_is_refused_and_not_counted() {
        let collector = Collector::start().unwrap();
        let cut = &export()[..export().len() - 1];
        assert_eq!(http1::exchange(collector.addr(), &Request::post("/v1/traces", cut)).unwrap().status, 400);
        assert_eq!(http1::exchange(collector.addr(), &Request::post("/v1/logs", export())).unwrap().status, 404);
        assert_eq!(collector.spans(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_export_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = spans_in_export(&bytes);
        }
    }
}
