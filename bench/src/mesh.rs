//! The mesh of a workload: an upstream, and an Envoy with a listener for each chain.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use palisade_testbed::envoy::Builder;
use palisade_testbed::{Answer, Envoy, Request, Upstream, http1};

pub use crate::bootstrap::Modules;
use crate::bootstrap::UPSTREAM;
use crate::group::{Group, REFERENCE, Workload};
use crate::load::{BODY, Client, Requests};

/// The path of all requests.
const PATH: &str = "/api/orders?page=2";

/// The requests that the upstream remembers: more than come at once.
const MEMORY: usize = 64;

/// A running mesh.
#[derive(Debug)]
pub struct Mesh {
    envoy: Envoy,
    // Dropped after Envoy.
    _upstream: Upstream,
}

impl Mesh {
    /// Starts the mesh of a workload; `edit` says more about how Envoy is started.
    pub fn start(modules: &Modules, workload: &Workload, edit: impl FnOnce(Builder) -> Builder) -> Result<Self> {
        Self::of(modules, workload, workload.chain_names(), edit)
    }

    /// Starts it with one chain alone.
    pub(crate) fn alone(modules: &Modules, workload: &Workload, chain: &str) -> Result<Self> {
        Self::of(modules, workload, [chain], |envoy| envoy)
    }

    fn of<'c>(
        modules: &Modules,
        workload: &Workload,
        chains: impl IntoIterator<Item = &'c str>,
        edit: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self> {
        let upstream = Upstream::start()?;
        upstream.keep(MEMORY);
        let path = PATH.split('?').next().unwrap_or_default();
        let (content_type, body) = answer(workload);
        upstream.on(path, Answer::default().header("content-type", content_type).body(body));
        let builder = Envoy::from_value(modules.bootstrap(workload, chains)?).cluster(UPSTREAM, upstream.addr())?;
        let envoy = edit(builder.concurrency(workload.workers)).start()?;
        Ok(Self { envoy, _upstream: upstream })
    }

    /// Envoy.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Where requests to a chain go.
    pub fn addr(&self, chain: &str) -> Result<SocketAddr> {
        self.envoy.addr(chain)
    }

    /// Connections to a chain, which takes no answer of it but the one that it should give.
    pub(crate) fn client(&self, workload: &Workload, chain: &str, connections: usize) -> Result<Client> {
        Client::open(self.addr(chain)?, connections, answer_from(workload, chain))
    }

    /// Holds all chains to what they should answer.
    pub fn check(&self, group: &Group, workload: &Workload) -> Result<()> {
        let requests = requests(group, workload);
        for chain in workload.chain_names() {
            let sent = self.client(workload, chain, 1).and_then(|mut client| client.send(&requests.take(2)));
            sent.with_context(|| format!("the chain {chain:?}"))?;
        }
        self.prove(group, workload)
    }

    /// Proves that the filters are at work: what a chain answers to a request that lacks what they look for.
    fn prove(&self, group: &Group, workload: &Workload) -> Result<()> {
        let Some(expected) = workload.without else { return Ok(()) };
        let request = common_request(group);
        for chain in workload.chain_names().filter(|chain| *chain != REFERENCE) {
            let mut connection = http1::Connection::open(self.addr(chain)?)?;
            connection.set_timeout(Duration::from_secs(60))?;
            let status = connection.exchange(&request).with_context(|| format!("the chain {chain:?}"))?.status;
            ensure!(
                status == expected,
                "the chain {chain:?} answers {status}, not {expected}, to a request without the headers of its workload"
            );
        }
        Ok(())
    }
}

/// The requests of a workload.
pub fn requests(group: &Group, workload: &Workload) -> Requests {
    Requests::new(common_request(group), workload)
}

/// What the upstream answers to them: its type and its body.
pub fn answer(workload: &Workload) -> (&'static str, String) {
    match &workload.answer {
        Some(answer) => ("application/json", answer.body()),
        None => ("text/plain", BODY.to_owned()),
    }
}

/// The body, as it comes from a chain.
pub fn answer_from(workload: &Workload, chain: &str) -> String {
    workload.answer.as_ref().map_or_else(|| BODY.to_owned(), |answer| answer.body_from(chain))
}

fn common_request(group: &Group) -> Request {
    let lines = group.headers.iter().flatten();
    lines.fold(Request::get(PATH), |request, (name, value)| request.header(name, value))
}
