//! The wasm module of the guest screen.

palisade_sdk::filter!(palisade_guest_screen::Screen, phases: [request_headers, request_body, http_call]);
