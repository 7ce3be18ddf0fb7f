//! What the command line says.

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use palisade_host::{FailurePolicy, Limits};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Runs Proxy-Wasm filters as Envoy does, in a reverse proxy for development.
#[derive(Clone, Debug, Parser)]
#[command(name = "palisade serve", version)]
pub struct Options {
    /// A module; with several, the filters form a chain, the first next to the client.
    #[arg(long, required = true, value_name = "FILE")]
    pub module: Vec<PathBuf>,
    /// What the filter is configured with; as many as there are modules, in the same order.
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// The name of the filter's plugin; without it, the module's.
    #[arg(long)]
    pub name: Vec<String>,
    /// The SHA-256 that the module has to have, in the same order.
    #[arg(long, value_name = "HEX")]
    pub sha256: Vec<String>,
    /// Where requests go that the filters let through, for example http://127.0.0.1:8000
    #[arg(long, value_name = "URL", value_parser = url)]
    pub upstream: String,
    /// Where to listen, for HTTP/1.1 and HTTP/2.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10000")]
    pub listen: SocketAddr,
    /// Where to listen with TLS, where HTTP/2 is negotiated.
    #[arg(long, value_name = "ADDRESS", requires = "tls_certificate", requires = "tls_key")]
    pub tls_listen: Option<SocketAddr>,
    /// The certificate chain, in PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key, in PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Where the admin interface listens: /stats, /stats/prometheus, /config_dump, /ready
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// How many threads run filters, each with VMs of its own.
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// A cluster that filters may send requests to.
    #[arg(long, value_name = "NAME=URL", value_parser = named_url)]
    pub cluster: Vec<(String, String)>,
    /// A variable in the filters' environment.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,
    /// What becomes of requests where a filter cannot run.
    #[arg(long, value_enum, default_value_t = Policy::Closed)]
    pub failure_policy: Policy,
    /// Leaves body callbacks running while a filter holds the headers back.
    #[arg(long)]
    pub allow_on_headers_stop_iteration: bool,
    /// The name of the route, which filters can read.
    #[arg(long, default_value = "")]
    pub route: String,
    /// Milliseconds from the end of a request to that of its response, as a route's `timeout`; 0 is no limit.
    #[arg(long, value_name = "MS", default_value_t = 15_000)]
    pub route_timeout: u64,
    /// Brings paths into their plain form and refuses those with an escaped slash, as Envoy does with `normalize_path`,
    /// `merge_slashes` and `REJECT_REQUEST`.
    #[arg(long)]
    pub normalize_path: bool,
    /// The least severe lines that filters may log.
    #[arg(long, value_enum, default_value_t = Level::Info)]
    pub log_level: Level,
    /// Takes over modules and configurations when their files change.
    #[arg(long)]
    pub watch: bool,
    /// Milliseconds that one call of a filter may take.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub time_limit: u64,
    /// Units of fuel, about one an instruction, that one call of a filter may burn. With it fuel is counted, and /stats shows it.
    #[arg(long, value_name = "UNITS")]
    pub fuel_limit: Option<u64>,
}

/// A failure policy, by Envoy's names.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Policy {
    /// FAIL_CLOSED
    Closed,
    /// FAIL_OPEN
    Open,
    /// FAIL_RELOAD
    Reload,
}

/// A level of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Level {
    /// Everything.
    Trace,
    /// And above.
    Debug,
    /// And above.
    Info,
    /// And above.
    Warn,
    /// And above.
    Error,
    /// Nothing else.
    Critical,
}

impl Options {
    /// What these arguments say, without the program's name.
    ///
    /// # Errors
    ///
    /// They are not what the program takes.
    pub fn from_line(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        Ok(Self::try_parse_from(std::iter::once("palisade-serve".to_owned()).chain(arguments))?)
    }

    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.config.len() <= self.module.len(), "there are more --config than --module");
        ensure!(self.sha256.len() <= self.module.len(), "there are more --sha256 than --module");
        Ok(())
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { fuel: self.fuel_limit, time: Some(Duration::from_millis(self.time_limit)), ..Limits::default() }
    }

    /// As it is, but for the values of variables.
    pub(crate) fn without_secrets(&self) -> Self {
        let env = self.env.iter().map(|(name, _)| (name.clone(), "[hidden]".to_owned())).collect();
        Self { env, ..self.clone() }
    }

    pub(crate) fn route_timeout(&self) -> Option<Duration> {
        (self.route_timeout > 0).then(|| Duration::from_millis(self.route_timeout))
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        self.env.iter().cloned().collect()
    }

    pub(crate) const fn policy(&self) -> FailurePolicy {
        match self.failure_policy {
            Policy::Closed => FailurePolicy::Closed,
            Policy::Open => FailurePolicy::Open,
            Policy::Reload => FailurePolicy::Reload,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn named_url(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    Ok((name, url(&value)?))
}

/// `http://host:port`, without what comes behind.
fn url(text: &str) -> Result<String, String> {
    let url: hyper::Uri = text.parse().map_err(|error| format!("no URL: {error}"))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http"), Some(authority)) => Ok(format!("http://{authority}")),
        _ => Err("expected http://host:port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options> {
        let line = format!("--module a.wasm --upstream http://127.0.0.1:1 {line}");
        let options = Options::from_line(line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned))?;
        options.check().map(|()| options)
    }

    #[test]
    fn a_cluster_is_a_name_and_the_address_of_its_url() {
        let options = parsed("--cluster idp=http://127.0.0.1:9000/jwks.json").unwrap();
        assert_eq!(options.cluster, [("idp".to_owned(), "http://127.0.0.1:9000".to_owned())]);
    }

    #[test]
    fn what_cannot_be_reached_in_clear_text_is_refused() {
        for cluster in ["idp", "idp=https://127.0.0.1:1", "idp=127.0.0.1:1"] {
            assert!(parsed(&format!("--cluster {cluster}")).is_err(), "{cluster}");
        }
    }

    #[test]
    fn there_is_a_module_for_each_configuration_and_hash() {
        assert!(parsed("--config a.json --sha256 00").is_ok());
        assert!(parsed("--config a.json --config b.json").is_err());
        assert!(parsed("--sha256 00 --sha256 01").is_err());
    }

    #[test]
    fn values_of_variables_are_shown_to_nobody() {
        let shown = format!("{:?}", parsed("--env KEY=secret").unwrap().without_secrets());
        assert!(shown.contains("KEY") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn tls_needs_a_certificate_and_its_key() {
        assert!(parsed("--tls-listen 127.0.0.1:0").is_err());
        assert!(parsed("--tls-listen 127.0.0.1:0 --tls-certificate a.pem --tls-key b.pem").is_ok());
    }
}
