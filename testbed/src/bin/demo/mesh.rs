//! The parts of the demo and the ways they fail.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::{Envoy, ModuleServer, Request, Response, Upstream, checkout, http1, sha256};

/// An upstream, a module server, and Envoy with the pinned config.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    modules: ModuleServer,
    built: String,
}

pub(crate) const MODULE: &str = "trace_sampler.wasm";
pub(crate) const MODULE_FILE: &str = "dist/modules/trace_sampler.wasm";
const CONFIG: &str = "trace-sampler.propagate.yaml";
const PLUGIN: &str = "trace_sampler";

impl Mesh {
    pub(crate) fn start(tamper: bool) -> Result<Self> {
        let file = checkout::root()?.join(MODULE_FILE);
        let module =
            fs::read(&file).with_context(|| format!("reading {}: run `cargo palisade build`", file.display()))?;
        let modules = ModuleServer::start(checkout::root()?.join("dist/modules"))?;
        if tamper {
            modules.tamper(MODULE)?;
        }
        let upstream = Upstream::start()?;
        let envoy = Envoy::pinned(CONFIG)?
            .cluster("upstream", upstream.addr())?
            .cluster("palisade_modules", modules.addr())?
            .start_timeout(Duration::from_secs(120))
            .start()?;
        Ok(Self { envoy, upstream, modules, built: sha256(&module) })
    }

    /// The hash that Envoy holds the module to, once it has loaded it and serves with it.
    pub(crate) fn verified_sha256(&self) -> Result<String> {
        let probe = http1::exchange(self.envoy.addr("ingress")?, &Request::get("/healthz"))?;
        if probe.status != 200 {
            return Err(self.why_refused(&probe));
        }
        self.upstream.forget();
        let pinned = self.pinned_sha256()?;
        ensure!(
            pinned == self.built,
            "Envoy runs with the pin {pinned}, but {MODULE_FILE} is {}: run `cargo palisade pin`",
            self.built
        );
        Ok(pinned)
    }

    /// The reason of a response that should have been 200, from what Envoy says and from what the module server serves.
    pub(crate) fn why_refused(&self, response: &Response) -> anyhow::Error {
        match self.diagnose(response) {
            Ok(()) => anyhow!("Envoy answered {}: {}\n{}", response.status, response.text(), self.complaints()),
            Err(reason) => reason,
        }
    }

    pub(crate) fn addresses(&self) -> Result<String> {
        Ok(format!(
            "ingress   http://{}  (try: curl -H 'x-user-tier: vip' ...)\nadmin     http://{}\nupstream  http://{}\nmodules   http://{}/modules/{MODULE}",
            self.envoy.addr("ingress")?,
            self.envoy.admin_addr(),
            self.upstream.addr(),
            self.modules.addr(),
        ))
    }

    fn pinned_sha256(&self) -> Result<String> {
        let mut dump = self.envoy.config_dump()?;
        let plugin = plugin_mut(&mut dump, PLUGIN).with_context(|| format!("Envoy runs no plugin {PLUGIN}"))?;
        let sha256 = plugin["vm_config"]["code"]["remote"]["sha256"].as_str();
        Ok(sha256.with_context(|| format!("Envoy's plugin {PLUGIN} is not pinned by sha256"))?.to_owned())
    }

    fn diagnose(&self, response: &Response) -> Result<()> {
        let expected = self.pinned_sha256()?;
        let served = http1::exchange(self.modules.addr(), &Request::get(&format!("/modules/{MODULE}")))?;
        let served = sha256(&served.body);
        if served != expected {
            bail!(
                "Envoy answered {} because it refused the module, which is not the pinned one:\n  expected  {expected}\n  served    {served}\n\
                 Envoy fetched it {} times. {}",
                response.status,
                // The fetch right above was not Envoy's.
                self.modules.fetches(MODULE).saturating_sub(1),
                self.complaints()
            );
        }
        Ok(())
    }

    /// What Envoy logged about wasm, from warnings upwards.
    fn complaints(&self) -> String {
        let log = self.envoy.log();
        let serious =
            log.lines().filter(|line| ["[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level)));
        let wasm: Vec<_> = serious.filter(|line| line.to_ascii_lowercase().contains("wasm")).collect();
        let last = wasm.len().saturating_sub(10);
        format!("Envoy's log says:\n{}", wasm.get(last..).unwrap_or_default().join("\n"))
    }
}
