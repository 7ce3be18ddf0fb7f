//! The Proxy-Wasm ABI 0.2.1: every host function that the SDK calls, as a safe function that returns a `Result`.
//!
//! This module and the one below it are the only ones with `unsafe` code. Host functions are declared as returning `u32`, so that a status
//! which this SDK does not know is an error and never undefined behaviour. On other targets than wasm the host
//! functions answer "unimplemented", so that filter crates compile, link and run their unit tests natively.
#![allow(unsafe_code)]

mod calls;
#[cfg(any(test, target_arch = "wasm32"))]
pub(crate) mod memory;

use crate::status::{HostError, Status};
use std::alloc::Layout;
use std::ptr::null_mut;

pub(crate) use calls::{grpc_call, grpc_cancel, http_call, status_message};

/// Declares the host functions: imports on wasm, a stub that answers 12 (unimplemented) elsewhere.
macro_rules! host_functions {
    ($($module:literal { $(fn $name:ident($($arg:ident: $ty:ty),* $(,)?);)* })*) => {
        #[cfg(target_arch = "wasm32")]
        mod raw {
            $(
                #[link(wasm_import_module = $module)]
                unsafe extern "C" { $(pub(super) fn $name($($arg: $ty),*) -> u32;)* }
            )*
        }

        #[cfg(not(target_arch = "wasm32"))]
        mod raw {
            $($(
                #[allow(clippy::too_many_arguments, reason = "as the ABI has it")]
                pub(super) unsafe fn $name($(_: $ty),*) -> u32 {
                    crate::status::UNIMPLEMENTED
                }
            )*)*
        }
    };
}

host_functions! {
    "env" {
        fn proxy_log(level: u32, message: *const u8, message_len: usize);
        fn proxy_get_log_level(level: *mut u32);
        fn proxy_get_current_time_nanoseconds(time: *mut u64);
        fn proxy_set_tick_period_milliseconds(period: u32);
        fn proxy_set_effective_context(context_id: u32);
        fn proxy_continue_stream(stream: u32);
        fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_len: usize,
            body: *const u8,
            body_len: usize,
            headers: *const u8,
            headers_len: usize,
            grpc_status: i32,
        );
        fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, len: *mut usize);
        fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, len: usize);
        fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize);
        fn proxy_get_header_map_value(map: u32, name: *const u8, name_len: usize, data: *mut *mut u8, len: *mut usize);
        fn proxy_add_header_map_value(map: u32, name: *const u8, name_len: usize, value: *const u8, value_len: usize);
        fn proxy_replace_header_map_value(map: u32, name: *const u8, name_len: usize, value: *const u8, value_len: usize);
        fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize);
        fn proxy_http_call(
            cluster: *const u8,
            cluster_len: usize,
            headers: *const u8,
            headers_len: usize,
            body: *const u8,
            body_len: usize,
            trailers: *const u8,
            trailers_len: usize,
            timeout_ms: u32,
            token: *mut u32,
        );
        fn proxy_grpc_call(
            service: *const u8,
            service_len: usize,
            name: *const u8,
            name_len: usize,
            method: *const u8,
            method_len: usize,
            metadata: *const u8,
            metadata_len: usize,
            message: *const u8,
            message_len: usize,
            timeout_ms: u32,
            token: *mut u32,
        );
        fn proxy_grpc_cancel(token: u32);
        fn proxy_get_status(code: *mut u32, data: *mut *mut u8, len: *mut usize);
        fn proxy_get_shared_data(key: *const u8, key_len: usize, data: *mut *mut u8, len: *mut usize, cas: *mut u32);
        fn proxy_set_shared_data(key: *const u8, key_len: usize, data: *const u8, len: usize, cas: u32);
        fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32);
        fn proxy_record_metric(id: u32, value: u64);
        fn proxy_increment_metric(id: u32, offset: i64);
        fn proxy_get_property(path: *const u8, path_len: usize, data: *mut *mut u8, len: *mut usize);
        fn proxy_set_property(path: *const u8, path_len: usize, data: *const u8, len: usize);
        fn proxy_call_foreign_function(
            name: *const u8,
            name_len: usize,
            arguments: *const u8,
            arguments_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
        );
    }
    "wasi_snapshot_preview1" {
        fn random_get(data: *mut u8, len: usize);
        fn environ_sizes_get(count: *mut usize, len: *mut usize);
        fn environ_get(variables: *mut *mut u8, data: *mut u8);
    }
}

/// A header map of the host, by its number in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    HttpCallHeaders = 6,
}

/// A buffer of the host, by its number in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    HttpCallBody = 4,
    GrpcReceive = 5,
    PluginConfiguration = 7,
}

/// The host asks for memory in which to hand over a value; the SDK takes it over as a `Vec` of exactly `size` bytes.
///
/// Returns null when there is no memory left: the host then answers its own call with a status instead of a value.
#[must_use]
pub fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout is not zero-sized.
        Ok(layout) if size > 0 => unsafe { std::alloc::alloc(layout) },
        Ok(_) => std::ptr::dangling_mut(),
        Err(_) => null_mut(),
    }
}

/// A value that the host hands over: where its allocation begins and how long it is.
struct Handed {
    data: *mut u8,
    len: usize,
}

impl Handed {
    const fn nothing() -> Self {
        Self { data: null_mut(), len: 0 }
    }

    /// Takes over the value; a null pointer with status 0 is an empty value (Envoy hands those over so).
    fn take(self, call: &'static str, status: u32) -> Result<Vec<u8>, HostError> {
        HostError::check(call, status)?;
        if self.data.is_null() || self.len == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the host got this memory from `allocate(self.len)` and has filled it; nobody else owns it.
        Ok(unsafe { Vec::from_raw_parts(self.data, self.len, self.len) })
    }
}

/// Writes one line to the host's log. There is nobody to tell when that fails.
pub fn log(level: u32, message: &str) {
    // SAFETY: pointer and length describe `message`.
    unsafe { raw::proxy_log(level, message.as_ptr(), message.len()) };
}

/// The least severe level that the host writes: 0 trace .. 5 critical.
pub(crate) fn log_level() -> Result<u32, HostError> {
    let mut level = 0;
    // SAFETY: `level` outlives the call.
    let status = unsafe { raw::proxy_get_log_level(&raw mut level) };
    HostError::check("proxy_get_log_level", status).map(|()| level)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn current_time() -> Result<u64, HostError> {
    let mut time = 0;
    // SAFETY: `time` outlives the call.
    let status = unsafe { raw::proxy_get_current_time_nanoseconds(&raw mut time) };
    HostError::check("proxy_get_current_time_nanoseconds", status).map(|()| time)
}

/// Sets the period of the effective root context's tick; 0 stops it.
pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { raw::proxy_set_tick_period_milliseconds(milliseconds) };
    HostError::check("proxy_set_tick_period_milliseconds", status)
}

/// Makes the following host calls act on the given context; status 2 when it is gone.
pub fn set_effective_context(id: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { raw::proxy_set_effective_context(id) };
    HostError::check("proxy_set_effective_context", status)
}

/// Lets a paused direction of the effective stream go on: 0 request, 1 response.
pub(crate) fn continue_stream(stream: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { raw::proxy_continue_stream(stream) };
    HostError::check("proxy_continue_stream", status)
}

/// Answers the client in place of the upstream. `headers` is in the ABI's pair format.
pub(crate) fn send_local_response(
    http_status: u16,
    details: &str,
    body: &[u8],
    headers: &[u8],
    grpc_status: Option<u8>,
) -> Result<(), HostError> {
    // SAFETY: each pointer and length describe a live slice.
    let status = unsafe {
        raw::proxy_send_local_response(
            u32::from(http_status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status.map_or(-1, i32::from),
        )
    };
    HostError::check("proxy_send_local_response", status)
}

/// Up to `max` bytes of a buffer from `start` on; empty where there is nothing.
pub(crate) fn buffer_bytes(buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, HostError> {
    let mut handed = Handed::nothing();
    // SAFETY: `handed` outlives the call.
    let status =
        unsafe { raw::proxy_get_buffer_bytes(buffer as u32, start, max, &raw mut handed.data, &raw mut handed.len) };
    handed.take("proxy_get_buffer_bytes", status)
}

/// Replaces `size` bytes of a buffer from `start` on: `(0, 0)` prepends, `(0, usize::MAX)` replaces all,
/// `(length, 0)` appends; a start inside a buffer is refused (Envoy, status 2).
pub(crate) fn set_buffer_bytes(buffer: Buffer, start: usize, size: usize, data: &[u8]) -> Result<(), HostError> {
    // SAFETY: pointer and length describe `data`.
    let status = unsafe { raw::proxy_set_buffer_bytes(buffer as u32, start, size, data.as_ptr(), data.len()) };
    HostError::check("proxy_set_buffer_bytes", status)
}

/// A whole header map in the ABI's pair format; empty where the map is not there.
pub(crate) fn header_map_pairs(map: Map) -> Result<Vec<u8>, HostError> {
    let mut handed = Handed::nothing();
    // SAFETY: `handed` outlives the call.
    let status = unsafe { raw::proxy_get_header_map_pairs(map as u32, &raw mut handed.data, &raw mut handed.len) };
    handed.take("proxy_get_header_map_pairs", status)
}

/// The first line of a header; `None` when there is none.
///
/// Envoy answers 1 for a header that is missing and 2 for a map that is not there.
pub(crate) fn header_map_value(map: Map, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    let mut handed = Handed::nothing();
    // SAFETY: `handed` outlives the call; pointer and length describe `name`.
    let status = unsafe {
        raw::proxy_get_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            &raw mut handed.data,
            &raw mut handed.len,
        )
    };
    found(handed.take("proxy_get_header_map_value", status))
}

/// Adds one line to a header map.
pub(crate) fn add_header_map_value(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: each pointer and length describe a live slice.
    let status =
        unsafe { raw::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    HostError::check("proxy_add_header_map_value", status)
}

/// Removes all lines of a header and adds one at the end.
pub(crate) fn replace_header_map_value(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: each pointer and length describe a live slice.
    let status = unsafe {
        raw::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
    HostError::check("proxy_replace_header_map_value", status)
}

/// Removes all lines of a header; it need not be there.
pub(crate) fn remove_header_map_value(map: Map, name: &str) -> Result<(), HostError> {
    // SAFETY: pointer and length describe `name`.
    let status = unsafe { raw::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
    HostError::check("proxy_remove_header_map_value", status)
}

/// The value of a key of the shared data and its compare-and-swap number; `None` when the key was never set.
pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
    let (mut handed, mut cas) = (Handed::nothing(), 0);
    // SAFETY: `handed` and `cas` outlive the call; pointer and length describe `key`.
    let status = unsafe {
        raw::proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut handed.data, &raw mut handed.len, &raw mut cas)
    };
    found(handed.take("proxy_get_shared_data", status)).map(|value| value.map(|value| (value, cas)))
}

/// Sets a key of the shared data, unconditionally when `cas` is 0; status 8 when `cas` is stale.
pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), HostError> {
    // SAFETY: each pointer and length describe a live slice.
    let status = unsafe { raw::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    HostError::check("proxy_set_shared_data", status)
}

/// Defines a metric (0 counter, 1 gauge, 2 histogram) and returns its id.
pub(crate) fn define_metric(kind: u32, name: &[u8]) -> Result<u32, HostError> {
    let mut id = 0;
    // SAFETY: `id` outlives the call; pointer and length describe `name`.
    let status = unsafe { raw::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    HostError::check("proxy_define_metric", status).map(|()| id)
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { raw::proxy_record_metric(id, value) };
    HostError::check("proxy_record_metric", status)
}

/// Adds to a counter or a gauge.
pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { raw::proxy_increment_metric(id, offset) };
    HostError::check("proxy_increment_metric", status)
}

/// The value of a property; its path's segments are separated by NUL. `None` when there is none.
pub(crate) fn property(path: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
    let mut handed = Handed::nothing();
    // SAFETY: `handed` outlives the call; pointer and length describe `path`.
    let status =
        unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), &raw mut handed.data, &raw mut handed.len) };
    found(handed.take("proxy_get_property", status))
}

/// Sets a property of the effective stream.
pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Result<(), HostError> {
    // SAFETY: each pointer and length describe a live slice.
    let status = unsafe { raw::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
    HostError::check("proxy_set_property", status)
}

/// What a function that the host has beyond the ABI answers; status 1 when it has none of this name. `call` names it in
/// an error.
pub(crate) fn call_foreign_function(call: &'static str, name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
    let mut handed = Handed::nothing();
    // SAFETY: `handed` outlives the call; each pointer and length describe a live slice.
    let status = unsafe {
        raw::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut handed.data,
            &raw mut handed.len,
        )
    };
    handed.take(call, status)
}

/// Fills `data` from the host's cryptographic random source.
pub(crate) fn fill_random(data: &mut [u8]) -> Result<(), HostError> {
    // SAFETY: pointer and length describe `data`, which the host may write.
    let status = unsafe { raw::random_get(data.as_mut_ptr(), data.len()) };
    HostError::check("random_get", status)
}

/// The environment of the VM: `NAME=VALUE` again and again, a NUL behind each.
pub(crate) fn environment() -> Result<Vec<u8>, HostError> {
    let (mut count, mut len) = (0, 0);
    // SAFETY: `count` and `len` outlive the call.
    let status = unsafe { raw::environ_sizes_get(&raw mut count, &raw mut len) };
    HostError::check("environ_sizes_get", status)?;
    let (mut variables, mut data) = (vec![null_mut(); count], vec![0; len]);
    // SAFETY: there is room for as many pointers and bytes as the host has just said.
    let status = unsafe { raw::environ_get(variables.as_mut_ptr(), data.as_mut_ptr()) };
    HostError::check("environ_get", status).map(|()| data)
}

/// Turns the status "not found" into `None`.
fn found<T>(result: Result<T, HostError>) -> Result<Option<T>, HostError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.status == Status::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_call_outside_of_wasm_is_an_error_and_no_panic() {
        let error = header_map_pairs(Map::RequestHeaders).unwrap_err();
        assert_eq!(error.status, Status::Unimplemented);
        assert_eq!(error.call, "proxy_get_header_map_pairs");
    }

    #[test]
    fn handed_memory_is_taken_over_whole() {
        let data = allocate(3);
        // SAFETY: `data` has room for three bytes.
        unsafe { std::ptr::copy_nonoverlapping(b"abc".as_ptr(), data, 3) };
        assert_eq!(Handed { data, len: 3 }.take("test", 0).unwrap(), b"abc");
    }

    #[test]
    fn a_null_pointer_with_status_ok_is_an_empty_value() {
        assert_eq!(Handed::nothing().take("test", 0).unwrap(), b"");
    }

    #[test]
    fn an_impossible_allocation_is_null() {
        assert!(allocate(usize::MAX).is_null());
    }
}
