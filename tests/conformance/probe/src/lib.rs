//! The conformance probe: a module without SDK that makes the host calls that its configuration lists, in the callbacks
//! that it lists them under, and logs what the host answers to each.
//!
//! Configuration of plugin and VM are the same [script](Script). A request chooses one of the script's cases by its header
//! `x-case`; the case [`ROOT`] is what the root context does. Each line in the log is
//!
//! ```text
//! <case>|<context>|<what was seen>
//! ```
//!
//! so that the lines of one exchange can be told from those of another.

mod answer;
pub mod callbacks;
mod host;
mod parameters;
mod runner;
mod script;

pub use host::HOST_FUNCTIONS;
pub use script::{Argument, Call, Case, Script, Step};

/// The case of the root context.
pub const ROOT: &str = "root";

/// The callbacks under which a script can list calls, those of the root context first.
pub const CONTEXTS: &[&str] = &[
    "start",
    "configure",
    "tick",
    "queue_ready",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "http_call_response",
    "grpc_initial_metadata",
    "grpc_receive",
    "grpc_trailing_metadata",
    "grpc_close",
    "done",
    "log",
    "delete",
];
