//! Filter: the trait that a filter author implements, and what the filter declares about itself.

use crate::config::{ConfigErrors, FromConfig};
use crate::exchange::Exchange;
use crate::handle::Handle;
use crate::phases::Phases;
use crate::plugin::Plugin;
use crate::reply::Reply;

/// One filter: a configuration and what happens to one exchange of request and response.
pub trait Filter: Sized + 'static {
    /// What the operator writes.
    type Config: FromConfig;

    /// The name in snake case: it begins the filter's metrics, its shared-data keys and its log lines.
    const NAME: &'static str;

    /// The version in the log line and in the gauge that say what runs: `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;

    /// What the host must call the filter for: `phases![request_headers, ...]`, the same list as in [`filter!`](crate::filter).
    /// A filter that awaits what is not declared does not compile into a module.
    const PHASES: Phases;

    /// What happens to an exchange when the filter could not do its work.
    const ON_FAILURE: OnFailure;

    /// Makes the filter of one plugin configuration. It runs for each worker and twice more: it must be cheap.
    ///
    /// # Errors
    ///
    /// All that is wrong with the configuration: Envoy then keeps the old one.
    fn configure(config: Self::Config, plugin: Plugin) -> Result<Self, ConfigErrors>;

    /// What happens to one exchange, written in the order in which the bytes flow.
    ///
    /// When it returns `Ok`, the rest of the stream passes untouched; an error answers the client. Its future is
    /// dropped when the stream ends, and when the host or another filter answers a request in the upstream's place
    /// before it is complete.
    ///
    /// To wait for something of another exchange or of the background task takes `http_call`, `grpc_call` or `sleep`
    /// among the phases; without them a future that waits for no phase counts as stuck.
    fn exchange(&self, exchange: Exchange<Self>) -> impl Future<Output = Result<(), Reply>>;

    /// Work beside the exchanges (refreshing, flushing): one task for each plugin configuration and worker, and for
    /// Envoy's main thread. It runs in filters that declare `http_call`, `grpc_call` or `sleep`, and begins when the
    /// configuration is taken up, also in the trial run that Envoy gives each configuration.
    fn background(&self, _handle: Handle<Self>) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// What happens to an exchange when the filter could not do its work: a host call was refused, a header map could
/// not be read, a stream came without a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It passes untouched: for filters that observe.
    Pass,
    /// The client gets a 500: for filters that protect.
    Refuse,
}
