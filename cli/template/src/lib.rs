//! The %name% filter: lets a request pass whose header has a known value.
//!
//! What decides is pure and has its tests beside it, in [`config`]; this file speaks with the host, and its tests are the suite,
//! which runs on Envoy.

pub mod config;

use config::Config;
use palisade_sdk::config::ConfigErrors;
use palisade_sdk::{Counter, Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};

/// The filter.
pub struct %Filter% {
    config: Config,
    refused: Counter,
}

impl Filter for %Filter% {
    type Config = Config;

    const NAME: &'static str = "%module%";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config, refused: plugin.counter("refused") })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let value = request.joined(self.config.header())?;
        if self.config.admits(value.as_deref()) {
            return Ok(());
        }
        self.refused.increment();
        Err(Reply::new(403, "%module%_unknown_value"))
    }
}
