//! An embedded Proxy-Wasm host, on wasmtime, that behaves as Envoy does.
//!
//! A filter runs here as it runs in Envoy 1.40: the same host calls with the same statuses, the same phases, the same ends of
//! streams. Where the specification and Envoy differ, this host does as Envoy does.
//!
//! - [`Host`] is for tests: it runs on the test's thread and goes by a virtual clock, and an exchange reads as it happens.
//! - [`Worker`] is for servers: it is told what comes, and says what is to go out.

mod abi;
mod callout;
mod capabilities;
mod clock;
mod compiler;
mod counters;
mod effect;
mod error;
mod faults;
mod fields;
mod foreign;
mod host;
mod imports;
mod interleave;
mod limits;
mod metrics;
mod module;
mod pairs;
mod plugin;
mod properties;
mod protobuf;
mod queues;
mod random;
mod shared;
mod shared_data;
mod signature;
mod status;
mod stream;
mod version;
mod vm;
mod wasi;
mod worker;

pub use callout::{Callout, CalloutEvent, CalloutId, CalloutKind};
pub use capabilities::Capabilities;
pub use clock::{Clock, nanoseconds};
pub use compiler::Compiler;
pub use counters::Counters;
pub use effect::{Effect, Frame};
pub use error::{Failure, LoadError, StartError, Why};
pub use faults::{Effect as FaultEffect, Fault};
pub use fields::Fields;
pub use host::{
    Answer, Delivery, Draft, Exchange, Host, HostBuilder, Message, NewRequest, RequestBuilder, ResponseBuilder,
};
pub use interleave::{Job, interleave};
pub use limits::{CALL as BYTES_OF_A_CALL, Limits};
pub use metrics::{BUCKETS as HISTOGRAM_BUCKETS, Kind as MetricKind, Metrics, Value as MetricValue};
pub use module::Module;
pub use plugin::{FailurePolicy, Plugin, VmSettings};
pub use queues::Queues;
pub use random::Random;
pub use shared::{LogLine, Shared};
pub use shared_data::SharedData;
pub use status::Status;
pub use stream::{Direction, Info, LocalReply};
pub use version::Abi;
pub use worker::{BUFFER_LIMIT, UpstreamFailure, Worker};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a lock guards is whole after each change, also where a thread panicked.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
