//! The wasm module of the rate limit filter that also asks rate limit services.

palisade_sdk::filter!(
    palisade_rate_limit::GlobalRateLimit,
    phases: [request_headers, response_headers, grpc_call, end]
);
