//! The census: a filter that counts requests by what clients send, and answers them itself.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::metrics::CappedFamily;
use palisade_sdk::{Counter, Exchange, Filter, Histogram, OnFailure, Phases, Plugin, Reply, labels, phases};

/// The filter.
pub struct Census {
    requests: CappedFamily<Counter, 2>,
    lengths: CappedFamily<Histogram, 1>,
}

/// Its configuration.
pub struct Config {
    /// How many tuples of tenant and plan have a series of their own.
    cap: u16,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let cap = object.required_with("cap", |cap| cap.integer(0..=1000))?;
        Some(Self { cap: u16::try_from(cap).ok()? })
    }
}

impl Filter for Census {
    type Config = Config;

    const NAME: &'static str = "census";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let requests = plugin.counters("requests", labels!["tenant", "plan"]).capped(config.cap);
        let lengths = plugin.histograms("lengths", labels!["plan"]).capped(1);
        Ok(Self { requests, lengths })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let [tenant, plan] = ["x-tenant", "x-plan"].map(|name| request.header(name));
        let (tenant, plan) = (tenant?.unwrap_or_default(), plan?.unwrap_or_default());
        self.requests.increment([&tenant, &plan]);
        self.lengths.record([&plan], tenant.len() as u64);
        Err(Reply::new(200, "census_counted"))
    }
}
