//! Host functions: one table of all that a module may import from `env`.

use super::arguments::Arguments;
use super::guest::{Guest, Halt, Outcome};
use super::{buffers, callouts, maps, metrics, plugin, properties, shared, streams};
use crate::interleave;
use crate::plugin::VmSettings;
use crate::signature::Signature;
use crate::signature::Word::{self, I32, I64};
use crate::status::Status;
use crate::version::Abi::{self, V0_1_0, V0_2_0, V0_2_1};
use crate::vm::{Restriction, VmState};
use wasmtime::{Caller, Linker, Val};

/// A host function.
pub(crate) struct Row {
    /// Its name.
    pub name: &'static str,
    /// The types of its parameters.
    pub signature: Signature,
    /// The versions that have it.
    pub versions: &'static [Abi],
    /// What it does.
    run: fn(&mut Guest<'_, '_>, Arguments<'_>) -> Outcome,
}

const ALL: &[Abi] = &[V0_1_0, V0_2_0, V0_2_1];
const FIRST: &[Abi] = &[V0_1_0];
const SECOND: &[Abi] = &[V0_2_0, V0_2_1];
const LAST: &[Abi] = &[V0_2_1];

type Run = fn(&mut Guest<'_, '_>, Arguments<'_>) -> Outcome;

const fn row(name: &'static str, parameters: &'static [Word], versions: &'static [Abi], run: Run) -> Row {
    Row { name, signature: Signature { parameters, result: true }, versions, run }
}

const P0: &[Word] = &[];
const P1: &[Word] = &[I32];
const P2: &[Word] = &[I32; 2];
const P3: &[Word] = &[I32; 3];
const P4: &[Word] = &[I32; 4];
const P5: &[Word] = &[I32; 5];
const P6: &[Word] = &[I32; 6];
const P8: &[Word] = &[I32; 8];
const P9: &[Word] = &[I32; 9];
const P10: &[Word] = &[I32; 10];
const P12: &[Word] = &[I32; 12];
const ID_AND_VALUE: &[Word] = &[I32, I64];

/// All host functions.
pub(crate) const TABLE: &[Row] = &[
    row("proxy_log", P3, ALL, plugin::log),
    row("proxy_get_log_level", P1, LAST, plugin::get_log_level),
    row("proxy_get_current_time_nanoseconds", P1, ALL, plugin::get_current_time_nanoseconds),
    row("proxy_set_tick_period_milliseconds", P1, ALL, plugin::set_tick_period_milliseconds),
    row("proxy_set_effective_context", P1, ALL, plugin::set_effective_context),
    row("proxy_done", P0, ALL, plugin::done),
    row("proxy_call_foreign_function", P6, ALL, plugin::call_foreign_function),
    row("proxy_continue_stream", P1, SECOND, streams::continue_stream),
    row("proxy_close_stream", P1, SECOND, streams::close_stream),
    row("proxy_send_local_response", P8, ALL, streams::send_local_response),
    row("proxy_get_status", P3, ALL, callouts::get_status),
    row("proxy_get_buffer_bytes", P5, ALL, buffers::get_buffer_bytes),
    row("proxy_set_buffer_bytes", P5, ALL, buffers::set_buffer_bytes),
    row("proxy_get_buffer_status", P3, ALL, buffers::get_buffer_status),
    row("proxy_get_header_map_size", P2, ALL, maps::get_header_map_size),
    row("proxy_get_header_map_pairs", P3, ALL, maps::get_header_map_pairs),
    row("proxy_set_header_map_pairs", P3, ALL, maps::set_header_map_pairs),
    row("proxy_get_header_map_value", P5, ALL, maps::get_header_map_value),
    row("proxy_add_header_map_value", P5, ALL, maps::add_header_map_value),
    row("proxy_replace_header_map_value", P5, ALL, maps::replace_header_map_value),
    row("proxy_remove_header_map_value", P3, ALL, maps::remove_header_map_value),
    row("proxy_http_call", P10, ALL, callouts::http_call),
    row("proxy_grpc_call", P12, ALL, callouts::grpc_call),
    row("proxy_grpc_stream", P9, ALL, callouts::grpc_stream),
    row("proxy_grpc_send", P4, ALL, callouts::grpc_send),
    row("proxy_grpc_cancel", P1, ALL, callouts::grpc_cancel),
    row("proxy_grpc_close", P1, ALL, callouts::grpc_close),
    row("proxy_get_shared_data", P5, ALL, shared::get_shared_data),
    row("proxy_set_shared_data", P5, ALL, shared::set_shared_data),
    row("proxy_register_shared_queue", P3, ALL, shared::register_shared_queue),
    row("proxy_resolve_shared_queue", P5, ALL, shared::resolve_shared_queue),
    row("proxy_enqueue_shared_queue", P3, ALL, shared::enqueue_shared_queue),
    row("proxy_dequeue_shared_queue", P3, ALL, shared::dequeue_shared_queue),
    row("proxy_define_metric", P4, ALL, metrics::define_metric),
    row("proxy_record_metric", ID_AND_VALUE, ALL, metrics::record_metric),
    row("proxy_increment_metric", ID_AND_VALUE, ALL, metrics::increment_metric),
    row("proxy_get_metric", P2, ALL, metrics::get_metric),
    row("proxy_get_property", P4, ALL, properties::get_property),
    row("proxy_set_property", P4, ALL, properties::set_property),
    row("envoy_resolve_dns", P3, ALL, plugin::resolve_dns),
    row("pthread_equal", P2, ALL, plugin::pthread_equal),
    Row {
        signature: Signature { parameters: P1, result: false },
        ..row("emscripten_notify_memory_growth", P1, ALL, plugin::nothing)
    },
    row("proxy_get_configuration", P2, FIRST, buffers::get_configuration),
    row("proxy_continue_request", P0, FIRST, streams::continue_request),
    row("proxy_continue_response", P0, FIRST, streams::continue_response),
    row("proxy_clear_route_cache", P0, FIRST, plugin::nothing),
];

/// The signature of a function of this version.
pub(crate) fn signature(abi: Abi, name: &str) -> Option<Signature> {
    TABLE.iter().find(|row| row.name == name && row.versions.contains(&abi)).map(|row| row.signature)
}

/// Gives a VM the functions of its version.
pub(crate) fn link(linker: &mut Linker<VmState>, settings: &VmSettings) -> wasmtime::Result<()> {
    for row in TABLE.iter().filter(|row| row.versions.contains(&settings.module.abi)) {
        let ty = row.signature.ty(linker.engine());
        // What is not Envoy's own is not restricted.
        let allowed = !row.name.starts_with("proxy_") || settings.capabilities.allow(row.name);
        linker.func_new("env", row.name, ty, move |mut caller, parameters, results| {
            let status = call(&mut caller, row, allowed, parameters)?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(status.0.cast_signed());
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn call(caller: &mut Caller<'_, VmState>, row: &Row, allowed: bool, parameters: &[Val]) -> wasmtime::Result<Status> {
    interleave::point();
    let state = caller.data_mut();
    let restricted = match state.restriction {
        Restriction::None => false,
        Restriction::Start | Restriction::Allocation => row.name != "proxy_log",
    };
    if let Some(status) = state.enter(row.name, restricted && row.name.starts_with("proxy_"))? {
        return Ok(status);
    }
    if !allowed {
        state.log_as_host(4, &format!("Attempted call to restricted proxy-wasm capability: {}", row.name));
        return Ok(Status::INTERNAL_FAILURE);
    }
    match (row.run)(&mut Guest::new(caller), Arguments(parameters)) {
        Ok(()) => Ok(Status::OK),
        Err(Halt::Status(status)) => Ok(status),
        Err(Halt::Trap(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the specification, version 0.2.1.
    const SPECIFIED: [&str; 39] = [
        "proxy_log",
        "proxy_get_log_level",
        "proxy_get_current_time_nanoseconds",
        "proxy_set_tick_period_milliseconds",
        "proxy_set_effective_context",
        "proxy_done",
        "proxy_continue_stream",
        "proxy_close_stream",
        "proxy_send_local_response",
        "proxy_get_status",
        "proxy_get_buffer_bytes",
        "proxy_set_buffer_bytes",
        "proxy_get_buffer_status",
        "proxy_get_header_map_size",
        "proxy_get_header_map_pairs",
        "proxy_set_header_map_pairs",
        "proxy_get_header_map_value",
        "proxy_add_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_remove_header_map_value",
        "proxy_http_call",
        "proxy_grpc_call",
        "proxy_grpc_stream",
        "proxy_grpc_send",
        "proxy_grpc_cancel",
        "proxy_grpc_close",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
        "proxy_register_shared_queue",
        "proxy_resolve_shared_queue",
        "proxy_enqueue_shared_queue",
        "proxy_dequeue_shared_queue",
        "proxy_define_metric",
        "proxy_record_metric",
        "proxy_increment_metric",
        "proxy_get_metric",
        "proxy_get_property",
        "proxy_set_property",
        "proxy_call_foreign_function",
    ];

    fn of(abi: Abi) -> Vec<&'static str> {
        let mut names: Vec<_> = TABLE.iter().filter(|row| row.versions.contains(&abi)).map(|row| row.name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn version_0_2_1_has_the_specified_functions_and_three_of_the_host_s_own() {
        let mut expected = SPECIFIED.to_vec();
        expected.extend(["envoy_resolve_dns", "pthread_equal", "emscripten_notify_memory_growth"]);
        expected.sort_unstable();
        assert_eq!(of(V0_2_1), expected);
    }

    #[test]
    fn version_0_2_0_lacks_the_log_level() {
        let (new, old) = (of(V0_2_1), of(V0_2_0));
        let missing: Vec<_> = new.iter().filter(|name| !old.contains(name)).collect();
        assert_eq!((missing, old.len()), (vec![&"proxy_get_log_level"], new.len() - 1));
    }

    #[test]
    fn version_0_1_0_has_four_functions_of_its_own() {
        let own: Vec<_> = of(V0_1_0).into_iter().filter(|name| !of(V0_2_1).contains(name)).collect();
        let expected = ["clear_route_cache", "continue_request", "continue_response", "get_configuration"];
        assert_eq!(own, expected.map(|name| format!("proxy_{name}")));
    }
}
