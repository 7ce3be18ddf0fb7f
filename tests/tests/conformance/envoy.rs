//! The scenarios on real Envoy: one Envoy with one worker, one listener and one plugin for each file.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use conformance_probe::ROOT;
use palisade::build::{Source, Workspace, build};
use palisade_testbed::envoy::bootstrap::{self, HTTP_OPTIONS, add, wasm};
use palisade_testbed::{Answer, Envoy, Received, Response, Upstream, checkout, grpc};
use serde_json::{Value, json};

use crate::observation::{Client, Line, Observation, Observed, Vm};
use crate::scenarios::{Case, Scenarios};

/// Envoy with the probe, between its servers.
pub(crate) struct Mesh {
    envoy: Envoy,
    upstream: Upstream,
    _callouts: Upstream,
}

const PATIENCE: Duration = Duration::from_secs(10);
/// What the root contexts still do when their callbacks have been seen.
const SETTLED: Duration = Duration::from_millis(200);

/// The probe's module, which is built for it.
pub(crate) fn probe() -> Result<PathBuf> {
    let root = checkout::root()?;
    let out = root.join("target/guests/conformance");
    let modules = build(&Workspace::find()?, &Source::Guest(root.join("tests/conformance/probe")), &out)?;
    Ok(out.join(&modules.first().context("the build gave no module")?.file))
}

impl Mesh {
    pub(crate) fn start(files: &[Scenarios]) -> Result<Self> {
        let module = probe()?;
        let (upstream, callouts) = (Upstream::start()?, Upstream::start()?);
        callouts.on("/probe.Probe/Method", grpc::ok("answered"));
        let asked = Answer::with_status(201).header("X-Asked", "1").body("told").trailer("X-Told", "2");
        callouts.on("/asked", asked.clone());
        callouts.on("/late", asked.delay(Duration::from_secs(1)));
        let clusters = [
            ("upstream", json!({"http_protocol_options": {"enable_trailers": true}})),
            ("callouts", json!({"http_protocol_options": {"enable_trailers": true}})),
            ("nobody", json!({"http_protocol_options": {}})),
            ("grpc", json!({"http2_protocol_options": {}})),
            ("grpc-nobody", json!({"http2_protocol_options": {}})),
        ];
        let listeners = files.iter().map(|file| listener(file, &module.display().to_string()));
        let bootstrap = bootstrap::bootstrap(listeners, clusters.map(|(name, protocol)| cluster(name, &protocol)));
        let envoy = Envoy::from_value(bootstrap)
            .cluster("upstream", upstream.addr())?
            .cluster("callouts", callouts.addr())?
            .cluster("grpc", callouts.addr())?
            .concurrency(1)
            .start()?;
        Ok(Self { envoy, upstream, _callouts: callouts })
    }

    /// Runs the cases of a file, one after the other.
    pub(crate) fn run(&self, file: &Scenarios) -> Result<Observation> {
        let mut clients = Vec::new();
        for case in &file.cases {
            let exchange = self.exchange(file, case);
            clients.push(exchange.with_context(|| format!("the case {}", case.name))?);
        }
        if let Some(root) = &file.root {
            self.wait_for_root(file, root)?;
        }
        Ok(Observation { lines: lines(&self.envoy.log(), &file.name), clients })
    }

    fn exchange(&self, file: &Scenarios, case: &Case) -> Result<Client> {
        self.upstream.forget();
        self.upstream.on(&case.request.path, case.answer.clone());
        let response = case.version.exchange(self.envoy.addr(&file.name)?, &case.request);
        self.wait(|lines| lines.iter().any(|line| line.is(&case.name, "delete")), &file.name)?;
        // One that was broken off may come now or later.
        let is_whole =
            |request: &Received| request.ended.is_some() && request.headers.get("x-case") == Some(case.name.as_bytes());
        let upstream = self.upstream.received().into_iter().filter(is_whole).collect();
        Ok(Client { case: case.name.clone(), response: response.map_err(|error| told(&error)), upstream })
    }

    /// Waits until each callback of the root that was asked for has come.
    fn wait_for_root(&self, file: &Scenarios, root: &Case) -> Result<()> {
        for context in root.calls.iter().map(|(context, _)| context).collect::<BTreeSet<_>>() {
            self.wait(|lines| lines.iter().any(|line| line.is(ROOT, context)), &file.name)
                .with_context(|| format!("the root's {context}"))?;
        }
        thread::sleep(SETTLED);
        Ok(())
    }

    fn wait(&self, holds: impl Fn(&[Line]) -> bool, plugin: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&lines(&self.envoy.log(), plugin)) {
            ensure!(Instant::now() < deadline, "it did not come within {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Why a client has no response, without what differs from run to run.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<palisade_testbed::http2::Broken>() {
        Some(broken) => format!("{:?}, after {:?}", broken.reason, broken.partial.as_ref().map(shown_status)),
        None => anyhow!("{}", error.root_cause()).to_string(),
    }
}

fn shown_status(response: &Response) -> u16 {
    response.status
}

/// The lines of a plugin in Envoy's log, each with the VM that wrote it.
fn lines(log: &str, plugin: &str) -> Vec<Line> {
    // The second names the VM, which streams have in front of their lines.
    let prefixes = [format!("wasm log {plugin}: "), format!("wasm log {plugin} {plugin}: ")];
    let mut main_thread = None;
    let mut starts = 0;
    let mut found: Vec<Line> = Vec::new();
    for line in log.lines() {
        let Some((head, text)) = prefixes.iter().find_map(|prefix| line.split_once(prefix)) else { continue };
        // [2026-01-01 00:00:00.000][4711][info][wasm] [context.cc:1] wasm log ...
        let mut fields = head.split(['[', ']']).filter(|field| !field.is_empty());
        let (thread, level) = (fields.nth(1).unwrap_or_default().to_owned(), fields.next().unwrap_or_default());
        let is_main = *main_thread.get_or_insert_with(|| thread.clone()) == thread;
        if is_main && text == "root|start|()" {
            starts += 1;
        }
        let vm = match (is_main, starts) {
            (false, _) => Vm::Worker,
            (true, 0 | 1) => Vm::Canary,
            (true, _) => Vm::Main,
        };
        let line = Line::read(text, level, vm, found.iter().rev().find(|line| line.vm == vm));
        found.push(line);
    }
    found
}

fn listener(file: &Scenarios, module: &str) -> Value {
    let script = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": file.script()});
    let plugin = json!({
        "name": file.name,
        "failure_policy": "FAIL_CLOSED",
        "allow_on_headers_stop_iteration": file.hold_headers,
        "vm_config": {
            "vm_id": file.name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module}},
            "configuration": script,
        },
        "configuration": script,
    });
    let mut manager = bootstrap::manager(&file.name, [wasm(&plugin)]);
    add(
        &mut manager,
        &json!({
            "generate_request_id": false,
            // A connection that is closed after an error lives a second longer otherwise.
            "delayed_close_timeout": "0.1s",
            "http_protocol_options": {"enable_trailers": true},
        }),
    );
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["name"] = json!("everything");
    manager["http_filters"][1]["typed_config"]["suppress_envoy_headers"] = json!(true);
    bootstrap::listener(&file.name, &manager)
}

fn cluster(name: &str, protocol: &Value) -> Value {
    let mut cluster = bootstrap::cluster(name, protocol);
    // What one case leaves on a connection must not reach the next.
    cluster["typed_extension_protocol_options"][HTTP_OPTIONS]["common_http_protocol_options"] =
        json!({"max_requests_per_connection": 1});
    cluster
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_of_the_vm_of_its_thread() {
        let log = "\
[2026-01-01 00:00:00.000][7][info][wasm] [a.cc:1] wasm log maps: root|start|()
[2026-01-01 00:00:00.000][7][info][wasm] [a.cc:1] wasm log maps: root|start|()
[2026-01-01 00:00:00.000][9][warning][wasm] [a.cc:1] wasm log maps: free text
[2026-01-01 00:00:00.000][9][info][main] [a.cc:1] something else
[2026-01-01 00:00:00.000][9][info][wasm] [a.cc:1] wasm log other: root|start|()
[2026-01-01 00:00:00.000][7][info][wasm] [a.cc:1] wasm log maps maps: root|tick|proxy_done() -> 0
";
        let seen = lines(log, "maps");
        let vms: Vec<_> = seen.iter().map(|line| line.vm).collect();
        assert_eq!(vms, [Vm::Canary, Vm::Main, Vm::Worker, Vm::Main]);
        assert_eq!(
            seen[2].seen,
            Observed::Log { context: String::new(), level: "warning".into(), text: "free text".into() }
        );
        assert!(seen[3].is(ROOT, "tick"));
    }
}
