//! The wasm module of the guest auth.

palisade_sdk::filter!(palisade_guest_auth::Auth, phases: [request_headers, http_call]);
