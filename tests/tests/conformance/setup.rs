//! The setup: the calls that bring about the callbacks which a case is about.

/// Callback and call, as in a case.
type Calls = Vec<(String, String)>;

/// A callout to a server that answers with status 201, a body and trailers.
const HTTP_CALL: &str =
    r#"proxy_http_call("callouts", {":method": "GET", ":path": "/asked", ":authority": "callouts"}, "", {}, 5000)"#;

/// A stream to a gRPC server that answers with one message.
const GRPC_STREAM: &str = r#"stream = proxy_grpc_stream("\x0a\x06\x0a\x04grpc", "probe.Probe", "Method", {})"#;

/// A stream whose callouts are to be answered makes one and waits for it, unless it has callouts of its own.
pub(crate) fn of_stream(mut calls: Calls) -> Calls {
    let has = |prefix: &str| calls.iter().any(|(context, _)| context.starts_with(prefix));
    let asks = |(context, call): &(String, String)| {
        context == "request_headers" && (call.contains("proxy_http_call") || call.contains("proxy_grpc_"))
    };
    if calls.iter().any(asks) {
        return calls;
    }
    if has("http_call") {
        wait_for(&mut calls, &[HTTP_CALL], "http_call_response");
    } else if has("grpc_") {
        wait_for(&mut calls, &[GRPC_STREAM, "proxy_grpc_send($stream, \"asked\", 1)"], "grpc_close");
    }
    calls
}

fn wait_for(calls: &mut Calls, first: &[&str], answer: &str) {
    let asks = first.iter().chain(&["return 1"]).map(|call| at("request_headers", call));
    calls.splice(0..0, asks);
    let is_settled =
        |(context, call): &(String, String)| context == answer && call.contains("proxy_send_local_response");
    if !calls.iter().any(is_settled) {
        calls.push(at(answer, "proxy_set_effective_context($context)"));
        calls.push(at(answer, "proxy_continue_stream(0)"));
    }
}

/// A root whose ticks and queues are of interest has them.
pub(crate) fn of_root(mut calls: Calls) -> Calls {
    let has = |context: &str| calls.iter().any(|(own, _)| own == context);
    let mut first = Vec::new();
    if has("queue_ready") {
        first.push(at("configure", "proxy_register_shared_queue(\"ready\")"));
    }
    if has("tick") {
        first.push(at("configure", "proxy_set_tick_period_milliseconds(20)"));
    }
    calls.splice(0..0, first);
    calls
}

/// A stream that brings about a root's `queue_ready`: on the worker, which has registered the queue after the main thread.
pub(crate) fn of_messenger() -> Calls {
    vec![
        at("request_headers", "queue = proxy_resolve_shared_queue(\"\", \"ready\")"),
        at("request_headers", "proxy_enqueue_shared_queue($queue, \"message\")"),
    ]
}

fn at(context: &str, call: &str) -> (String, String) {
    (context.to_owned(), call.to_owned())
}
