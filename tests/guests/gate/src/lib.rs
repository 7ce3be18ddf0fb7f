//! The gate: a filter that asks a cluster whether a request may pass, and declares no phase more than that.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};
use std::time::Duration;

/// The filter.
pub struct Gate {
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

impl Filter for Gate {
    type Config = Config;

    const NAME: &'static str = "gate";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, http_call];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config })
    }

    /// Asks for the same path; only 200 lets the request pass.
    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = request.header(":path")?.unwrap_or_default();
        let call = request.handle().http_call(&self.config.cluster).timeout(Duration::from_secs(5));
        match call.header(":path", path)?.send().await {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(_) => Err(Reply::new(403, "auth_denied")),
            Err(_) => Err(Reply::new(503, "auth_unavailable")),
        }
    }
}
