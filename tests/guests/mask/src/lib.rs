//! The mask: a filter that hides a certain word in responses, and declares no phase more than that.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};

/// The filter.
pub struct Mask {
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

impl Filter for Mask {
    type Config = Config;

    const NAME: &'static str = "mask";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, response_headers, response_body];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config })
    }

    /// Puts the request's path in the place of the word, so that a response tells whose it is.
    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = String::from_utf8_lossy(&request.header(":path")?.unwrap_or_default()).into_owned();
        let mut body = request.response().await.rewrite_body()?;
        if let Some(mut whole) = body.whole(64 * 1024).await? {
            let masked = String::from_utf8_lossy(&whole.bytes()?).replace(&self.config.word, &path);
            whole.replace(masked.as_bytes())?;
        }
        Ok(())
    }
}
