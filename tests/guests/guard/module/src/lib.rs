//! The wasm module of the guest guard.

palisade_sdk::filter!(palisade_guest_guard::Guard, phases: [request_headers, request_body]);
