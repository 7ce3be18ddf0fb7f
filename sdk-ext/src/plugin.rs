//! Plugin: the configuration that a filter is made of, as the host knows it.

use crate::abi;
use crate::config::quoted;
use crate::digest;
use crate::filter::Filter;
use crate::handle;
use crate::labels;
use crate::metrics::{self, Counter, Family, Gauge, Histogram, Kind as _, Labels};
use crate::shared_data::SharedKey;

/// What runs.
#[allow(unsafe_code, reason = "an attribute that names a section of the module")]
const CONFIGURED: &Labels<2> = labels!["version", "config"];

/// One plugin configuration: its name in the host's configuration, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Plugin {
    filter: &'static str,
    version: &'static str,
    name: String,
    config_sha256: String,
}

impl Plugin {
    pub(crate) fn new<F: Filter>(config: &[u8]) -> Self {
        Self::named(F::NAME, F::VERSION, config)
    }

    /// The same for what is no filter, but has some.
    pub(crate) fn named(filter: &'static str, version: &'static str, config: &[u8]) -> Self {
        let name = handle::property(&["plugin_name"]).ok().flatten().unwrap_or_default();
        let name = String::from_utf8(name).unwrap_or_default();
        Self { filter, version, name, config_sha256: digest::sha256(config) }
    }

    /// The same for another filter of the module.
    pub(crate) fn of<F: Filter>(&self) -> Self {
        Self { filter: F::NAME, version: F::VERSION, ..self.clone() }
    }

    /// The plugin's `name` in the host's configuration; empty when it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of the configuration's bytes, in hexadecimal.
    #[must_use]
    pub fn config_sha256(&self) -> &str {
        &self.config_sha256
    }

    /// A counter `palisade.<filter>.<name>`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        Counter::new(metrics::name(self.filter, name))
    }

    /// A gauge `palisade.<filter>.<name>`.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Gauge {
        Gauge::new(metrics::name(self.filter, name))
    }

    /// A histogram `palisade.<filter>.<name>`.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Histogram {
        Histogram::new(metrics::name(self.filter, name))
    }

    /// Counters `palisade.<filter>.<name>`, told apart by [`labels!`].
    #[must_use]
    pub fn counters<const N: usize>(&self, name: &str, labels: &'static Labels<N>) -> Family<Counter, N> {
        Family::new(metrics::name(self.filter, name), labels)
    }

    /// Gauges `palisade.<filter>.<name>`, told apart by [`labels!`].
    #[must_use]
    pub fn gauges<const N: usize>(&self, name: &str, labels: &'static Labels<N>) -> Family<Gauge, N> {
        Family::new(metrics::name(self.filter, name), labels)
    }

    /// Histograms `palisade.<filter>.<name>`, told apart by [`labels!`].
    #[must_use]
    pub fn histograms<const N: usize>(&self, name: &str, labels: &'static Labels<N>) -> Family<Histogram, N> {
        Family::new(metrics::name(self.filter, name), labels)
    }

    /// A key of the data that all workers share: `palisade/<filter>/<plugin name>/<key>`.
    #[must_use]
    pub fn shared(&self, key: &str) -> SharedKey {
        SharedKey::new(self.filter, &self.name, key)
    }

    /// Says in the log and in a gauge which version and which configuration were taken up. The gauge's value is the
    /// time, in seconds since the Unix epoch: of several configurations the newest has the highest.
    pub(crate) fn announce(&self) {
        let Self { filter, version, name, config_sha256 } = self;
        abi::log(
            2,
            &format!("{filter} {version}: plugin {} takes up configuration sha256:{config_sha256}", quoted(name)),
        );
        let short = config_sha256.get(..12).unwrap_or(config_sha256);
        let now = handle::now().unwrap_or_default().as_secs();
        let name = CONFIGURED.name(&metrics::name(filter, "configured"), [version, short]);
        Gauge::new(name).set(now);
    }
}
