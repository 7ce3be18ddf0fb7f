//! How an Envoy is to be started.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::admin::Admin;
use super::config::{set_cluster_address, set_plugin_configuration, socket_address};
use super::listeners::Listeners;
use super::{Envoy, Files};
use crate::checkout;
use crate::process::Process;
use crate::server::FREE_PORT;

/// A bootstrap on its way to an Envoy.
#[derive(Clone, Debug)]
pub struct Builder {
    bootstrap: Value,
    concurrency: usize,
    log_levels: Vec<String>,
    dynamic: bool,
    drain: Option<Duration>,
    timeout: Duration,
    runner: Vec<String>,
}

impl Builder {
    pub(super) fn new(bootstrap: Value) -> Self {
        Self {
            bootstrap,
            concurrency: 2,
            log_levels: Vec::new(),
            dynamic: false,
            drain: None,
            timeout: Duration::from_secs(60),
            runner: Vec::new(),
        }
    }

    /// Points all endpoints of a static cluster at this address.
    pub fn cluster(self, name: &str, addr: SocketAddr) -> Result<Self> {
        self.edit(|bootstrap| set_cluster_address(bootstrap, name, addr))
    }

    /// Gives a Wasm filter, by its plugin name, another configuration.
    pub fn plugin_configuration(self, plugin: &str, configuration: &Value) -> Result<Self> {
        self.edit(|bootstrap| set_plugin_configuration(bootstrap, plugin, configuration))
    }

    /// Edits the bootstrap.
    pub fn edit(mut self, edit: impl FnOnce(&mut Value) -> Result<()>) -> Result<Self> {
        edit(&mut self.bootstrap)?;
        Ok(self)
    }

    /// With this many worker threads; 2 otherwise.
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.concurrency = workers;
        self
    }

    /// With a component's log at this level, for example `("wasm", "debug")`; `info` otherwise.
    pub fn log_level(mut self, component: &str, level: &str) -> Self {
        self.log_levels.push(format!("{component}:{level}"));
        self
    }

    /// With the bootstrap's listeners in a watched file, so that [`Envoy::update_listener`] can change them.
    pub fn dynamic_listeners(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// Lets the connections of a replaced listener live this long, in whole seconds; ten minutes otherwise.
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain = Some(time);
        self
    }

    /// Lets the start take this long; 60 seconds otherwise.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Lets a program, such as valgrind, run it in its own process: a program on PATH and what stands before the command
    /// that it runs.
    pub fn run_by<A: Into<String>>(mut self, runner: impl IntoIterator<Item = A>) -> Self {
        self.runner = runner.into_iter().map(Into::into).collect();
        self
    }

    /// Starts it and waits until it is live and its listeners accept connections.
    pub fn start(mut self) -> Result<Envoy> {
        let names = self.claim_free_ports()?;
        let files = Files::new()?;
        let listeners = if self.dynamic {
            Some(Listeners::split_off(&mut self.bootstrap, files.path(), self.concurrency)?)
        } else {
            None
        };
        let bootstrap = files.write("bootstrap.json", &self.bootstrap)?;
        let address_path = files.path().join("admin-address");
        let envoy = checkout::envoy()?.display().to_string();
        let mut command = self.runner.into_iter().chain([envoy]);
        let program = command.next().unwrap_or_default();
        let mut arguments: Vec<_> = command.collect();
        arguments.extend([
            "--config-path".to_owned(),
            bootstrap.display().to_string(),
            "--admin-address-path".to_owned(),
            address_path.display().to_string(),
            "--concurrency".to_owned(),
            self.concurrency.to_string(),
            // Without it Envoys share memory by their base id; none of them is ever restarted hot.
            "--disable-hot-restart".to_owned(),
            // A misspelt field is an error in a changed listener too, not a warning.
            "--reject-unknown-dynamic-fields".to_owned(),
        ]);
        if !self.log_levels.is_empty() {
            arguments.extend(["--component-log-level".to_owned(), self.log_levels.join(",")]);
        }
        if let Some(time) = self.drain {
            arguments.extend(["--drain-time-s".to_owned(), time.as_secs().to_string()]);
        }
        let mut process = Process::start(Path::new(&program), arguments, files.path().join("envoy.log"))?;
        let deadline = Instant::now() + self.timeout;
        let admin = loop {
            let address = std::fs::read_to_string(&address_path).ok();
            let admin = address.as_deref().and_then(Admin::parse);
            if let Some(admin) = admin.filter(|admin| admin.is_live()) {
                break admin;
            }
            let log = || tail(&process.log());
            if let Some(admin) = admin
                && admin.stat("listener_manager.lds.update_rejected").is_ok_and(|rejected| rejected > 0)
            {
                bail!("Envoy refused the listeners:\n{}", log());
            }
            let late = Instant::now() > deadline;
            ensure!(!late, "Envoy was not live within {:?}:\n{}", self.timeout, log());
            if let Some(status) = process.exit_status() {
                bail!("Envoy ended at its start ({status}):\n{}", tail(&process.log()));
            }
            thread::sleep(Duration::from_millis(10));
        };
        let addresses = admin.listeners()?;
        for name in &names {
            let log = || tail(&process.log());
            let addr =
                addresses.get(name).with_context(|| format!("Envoy did not take the listener {name:?}:\n{}", log()))?;
            std::net::TcpStream::connect(addr).with_context(|| format!("the listener {name:?} does not accept"))?;
        }
        Ok(Envoy { process, admin, addresses, listeners, concurrency: self.concurrency, files })
    }

    /// Puts port 0 of 127.0.0.1 for the admin interface and each listener with a socket, and gives the listeners' names.
    fn claim_free_ports(&mut self) -> Result<Vec<String>> {
        ensure!(self.bootstrap.is_object(), "the bootstrap is no mapping");
        self.bootstrap["admin"] = json!({"address": {"socket_address": socket_address(FREE_PORT)}});
        let listeners = self.bootstrap["static_resources"]["listeners"].as_array_mut();
        let mut names = Vec::new();
        for listener in listeners.into_iter().flatten() {
            let Some(socket) = listener.pointer_mut("/address/socket_address") else { continue };
            *socket = socket_address(FREE_PORT);
            let name =
                listener["name"].as_str().context("a listener has no name; tests and operators find it by its name")?;
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

/// The last lines of a log, where the reason of a failure stands.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
