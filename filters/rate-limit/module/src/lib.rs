//! The wasm module of the rate limit filter.

palisade_sdk::filter!(palisade_rate_limit::RateLimit, phases: [request_headers, response_headers, end]);
