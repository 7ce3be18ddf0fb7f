//! The stamp: a filter that adds a header to requests and writes a line to the log, or does nothing, and declares no phase
//! more than that.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};

/// The filter.
pub struct Stamp {
    config: Config,
}

/// Its configuration.
pub struct Config {
    /// Whether it does anything.
    stamp: bool,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        Some(Self { stamp: object.required("stamp")? })
    }
}

impl Filter for Stamp {
    type Config = Config;

    const NAME: &'static str = "stamp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers];
    const ON_FAILURE: OnFailure = OnFailure::Pass;

    fn configure(config: Config, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        if self.config.stamp {
            request.add_header("x-stamp", "hello")?;
            log::info!("stamped hello");
        }
        Ok(())
    }
}
