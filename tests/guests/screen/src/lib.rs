//! The screen: a filter that asks a cluster whether a request may pass and reads its whole body then, and declares no
//! phase more than that.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};
use std::time::Duration;

/// The filter.
pub struct Screen {
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

impl Filter for Screen {
    type Config = Config;

    const NAME: &'static str = "screen";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, request_body, http_call];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config })
    }

    /// Asks for the same path; only 200 lets the request pass, once its body has come.
    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = request.header(":path")?.unwrap_or_default();
        let call = request.handle().http_call(&self.config.cluster).timeout(Duration::from_secs(5));
        match call.header(":path", path)?.send().await {
            Ok(answer) if answer.status == 200 => {}
            Ok(_) => return Err(Reply::new(403, "screen_denied")),
            Err(_) => return Err(Reply::new(503, "screen_unavailable")),
        }
        request.into_body().whole(64 * 1024).await?;
        Ok(())
    }
}
