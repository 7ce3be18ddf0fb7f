//! Callbacks: the functions of a guest that Envoy calls, by signature. Envoy loads no module that has one with another.

use crate::signature::Signature;
use crate::signature::Word::{self, I32};
use crate::version::Abi;

struct Row {
    name: &'static str,
    signature: Signature,
}

const fn told(name: &'static str, parameters: &'static [Word]) -> Row {
    Row { name, signature: Signature { parameters, result: false } }
}

const fn asked(name: &'static str, parameters: &'static [Word]) -> Row {
    Row { name, signature: Signature { parameters, result: true } }
}

const TABLE: &[Row] = &[
    told("_initialize", &[]),
    told("_start", &[]),
    asked("main", &[I32; 2]),
    asked("__main_void", &[]),
    asked("malloc", &[I32]),
    asked("proxy_on_memory_allocate", &[I32]),
    told("proxy_on_context_create", &[I32; 2]),
    asked("proxy_on_vm_start", &[I32; 2]),
    asked("proxy_validate_configuration", &[I32; 2]),
    asked("proxy_on_configure", &[I32; 2]),
    told("proxy_on_tick", &[I32]),
    told("proxy_on_queue_ready", &[I32; 2]),
    asked("proxy_on_done", &[I32]),
    told("proxy_on_log", &[I32]),
    told("proxy_on_delete", &[I32]),
    asked("proxy_on_new_connection", &[I32]),
    asked("proxy_on_downstream_data", &[I32; 3]),
    asked("proxy_on_upstream_data", &[I32; 3]),
    told("proxy_on_downstream_connection_close", &[I32; 2]),
    told("proxy_on_upstream_connection_close", &[I32; 2]),
    asked("proxy_on_request_headers", &[I32; 3]),
    asked("proxy_on_request_body", &[I32; 3]),
    asked("proxy_on_request_trailers", &[I32; 2]),
    asked("proxy_on_request_metadata", &[I32; 2]),
    asked("proxy_on_response_headers", &[I32; 3]),
    asked("proxy_on_response_body", &[I32; 3]),
    asked("proxy_on_response_trailers", &[I32; 2]),
    asked("proxy_on_response_metadata", &[I32; 2]),
    told("proxy_on_http_call_response", &[I32; 5]),
    told("proxy_on_grpc_receive_initial_metadata", &[I32; 3]),
    told("proxy_on_grpc_receive", &[I32; 3]),
    told("proxy_on_grpc_receive_trailing_metadata", &[I32; 3]),
    told("proxy_on_grpc_close", &[I32; 3]),
];

/// The signature that a guest's function of this name must have; `None` for what Envoy does not call.
pub(crate) fn callback(abi: Abi, name: &str) -> Option<Signature> {
    let signature = TABLE.iter().find(|row| row.name == name)?.signature;
    // The first version tells no end of the stream with headers.
    let is_short = abi == Abi::V0_1_0 && matches!(name, "proxy_on_request_headers" | "proxy_on_response_headers");
    Some(if is_short { Signature { parameters: &[I32; 2], ..signature } } else { signature })
}
