//! Answers to callouts, as the guest is told them.

use crate::callout::{CalloutEvent, CalloutKind};
use crate::fields::Fields;
use crate::stream;
use crate::vm::{Answer, VmHandle};

/// The reason of a connection that was refused.
const REFUSED: &str = "remote connection failure";

/// gRPC's "unavailable".
const UNAVAILABLE: u32 = 14;

/// Tells the root that sent a callout what came of it, and says whether that was its end.
pub(super) fn tell(vm: &VmHandle, token: u32, event: CalloutEvent) -> bool {
    let Some(root) = vm.borrow().state().callouts.get(&token).copied() else { return true };
    let kind = CalloutKind::of(token);
    let last = kind == Some(CalloutKind::Http)
        || matches!(event, CalloutEvent::GrpcClose(..) | CalloutEvent::Broken(_) | CalloutEvent::TimedOut)
        || kind == Some(CalloutKind::GrpcCall) && matches!(event, CalloutEvent::GrpcMessage(_));
    if kind == Some(CalloutKind::Http) {
        tell_http(vm, root, token, event);
    } else {
        tell_grpc(vm, root, token, event);
    }
    if last {
        vm.borrow_mut().state_mut().callouts.remove(&token);
    }
    last
}

fn tell_http(vm: &VmHandle, root: u32, token: u32, event: CalloutEvent) {
    let (headers, body, trailers) = match event {
        CalloutEvent::Response { headers, body, trailers } => (headers, body, trailers),
        CalloutEvent::Broken(reason) => {
            let body = format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
            made(503, &body)
        }
        CalloutEvent::TimedOut => made(504, "upstream request timeout"),
        _ => (Fields::new(), Vec::new(), Fields::new()),
    };
    let arguments = [token, count(headers.len()), count(body.len()), count(trailers.len())];
    let trailers = Some(trailers).filter(|trailers| !trailers.is_empty());
    let answer = Answer { headers: Some(headers), body: Some(body), trailers, ..Answer::default() };
    during(vm, root, answer, "proxy_on_http_call_response", &arguments);
}

fn tell_grpc(vm: &VmHandle, root: u32, token: u32, event: CalloutEvent) {
    match event {
        CalloutEvent::GrpcInitialMetadata(metadata) => {
            let arguments = [token, count(metadata.len())];
            let answer = Answer { grpc_initial: Some(metadata), ..Answer::default() };
            during(vm, root, answer, "proxy_on_grpc_receive_initial_metadata", &arguments);
        }
        CalloutEvent::GrpcMessage(message) => {
            let arguments = [token, count(message.len())];
            let answer = Answer { grpc_message: Some(message), ..Answer::default() };
            during(vm, root, answer, "proxy_on_grpc_receive", &arguments);
        }
        CalloutEvent::GrpcTrailingMetadata(metadata) => {
            let arguments = [token, count(metadata.len())];
            let answer = Answer { grpc_trailing: Some(metadata), ..Answer::default() };
            during(vm, root, answer, "proxy_on_grpc_receive_trailing_metadata", &arguments);
        }
        CalloutEvent::GrpcClose(status, message) => close(vm, root, token, status, message),
        CalloutEvent::TimedOut => close(vm, root, token, UNAVAILABLE, b"upstream request timeout".to_vec()),
        CalloutEvent::Broken(reason) => {
            let mut details = reason.replace(' ', "_");
            if reason == REFUSED {
                details += "|delayed_connect_error:_Connection_refused";
            }
            let before = "upstream connect error or disconnect/reset before headers";
            let text =
                format!("{before}. reset reason: {reason}{{upstream_reset_before_response_started{{{details}}}}}");
            close(vm, root, token, UNAVAILABLE, text.into_bytes());
        }
        CalloutEvent::Response { .. } | CalloutEvent::Failed => close(vm, root, token, UNAVAILABLE, Vec::new()),
    }
}

fn close(vm: &VmHandle, root: u32, token: u32, status: u32, message: Vec<u8>) {
    vm.borrow_mut().state_mut().status = (status, message);
    stream::run(vm, root, "proxy_on_grpc_close", &[token, status]);
    vm.borrow_mut().state_mut().status.1.clear();
}

fn during(vm: &VmHandle, root: u32, answer: Answer, name: &'static str, arguments: &[u32]) {
    vm.borrow_mut().state_mut().answer = Some((root, answer));
    stream::run(vm, root, name, arguments);
    vm.borrow_mut().state_mut().answer = None;
}

/// A response that Envoy makes itself.
fn made(status: u32, body: &str) -> (Fields, Vec<u8>, Fields) {
    let mut headers = Fields::new();
    headers.add(":status", status.to_string());
    headers.add("content-length", body.len().to_string());
    headers.add("content-type", "text/plain");
    (headers, body.as_bytes().to_vec(), Fields::new())
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
