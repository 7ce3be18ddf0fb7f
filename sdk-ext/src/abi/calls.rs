//! Calls to the host's clusters, and what came of them.

use super::{Handed, raw};
use crate::status::HostError;
use std::ptr::null;

/// Sends a request to a cluster of the host and returns the token under which the answer will come.
pub(crate) fn http_call(cluster: &str, headers: &[u8], body: &[u8], timeout_ms: u32) -> Result<u32, HostError> {
    let mut token = 0;
    // SAFETY: each pointer and length describe a live slice; `token` outlives the call.
    let status = unsafe {
        raw::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            null(),
            0,
            timeout_ms,
            &raw mut token,
        )
    };
    HostError::check("proxy_http_call", status).map(|()| token)
}

/// Calls a method of a gRPC service and returns the token under which its end will come. `service` is a serialised
/// `GrpcService`.
pub(crate) fn grpc_call(
    service: &[u8],
    name: &str,
    method: &str,
    metadata: &[u8],
    message: &[u8],
    timeout_ms: u32,
) -> Result<u32, HostError> {
    let mut token = 0;
    // SAFETY: each pointer and length describe a live slice; `token` outlives the call.
    let status = unsafe {
        raw::proxy_grpc_call(
            service.as_ptr(),
            service.len(),
            name.as_ptr(),
            name.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    HostError::check("proxy_grpc_call", status).map(|()| token)
}

/// Gives up a gRPC call; status 1 when it has ended.
pub(crate) fn grpc_cancel(token: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    let status = unsafe { raw::proxy_grpc_cancel(token) };
    HostError::check("proxy_grpc_cancel", status)
}

/// The message beside the status with which a gRPC call was closed, in the callback that says so.
pub(crate) fn status_message() -> Result<Vec<u8>, HostError> {
    let mut code = 0;
    let mut handed = Handed::nothing();
    // SAFETY: `code` and `handed` outlive the call.
    let status = unsafe { raw::proxy_get_status(&raw mut code, &raw mut handed.data, &raw mut handed.len) };
    handed.take("proxy_get_status", status)
}
