//! The wasm module of the auth filter.

palisade_sdk::filter!(palisade_auth::Auth, phases: [request_headers, request_body, http_call, sleep]);
