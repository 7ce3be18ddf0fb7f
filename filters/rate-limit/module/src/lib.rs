//! The wasm module of the rate limit filter.

// Built natively, with the whole workspace, the filter has the feature `global` of the other module, and its phases.
#[cfg(target_arch = "wasm32")]
palisade_sdk::filter!(palisade_rate_limit::RateLimit, phases: [request_headers, response_headers, end]);
