//! The scenarios on the embedded host: one with one worker for each file.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conformance_probe::ROOT;
use palisade_host::{Answer, Fault, Fields, Host, LogLine, Message};
use palisade_testbed::client::Version;
use palisade_testbed::{Headers, Request, Upstream};

use crate::observation::{Line, Observation, Vm};
use crate::scenarios::{Case, Scenarios};
use crate::transcript;

/// How long a stream may take, by the host's clock.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(10);

/// The files and cases in which it does otherwise than Envoy: the known gaps of `host/README.md`.
const GAPS: [(&str, &str); 1] = [("properties", "expressions")];

/// Whether the host does as Envoy did, but for the known gaps.
pub(crate) fn hold(file: &Scenarios, module: &[u8]) -> Result<()> {
    let seen = transcript::render(file, &run(file, module, None)?);
    transcript::compare_callbacks(file, &seen, &gaps(file))
}

/// The first case in which the host does otherwise with this fault, beside those in which it does so anyway.
pub(crate) fn first_to_notice(file: &Scenarios, module: &[u8], fault: Fault) -> Result<Option<String>> {
    let observation = match run(file, module, Some(fault)) {
        Ok(observation) => observation,
        // It names the case that did not end.
        Err(error) => return Ok(Some(error.to_string())),
    };
    let differing = transcript::callback_differences(file, &transcript::render(file, &observation))?;
    let gaps = gaps(file);
    Ok(differing.into_keys().find(|case| !gaps.contains(&case.as_str())))
}

fn gaps(file: &Scenarios) -> Vec<&'static str> {
    GAPS.iter().filter(|(of, _)| *of == file.name).map(|(_, case)| *case).collect()
}

/// Runs the cases of a file, one after the other. What client and upstream see is the business of the suites.
fn run(file: &Scenarios, module: &[u8], fault: Option<Fault>) -> Result<Observation> {
    let upstream = Upstream::start()?;
    let address = upstream.addr();
    let script = file.script();
    let host = Host::builder().module(module).name(&file.name).vm_id(&file.name).config(&script).vm_config(&script);
    let host = host
        .allow_on_headers_stop_iteration(file.hold_headers)
        .upstream(move |request| match Version::Http1.exchange(address, &sent(request)) {
            Ok(response) => answer(response.status, &response.headers, response.body, &response.trailers),
            Err(_) => Answer::reset(),
        })
        .cluster("callouts", |callout| {
            let told = Answer::status(201).header("x-asked", "1").header("transfer-encoding", "chunked");
            let told = told.header("x-envoy-upstream-service-time", "0").body("told").trailer("x-told", "2");
            let is_late = callout.headers.get(":path") == Some(b"/late");
            // As over a network, the rest of the request has come by then.
            told.after(if is_late { Duration::from_secs(1) } else { Duration::from_millis(1) })
        })
        .cluster("grpc", |_| Answer::grpc("answered"))
        .cluster("nobody", |_| Answer::refused())
        .cluster("grpc-nobody", |_| Answer::refused());
    let host = match fault {
        Some(fault) => host.fault(fault),
        None => host,
    };
    let host = host.build()?;
    // The roots tick before the first request comes.
    host.advance(Duration::from_millis(50));
    for case in &file.cases {
        upstream.forget();
        upstream.on(&case.request.path, case.answer.clone());
        exchange(&host, case).with_context(|| format!("the case {}", case.name))?;
    }
    if file.root.is_some() {
        host.advance(Duration::from_millis(100));
    }
    Ok(Observation { lines: lines(&host.log()), clients: Vec::new() })
}

fn exchange(host: &Host, case: &Case) -> Result<()> {
    let Request { method, path, authority, headers, chunks, chunked, trailers } = &case.request;
    let request = host.request(&format!("{method} {path}")).authority(authority);
    let mut request = request.info(|info| info.route = "everything".to_owned());
    // The map that HTTP/2 clients keep headers in has all lines of one name together.
    let mut headers: Vec<_> = headers.iter().filter(|(name, _)| *name != b"expect").collect();
    if case.version == Version::Http2 {
        request = request.http2();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        headers.sort_by_key(|(name, _)| names.iter().position(|own| own == name));
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if !chunks.is_empty() && !chunked && trailers.is_empty() {
        request = request.header("content-length", chunks.iter().map(Vec::len).sum::<usize>().to_string());
    }
    request = request.header("x-forwarded-proto", "http");
    for chunk in chunks {
        request = request.chunk(chunk);
    }
    for (name, value) in trailers.iter() {
        request = request.trailer(&String::from_utf8_lossy(name), value);
    }
    let exchange = request.send();
    let mut waited = Duration::ZERO;
    while !exchange.ended() {
        ensure!(waited < PATIENCE, "it did not end within {PATIENCE:?}");
        host.advance(STEP);
        waited += STEP;
        // The client gives up a response that was broken off.
        if exchange.response().reset {
            exchange.abort();
        }
    }
    Ok(())
}

/// What reached the upstream, for the real one.
fn sent(message: &Message) -> Request {
    let text = |name: &str| message.header(name).unwrap_or_default();
    let mut request = Request::new(&text(":method"), &text(":path")).authority(&text(":authority"));
    request.headers = headers(&message.headers);
    request.trailers = message.trailers.as_ref().map(headers).unwrap_or_default();
    request.chunked = message.headers.get("content-length").is_none() && !message.body.is_empty();
    if !message.body.is_empty() {
        request.chunks = vec![message.body.clone()];
    }
    request
}

fn headers(fields: &Fields) -> Headers {
    let own = fields.iter().filter(|(name, _)| !name.starts_with(b":") && *name != b"content-length");
    own.collect()
}

fn answer(status: u16, headers: &Headers, body: Vec<u8>, trailers: &Headers) -> Answer {
    let mut answer = Answer::status(status);
    for (name, value) in headers.iter() {
        answer = answer.header(&String::from_utf8_lossy(name), value);
    }
    if !body.is_empty() {
        answer = answer.body(body);
    }
    for (name, value) in trailers.iter() {
        answer = answer.trailer(&String::from_utf8_lossy(name), value);
    }
    answer
}

fn lines(log: &[LogLine]) -> Vec<Line> {
    let mut starts = 0;
    let mut found: Vec<Line> = Vec::new();
    for LogLine { worker, level, text, .. } in log {
        if *worker == 0 && *text == format!("{ROOT}|start|()") {
            starts += 1;
        }
        let vm = match (worker, starts) {
            (0, 0 | 1) => Vm::Canary,
            (0, _) => Vm::Main,
            _ => Vm::Worker,
        };
        let level = ["trace", "debug", "info", "warning", "error", "critical"].get(*level as usize).unwrap_or(&"");
        // Of a log in lines, the first is known by its prefix.
        let text = text.lines().next().unwrap_or_default();
        let line = Line::read(text, level, vm, found.iter().rev().find(|line| line.vm == vm));
        found.push(line);
    }
    found
}
