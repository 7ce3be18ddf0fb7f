//! Filter: the trait that a filter author implements, and what the filter declares about itself.

use crate::config::{ConfigErrors, FromConfig};
use crate::exchange::Exchange;
use crate::handle::Handle;
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
    /// When it returns `Ok`, the rest of the stream passes untouched; an error answers the client.
    fn exchange(&self, exchange: Exchange<Self>) -> impl Future<Output = Result<(), Reply>>;

    /// Work beside the exchanges (refreshing, flushing): one task for each plugin configuration and worker, and for
    /// Envoy's main thread. It runs in filters that declare `http_call` or `sleep`, and begins when the configuration
    /// is taken up, also in the trial run that Envoy gives each configuration.
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

/// The callbacks that a filter declares: the phases that it takes part in and the events that it awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// No callback at all.
    pub const NONE: Self = Self(0);

    /// `phases!`'s way to look up a name.
    ///
    /// # Panics
    ///
    /// At compile time, when there is no such phase.
    #[must_use]
    #[expect(clippy::panic, reason = "evaluated by the compiler only")]
    pub const fn named(name: &str) -> Self {
        let bit = match name.as_bytes() {
            b"request_headers" => 0,
            b"request_body" => 1,
            b"request_trailers" => 2,
            b"response_headers" => 3,
            b"response_body" => 4,
            b"response_trailers" => 5,
            b"http_call" => 6,
            b"sleep" => 7,
            _ => panic!(
                "no such phase: request_headers, request_body, request_trailers, response_headers, response_body, \
                 response_trailers, http_call or sleep"
            ),
        };
        Self(1 << bit)
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are declared.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether each phase has those that must come before it: a body and trailers the headers of their side, and a
    /// response the request, where its exchange begins.
    #[must_use]
    pub const fn are_complete(self) -> bool {
        let request = self.0 & 0b000_001 != 0;
        let response = self.0 & 0b001_000 != 0;
        (request || self.0 & 0b111_110 == 0) && (response || self.0 & 0b110_000 == 0)
    }

    /// Whether the two declare the same.
    #[must_use]
    pub const fn same(self, other: Self) -> bool {
        self.0 == other.0
    }
}

/// A list of phases and events, by name.
///
/// `request_headers`, `request_body`, `request_trailers`, `response_headers`, `response_body` and
/// `response_trailers` are phases of the stream; `http_call` and `sleep` are events that a filter waits for.
#[macro_export]
macro_rules! phases {
    ($($phase:ident),* $(,)?) => {
        $crate::Phases::NONE$(.and($crate::Phases::named(stringify!($phase))))*
    };
}

/// Refuses, at compile time, a filter that awaits what it does not declare.
macro_rules! declared {
    ($filter:ty, $phase:literal) => {
        const {
            assert!(
                <$filter as $crate::Filter>::PHASES.has($crate::Phases::named($phase)),
                concat!("the filter awaits `", $phase, "`: declare it in Filter::PHASES and in filter!")
            )
        }
    };
}
pub(crate) use declared;
