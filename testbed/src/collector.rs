//! An OpenTelemetry collector: OTLP over HTTP/1.1 in protobuf (OTLP specification 1.x, section "OTLP/HTTP").

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::message::Headers;
use crate::server::{FREE_PORT, Server, lock};
use crate::wire::{Decoder, Event, Start};

/// Takes exports on `POST /v1/traces`, and says on `GET /spans` how many spans have come, as a decimal number.
#[derive(Debug)]
pub struct Collector {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// An export that a [`Collector`] received.
#[derive(Clone, Debug)]
pub struct Export {
    /// The header lines.
    pub headers: Headers,
    /// The spans, with their resource and scope.
    pub message: ExportTraceServiceRequest,
    /// The status that it was answered with, whether or not somebody waited that long.
    pub status: u16,
}

#[derive(Debug)]
struct State {
    exports: VecDeque<Export>,
    limit: usize,
    /// The spans of the exports that were taken.
    spans: usize,
    answer: (u16, Duration),
    under_way: usize,
    most_at_once: usize,
}

// === impl Collector ===

impl Collector {
    /// Starts one on a free port.
    pub fn start() -> Result<Self> {
        Self::bind(FREE_PORT)
    }

    /// Starts one on this address.
    pub fn bind(addr: SocketAddr) -> Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = Server::bind(addr, move |stream, _| {
            let state = Arc::clone(&shared);
            async move {
                // A failed export shows at the exporter.
                let _ = serve(stream, &state).await;
            }
        })?;
        Ok(Self { server, state })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Answers the next exports with this status, that much later. It takes those that it answers with 2xx.
    pub fn answer(&self, status: u16, delay: Duration) {
        lock(&self.state).answer = (status, delay);
    }

    /// Remembers only the last `limit` exports; otherwise it remembers all.
    pub fn keep(&self, limit: usize) {
        lock(&self.state).limit = limit;
    }

    /// The number of spans that it has taken so far.
    pub fn spans(&self) -> usize {
        lock(&self.state).spans
    }

    /// The exports so far, those that it did not take as well, in the order in which they came.
    pub fn exports(&self) -> Vec<Export> {
        lock(&self.state).exports.iter().cloned().collect()
    }

    /// How many exports it had to answer at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        lock(&self.state).most_at_once
    }

    /// Waits until it has taken this many spans, and gives them; fails after `timeout`.
    pub fn wait_for(&self, spans: usize, timeout: Duration) -> Result<Vec<Span>> {
        let deadline = Instant::now() + timeout;
        while self.spans() < spans {
            ensure!(Instant::now() < deadline, "{} of {spans} spans came within {timeout:?}", self.spans());
            thread::sleep(Duration::from_millis(5));
        }
        let taken = self.exports().into_iter().filter(|export| export.is_taken());
        Ok(taken.flat_map(|export| export.spans().cloned().collect::<Vec<_>>()).collect())
    }
}

// === impl Export ===

impl Export {
    /// Its spans, whatever resource and scope they have.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        let scopes = self.message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans)
    }

    fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self {
            exports: VecDeque::new(),
            limit: usize::MAX,
            spans: 0,
            answer: (200, Duration::ZERO),
            under_way: 0,
            most_at_once: 0,
        }
    }
}

impl State {
    fn take(&mut self, export: Export) {
        if export.is_taken() {
            self.spans += export.spans().count();
        }
        self.exports.push_back(export);
        while self.exports.len() > self.limit {
            self.exports.pop_front();
        }
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    let mut decoder = Decoder::requests();
    let mut bytes = [0; 16 * 1024];
    let (mut line, mut headers, mut body) = (String::new(), Headers::default(), Vec::new());
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
                    headers = head.headers;
                    body.clear();
                }
                Event::Data(data) => body.extend(data),
                Event::End(_) => {
                    let answer = answer(&line, &headers, &body, state).await;
                    stream.write_all(&answer).await?;
                }
            }
        }
    }
}

async fn answer(line: &str, headers: &Headers, body: &[u8], state: &Mutex<State>) -> Vec<u8> {
    let (status, content_type, text) = match line {
        "POST /v1/traces" => match ExportTraceServiceRequest::decode(body).context("no ExportTraceServiceRequest") {
            // An empty ExportTraceServiceResponse: everything was taken.
            Ok(message) => (take(headers, message, state).await, "application/x-protobuf", String::new()),
            Err(error) => (400, "text/plain", format!("{error:#}\n")),
        },
        "GET /spans" => (200, "text/plain", format!("{}\n", lock(state).spans)),
        _ => (404, "text/plain", String::new()),
    };
    let length = text.len();
    format!("HTTP/1.1 {status} \r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{text}").into_bytes()
}

/// Takes an export, or refuses it, and gives the status of the answer.
async fn take(headers: &Headers, message: ExportTraceServiceRequest, state: &Mutex<State>) -> u16 {
    let (status, delay) = {
        let mut state = lock(state);
        state.under_way += 1;
        state.most_at_once = state.most_at_once.max(state.under_way);
        state.answer
    };
    tokio::time::sleep(delay).await;
    let mut state = lock(state);
    state.under_way -= 1;
    state.take(Export { headers: headers.clone(), message, status });
    status
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;
    use crate::message::Request;
    use crate::{Response, http1};

    /// Two resources: one with a span, one with two scopes of two spans and none.
    fn export() -> Vec<u8> {
        let scope = |spans: &[&str]| ScopeSpans {
            spans: spans.iter().map(|name| Span { name: (*name).to_owned(), ..Span::default() }).collect(),
            ..ScopeSpans::default()
        };
        let resource = |scope_spans| ResourceSpans { scope_spans, ..ResourceSpans::default() };
        let resource_spans = vec![resource(vec![scope(&["a"])]), resource(vec![scope(&["b", "c"]), scope(&[])])];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn send(collector: &Collector, request: &Request) -> Response {
        http1::exchange(collector.addr(), request).unwrap()
    }

    #[test]
    fn spans_are_counted_and_kept_over_resources_and_scopes() {
        let collector = Collector::start().unwrap();
        for _ in 0..2 {
            assert_eq!(send(&collector, &Request::post("/v1/traces", export()).header("x", "y")).status, 200);
        }
        let spans = collector.wait_for(6, Duration::ZERO).unwrap();
        assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "a", "b", "c"]);
        assert_eq!(send(&collector, &Request::get("/spans")).text(), "6\n");
        assert_eq!(collector.exports()[1].headers.text("x").as_deref(), Some("y"));
        collector.keep(1);
        send(&collector, &Request::post("/v1/traces", export()));
        assert_eq!((collector.exports().len(), collector.spans()), (1, 9));
    }

    #[test]
    fn what_is_no_export_is_refused_and_not_counted() {
        let collector = Collector::start().unwrap();
        let cut = &export()[..export().len() - 1];
        assert_eq!(send(&collector, &Request::post("/v1/traces", cut)).status, 400);
        assert_eq!(send(&collector, &Request::post("/v1/logs", export())).status, 404);
        assert_eq!((collector.spans(), collector.exports().len()), (0, 0));
    }

    #[test]
    fn an_export_that_is_refused_is_kept_and_not_counted() {
        let collector = Collector::start().unwrap();
        collector.answer(429, Duration::from_millis(20));
        let began = Instant::now();
        assert_eq!(send(&collector, &Request::post("/v1/traces", export())).status, 429);
        assert!(began.elapsed() >= Duration::from_millis(20));
        assert_eq!((collector.spans(), collector.exports().len(), collector.most_at_once()), (0, 1, 1));
        assert!(collector.wait_for(1, Duration::ZERO).is_err());
    }
}
