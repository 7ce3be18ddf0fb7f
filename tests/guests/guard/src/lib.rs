//! The guard: a filter that refuses requests with a certain word in a header or in the body, and declares no phase more
//! than that.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};

/// The filter.
pub struct Guard {
    config: Config,
}

/// Its configuration.
pub struct Config {
    /// What it is about.
    word: String,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        Some(Self { word: object.required("word")? })
    }
}

impl Filter for Guard {
    type Config = Config;

    const NAME: &'static str = "guard";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, request_body];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let word = &self.config.word;
        let request = exchange.request().await;
        if request.header("x-kind")?.is_some_and(|kind| kind == word.as_bytes()) {
            return Err(Reply::new(403, "guard_header"));
        }
        let mut body = request.into_body();
        if let Some(whole) = body.whole(64 * 1024).await?
            && String::from_utf8_lossy(&whole.bytes()?).contains(word)
        {
            return Err(Reply::new(403, "guard_body"));
        }
        Ok(())
    }
}
