//! What the host calls: every callback of ABI 0.2.1 that Envoy makes for a plugin of an HTTP filter.
#![allow(unsafe_code, reason = "exports have names of the ABI's")]

use crate::{host, runner};

const PLUGIN_CONFIGURATION: u32 = 7;
const VM_CONFIGURATION: u32 = 6;
const CONTINUE: u32 = 0;
const TRUE: u32 = 1;

macro_rules! export {
    ($($name:ident($($parameter:ident),*) $(-> $result:ty)? => $body:expr;)*) => {$(
        #[doc = concat!("The callback `", stringify!($name), "`.")]
        #[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
        pub extern "C" fn $name($($parameter: u32),*) $(-> $result)? {
            $body
        }
    )*};
}

export! {
    proxy_abi_version_0_2_1() => ();
    proxy_on_context_create(id, parent) => runner::create(id, parent);
    proxy_on_vm_start(root, _size) -> u32 => {
        runner::load(root, VM_CONFIGURATION);
        runner::run(root, "start", "", TRUE)
    };
    proxy_on_configure(root, _size) -> u32 => {
        runner::load(root, PLUGIN_CONFIGURATION);
        runner::run(root, "configure", "", TRUE)
    };
    proxy_on_tick(root) => {
        runner::run_once(root, "tick");
    };
    proxy_on_queue_ready(root, _queue) => {
        runner::run_once(root, "queue_ready");
    };
    proxy_on_request_headers(id, headers, end) -> u32 => {
        runner::choose(id);
        runner::run(id, "request_headers", &shown(&[("headers", headers), ("end", end)]), CONTINUE)
    };
    proxy_on_request_body(id, size, end) -> u32
        => runner::run(id, "request_body", &shown(&[("size", size), ("end", end)]), CONTINUE);
    proxy_on_request_trailers(id, trailers) -> u32
        => runner::run(id, "request_trailers", &shown(&[("trailers", trailers)]), CONTINUE);
    proxy_on_response_headers(id, headers, end) -> u32
        => runner::run(id, "response_headers", &shown(&[("headers", headers), ("end", end)]), CONTINUE);
    proxy_on_response_body(id, size, end) -> u32
        => runner::run(id, "response_body", &shown(&[("size", size), ("end", end)]), CONTINUE);
    proxy_on_response_trailers(id, trailers) -> u32
        => runner::run(id, "response_trailers", &shown(&[("trailers", trailers)]), CONTINUE);
    proxy_on_http_call_response(root, token, headers, size, trailers) => {
        let arguments = shown(&[("token", token), ("headers", headers), ("size", size), ("trailers", trailers)]);
        runner::run(runner::caller(root, token), "http_call_response", &arguments, CONTINUE);
    };
    proxy_on_grpc_receive_initial_metadata(root, token, headers) => {
        let arguments = shown(&[("token", token), ("headers", headers)]);
        runner::run(runner::caller(root, token), "grpc_initial_metadata", &arguments, CONTINUE);
    };
    proxy_on_grpc_receive(root, token, size) => {
        let arguments = shown(&[("token", token), ("size", size)]);
        runner::run(runner::caller(root, token), "grpc_receive", &arguments, CONTINUE);
    };
    proxy_on_grpc_receive_trailing_metadata(root, token, trailers) => {
        let arguments = shown(&[("token", token), ("trailers", trailers)]);
        runner::run(runner::caller(root, token), "grpc_trailing_metadata", &arguments, CONTINUE);
    };
    proxy_on_grpc_close(root, token, status) => {
        let arguments = shown(&[("token", token), ("status", status)]);
        runner::run(runner::caller(root, token), "grpc_close", &arguments, CONTINUE);
    };
    proxy_on_done(id) -> u32 => runner::run(id, "done", "", TRUE);
    proxy_on_log(id) => {
        runner::run(id, "log", "", CONTINUE);
    };
    proxy_on_delete(id) => {
        runner::run(id, "delete", "", CONTINUE);
        runner::delete(id);
    };
}

/// The callback `proxy_on_memory_allocate`.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    host::allocate(size)
}

fn shown(arguments: &[(&str, u32)]) -> String {
    let shown: Vec<_> = arguments.iter().map(|(name, value)| format!("{name} {value}")).collect();
    shown.join(", ")
}
