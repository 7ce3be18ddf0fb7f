//! The quota: a filter that asks a cluster by gRPC whether a request may pass, and declares no phase more than that.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};
use std::time::Duration;

/// The filter.
pub struct Quota {
    config: Config,
}

/// Its configuration.
pub struct Config {
    /// The cluster that is asked.
    cluster: String,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        Some(Self { cluster: object.required("cluster")? })
    }
}

impl Filter for Quota {
    type Config = Config;

    const NAME: &'static str = "quota";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, grpc_call];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config })
    }

    /// Asks the method that the path names; only an answer lets the request pass.
    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = request.header(":path")?.unwrap_or_default();
        let path = String::from_utf8_lossy(&path);
        let method = path.trim_start_matches('/');
        let call = request.handle().grpc_call(&self.config.cluster, "quota.Quota", method);
        match call.timeout(Duration::from_secs(5)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.is_temporary() => Err(Reply::new(503, "quota_unavailable").body(error.to_string())),
            Err(error) => Err(Reply::new(403, "quota_denied").body(error.to_string())),
        }
    }
}
