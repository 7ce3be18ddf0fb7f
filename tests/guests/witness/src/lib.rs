//! The witness: a filter that sees how exchanges end and tells of it from its background task, and declares no phase
//! more than that.

use std::cell::RefCell;
use std::time::Duration;

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, Filter, Handle, OnFailure, Phases, Plugin, Reply, phases};

/// The filter.
pub struct Witness {
    config: Config,
    /// What was seen and is not told yet.
    seen: RefCell<Vec<String>>,
    plugin: Plugin,
}

/// Its configuration.
pub struct Config {
    /// The cluster that is told.
    cluster: String,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        Some(Self { cluster: object.required("cluster")? })
    }
}

impl Filter for Witness {
    type Config = Config;

    const NAME: &'static str = "witness";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, end, background, http_call, sleep];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self { config, seen: RefCell::default(), plugin })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = String::from_utf8(request.header(":path")?.unwrap_or_default()).unwrap_or_default();
        match path.as_str() {
            "/unseen" => return Ok(()),
            // Nobody but the background task may wait: this is refused.
            "/sleep" => request.handle().sleep(Duration::from_millis(1)).await?,
            _ => {}
        }
        let stream = request.end().await;
        let code =
            stream.property(&["response", "code"])?.and_then(|code| Some(u64::from_le_bytes(code.try_into().ok()?)));
        self.seen.borrow_mut().push(format!("{path}/{}", code.unwrap_or(0)));
        if path == "/fails" {
            // No property has such a name. There is nobody left to answer; it counts as a failure all the same.
            stream.property(&[""])?;
        }
        Ok(())
    }

    async fn background(&self, handle: Handle<Self>) {
        let told = self.plugin.counter("told");
        while handle.sleep(Duration::from_millis(20)).await.is_ok() {
            for path in self.seen.take() {
                if let Ok(call) = handle.http_call(&self.config.cluster).header(":path", path)
                    && call.send().await.is_ok()
                {
                    told.increment();
                }
            }
        }
    }
}
