//! The wasm module of the guest probe.

palisade_sdk::filter!(
    palisade_guest_probe::Probe,
    phases: [
        request_headers, request_body, request_trailers,
        response_headers, response_body, response_trailers,
        http_call, grpc_call, sleep,
    ]
);
