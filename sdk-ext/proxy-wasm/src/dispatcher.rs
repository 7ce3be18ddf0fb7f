//! Dispatcher: that of the `proxy-wasm` crate, which panics at the answer to an HTTP call that did not go through it, and
//! drops the answer to such a gRPC call.

use crate::calls::{self, Calls};
use crate::text;
use palisade_sdk::shell::{Dispatcher, GrpcRequest, HttpRequest};
use palisade_sdk::{HostError, Status};
use proxy_wasm::hostcalls::{dispatch_grpc_call, dispatch_http_call};
use std::rc::Rc;
use std::time::Duration;

pub(crate) struct Upstream;

impl Dispatcher for Upstream {
    fn running(&self) -> u32 {
        calls::running().map_or(0, |calls| calls.context)
    }

    fn http_call(&self, request: &HttpRequest<'_>) -> Result<u32, HostError> {
        let sender = Sender::new("proxy_http_call")?;
        let headers = text::lines(request.headers).ok_or(sender.error(Status::SerializationFailure))?;
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let sent = dispatch_http_call(request.cluster, headers, Some(request.body), Vec::new(), timeout);
        sender.sent(request.root, sent)
    }

    fn grpc_call(&self, request: &GrpcRequest<'_>) -> Result<u32, HostError> {
        let sender = Sender::new("proxy_grpc_call")?;
        let service = text::grpc_service(request.cluster, request.max_message);
        let service = service.ok_or(sender.error(Status::SerializationFailure))?;
        let metadata = request.metadata.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let message = Some(request.message);
        let sent = dispatch_grpc_call(&service, request.service, request.method, metadata, message, timeout);
        sender.sent(request.root, sent)
    }
}

/// The context that sends a call.
struct Sender {
    call: &'static str,
    calls: Rc<Calls>,
}

impl Sender {
    fn new(call: &'static str) -> Result<Self, HostError> {
        let calls = calls::running().ok_or(HostError { call, status: Status::InternalFailure })?;
        Ok(Self { call, calls })
    }

    fn error(&self, status: Status) -> HostError {
        HostError { call: self.call, status }
    }

    fn sent(&self, root: u32, sent: Result<u32, proxy_wasm::types::Status>) -> Result<u32, HostError> {
        let token = sent.map_err(|status| self.error((status as u32).into()))?;
        self.calls.sent(token, root);
        Ok(token)
    }
}
