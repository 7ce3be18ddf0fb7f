//! Cost: what requests through a chain cost in the embedded host.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use palisade_bench::group::{Chain, Group, Workload};
use palisade_bench::mesh::{self, Modules};
use palisade_host::{Answer, Counters, Host};
use serde::Deserialize;

/// Requests that are not counted: caches fill, metrics are defined.
const WARM_UP: usize = 10;
/// What happens every so many requests only counts as well.
const REQUESTS: usize = 100;
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(1);
const WORKER: usize = 1;

/// What a hundred requests cost.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    /// Instructions of the module, where they are the same in each run.
    pub(crate) fuel: Option<u64>,
    /// Host calls that returned data.
    pub(crate) returned_data: u64,
    pub(crate) host_calls: BTreeMap<String, u64>,
}

impl Cost {
    pub(crate) fn of(modules: &Modules, group: &Group, workload: &Workload, chain: &Chain) -> Result<Self> {
        let (content_type, body) = mesh::answer(workload);
        let expected = mesh::answer_from(workload, &chain.name);
        let requests = mesh::requests(group, workload).repeatable();
        let upstream = Answer::status(200).header("content-type", content_type).body(body);
        let mut builder = Host::builder().upstream(move |_| upstream.clone());
        for module in chain.modules() {
            let (path, built) = modules.get(&module.module)?;
            let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            builder = builder.module(bytes).name(&module.module).config(module.configuration.to_string());
            builder = builder.capabilities(built.capabilities()).allow_on_headers_stop_iteration(true);
        }
        let host = builder.build().map_err(|error| anyhow!("{error}"))?;
        let send = |count| {
            for request in requests.take(count) {
                let head = host.request(&format!("{} {}", request.method, request.path)).authority(&request.authority);
                let lines = request.headers.iter();
                let exchange = lines.fold(head, |head, (name, value)| head.header(name, value)).send();
                let (status, body) = (exchange.response().status(), exchange.response().text());
                ensure!(status == 200 && body == expected, "it answers {status}, and {body:?}");
                host.advance(PAUSE);
            }
            Ok(host.counters(WORKER))
        };
        let before = send(WARM_UP)?;
        let mut cost = Self::between(&before, &send(REQUESTS)?);
        if workload.token.as_ref().is_some_and(|token| token.fresh) {
            // Signatures are random, and what it takes to verify one depends on it.
            cost.fuel = None;
        }
        Ok(cost)
    }

    fn between(before: &[Counters], after: &[Counters]) -> Self {
        let mut cost = Self { fuel: Some(0), ..Self::default() };
        for (before, after) in before.iter().zip(after) {
            cost.fuel = cost.fuel.map(|fuel| fuel + after.fuel - before.fuel);
            cost.returned_data += after.handed - before.handed;
            for (name, count) in &after.host_calls {
                let count = count - before.calls(name);
                if count > 0 {
                    *cost.host_calls.entry((*name).to_owned()).or_default() += count;
                }
            }
        }
        cost
    }
}
