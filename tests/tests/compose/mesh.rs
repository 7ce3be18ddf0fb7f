//! The harness of `envoy/compose.yaml` as the tests see it: brought up and down by `scripts/compose`, watched and
//! killed by the engine's own client, which is the same whichever Compose there is.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{process, thread};

use anyhow::{Context, Result, anyhow, bail, ensure};
use palisade_testbed::{Request, Response, checkout, http1};

/// The whole of it, under a project name of its own.
pub(crate) struct Mesh {
    project: String,
    /// How long it took to come up.
    started: OnceLock<Result<Duration, String>>,
    /// Held by the one `scripts/compose` that runs.
    turn: Mutex<()>,
}

pub(crate) const ENVOY: &str = "envoy";
pub(crate) const ENVOY_DECISION: &str = "envoy-decision";
pub(crate) const ENVOY_CHAIN: &str = "envoy-chain";
pub(crate) const UPSTREAM: &str = "upstream";
pub(crate) const MODULES: &str = "palisade-modules";
pub(crate) const COLLECTOR: &str = "otel-collector";

pub(crate) const IDP: &str = "idp";
pub(crate) const RLS: &str = "ratelimit";
pub(crate) const REDIS: &str = "redis";

pub(crate) const ENVOYS: [&str; 3] = [ENVOY, ENVOY_DECISION, ENVOY_CHAIN];
const PARTS: [&str; 6] = [UPSTREAM, MODULES, COLLECTOR, IDP, RLS, REDIS];

/// Which service runs which config of `dist/envoy/`.
pub(crate) const CONFIGS: [(&str, &str); 3] = [
    ("trace-sampler.propagate.yaml", ENVOY),
    ("trace-sampler.envoy-decision.yaml", ENVOY_DECISION),
    ("chain.yaml", ENVOY_CHAIN),
];

const INGRESS: &str = "10000/tcp";
const STATE: &str = "{{.State.Status}}, {{.State.Health.Status}}, restarted at {{.State.StartedAt}}";
/// From the inside.
const ADMIN: &str = "127.0.0.1:9901";

/// Why the harness cannot be run here, if it cannot.
pub(crate) fn missing() -> Result<Option<String>> {
    if let Err(error) = docker(&["version", "--format", "{{.Server.Version}}"]) {
        return Ok(Some(format!("no container engine answers: {error:#}")));
    }
    let compose = Command::new(checkout::root()?.join("scripts/compose")).arg("version").output()?;
    Ok((!compose.status.success()).then(|| String::from_utf8_lossy(&compose.stderr).trim().to_owned()))
}

// === impl Mesh ===

impl Mesh {
    pub(crate) fn new() -> Self {
        Self { project: format!("palisade-test-{}", process::id()), started: OnceLock::new(), turn: Mutex::default() }
    }

    /// Brings it up, the first time.
    pub(crate) fn up(&self) -> Result<&Self> {
        let start = || {
            let began = Instant::now();
            self.compose("up").map_err(|error| format!("{error:#}"))?;
            Ok(began.elapsed())
        };
        self.started.get_or_init(start).as_ref().map_err(|error| anyhow!("{error}"))?;
        Ok(self)
    }

    /// How long it took to come up; `None` where no test needed it, nothing where it did not.
    pub(crate) fn started(&self) -> Option<Duration> {
        self.started.get().map(|started| started.clone().unwrap_or_default())
    }

    /// Takes it down with the images that it built; fails if anything is left.
    pub(crate) fn down(&self) -> Result<()> {
        self.compose("down")?;
        let image_label = format!("label=io.palisade.stand-in={}", self.project);
        docker(&["image", "prune", "--all", "--force", "--filter", &image_label])?;
        let label = format!("label=com.docker.compose.project={}", self.project);
        let kinds: [(&[&str], _); 4] = [
            (&["ps", "--all"], &label),
            (&["network", "ls"], &label),
            (&["volume", "ls"], &label),
            (&["images", "--all"], &image_label),
        ];
        for (list, of_project) in kinds {
            let left = self.lines(&[list, &["--quiet", "--filter", of_project]].concat())?;
            ensure!(left.is_empty(), "`docker {}` shows what `down` left: {left:?}", list.join(" "));
        }
        Ok(())
    }

    /// Where an Envoy listens; another port after each start.
    pub(crate) fn addr(&self, service: &str) -> Result<SocketAddr> {
        let ports = docker(&["port", &self.container(service)?, INGRESS])?;
        let first = ports.lines().next().with_context(|| format!("{service} does not run"))?;
        Ok(first.parse()?)
    }

    /// Sends a request to an Envoy. Where it runs and does not listen, the engine accepts the connection and closes it.
    pub(crate) fn exchange(&self, service: &str, request: &Request) -> Result<Response> {
        http1::exchange(self.addr(service)?, request)
    }

    /// Kills the container of a service.
    pub(crate) fn kill(&self, service: &str) -> Result<()> {
        docker(&["kill", &self.container(service)?]).map(drop)
    }

    /// Starts the container of a service, whether it was killed or runs.
    pub(crate) fn restart(&self, service: &str) -> Result<()> {
        docker(&["restart", &self.container(service)?]).map(drop)
    }

    /// Starts the container of a service, and waits until its health check says that it works.
    pub(crate) fn revive(&self, service: &str) -> Result<()> {
        self.restart(service)?;
        let container = self.container(service)?;
        within(Duration::from_secs(60), || {
            let health = docker(&["inspect", "--format", "{{.State.Health.Status}}", &container])?;
            ensure!(health == "healthy", "{service} is {health}");
            Ok(())
        })
    }

    /// A counter or gauge of an Envoy.
    pub(crate) fn stat(&self, service: &str, name: &str) -> Result<u64> {
        let text = self.get(service, ADMIN, &format!("/stats?filter=^{}$", name.replace('.', "\\.")))?;
        let value = text.strip_prefix(&format!("{name}: "));
        value.with_context(|| format!("{service} has no stat {name}: {text:?}"))?.parse().context("no number")
    }

    /// What an Envoy's admin interface answers, which listens inside its container only.
    pub(crate) fn admin(&self, service: &str, path: &str) -> Result<String> {
        self.get(service, ADMIN, path)
    }

    /// The spans that the collector has received since it started.
    pub(crate) fn spans(&self) -> Result<usize> {
        self.get(COLLECTOR, "127.0.0.1:4318", "/spans")?.parse().context("no number")
    }

    /// The state of each container and the end of its log, and each Envoy's clusters, with what failed in them.
    pub(crate) fn report(&self) -> String {
        let mut report = String::new();
        for service in ENVOYS.iter().chain(&PARTS) {
            let shown = |part: Result<String>| part.unwrap_or_else(|error| format!("{error:#}"));
            let state = self.container(service).and_then(|id| docker(&["inspect", "--format", STATE, &id]));
            report += &format!("== {service}: {}\n", shown(state));
            if ENVOYS.contains(service) {
                report += &shown(self.admin(service, "/clusters"));
                report += &shown(self.admin(service, "/stats?usedonly&filter=^cluster\\..*(fail|update|timeout|5xx)"));
            }
            report += &shown(self.log(service));
        }
        report
    }

    /// The end of what a container has printed.
    fn log(&self, service: &str) -> Result<String> {
        let log = Command::new("docker").args(["logs", "--tail", "20", &self.container(service)?]).output()?;
        Ok([log.stdout, log.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
    }

    fn get(&self, service: &str, server: &str, path: &str) -> Result<String> {
        let client = if service.starts_with(ENVOY) { "/opt/palisade-stand-in" } else { "/palisade-stand-in" };
        docker(&["exec", &self.container(service)?, client, "get", server, path])
    }

    fn container(&self, service: &str) -> Result<String> {
        let project = format!("label=com.docker.compose.project={}", self.project);
        let service_label = format!("label=com.docker.compose.service={service}");
        let found = self.lines(&["ps", "--all", "--quiet", "--filter", &project, "--filter", &service_label])?;
        found.into_iter().next().with_context(|| format!("there is no container of {service}"))
    }

    fn lines(&self, arguments: &[&str]) -> Result<Vec<String>> {
        Ok(docker(arguments)?.lines().map(str::to_owned).collect())
    }

    fn compose(&self, command: &str) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let output = Command::new(checkout::root()?.join("scripts/compose"))
            .arg(command)
            .env("COMPOSE_PROJECT_NAME", &self.project)
            .env("PALISADE_STAND_IN_TAG", &self.project)
            .envs(["PALISADE_PORT", "PALISADE_DECISION_PORT", "PALISADE_CHAIN_PORT"].map(|port| (port, "0")))
            .output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`scripts/compose {command}` failed:\n{log}");
        Ok(())
    }
}

/// Tries again until it succeeds; after `limit`, the last error.
pub(crate) fn within<T>(limit: Duration, attempt: impl Fn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("still after {} s", limit.as_secs())));
            }
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// What the engine's client prints.
fn docker(arguments: &[&str]) -> Result<String> {
    let output = match Command::new("docker").args(arguments).output() {
        Ok(output) => output,
        Err(error) => bail!("docker cannot be run: {error}"),
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`docker {}`: {}", arguments.join(" "), complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
